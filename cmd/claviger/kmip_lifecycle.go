package main

import (
	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
)

func kmipActivate() *cli.Command {
	return overKMIP(&cli.Command{Name: "activate", Usage: "make an object Active", ArgsUsage: "UID"},
		func(c *cli.Context, k *client.Client) error {
			if err := k.Activate(c.Context, c.Args().First()); err != nil {
				return err
			}
			return done(c, "%s is Active", c.Args().First())
		})
}

func kmipRevoke() *cli.Command {
	return overKMIP(&cli.Command{
		Name: "revoke", Usage: "deactivate an object, or declare it compromised", ArgsUsage: "UID",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "reason", Usage: "Revocation Reason `CODE`, such as KeyCompromise or CessationOfOperation", Value: "Unspecified"},
			&cli.StringFlag{Name: "message", Usage: "Revocation Message `TEXT`"},
		},
	}, func(c *cli.Context, k *client.Client) error {
		code, err := enumeration[kmip.RevocationReasonCode](c, "reason", kmip.TagRevocationReasonCode)
		if err != nil {
			return err
		}
		if err := k.Revoke(c.Context, c.Args().First(), kmip.RevocationReason{Code: code, Message: c.String("message")}); err != nil {
			return err
		}
		return done(c, "%s is revoked (%s)", c.Args().First(), code)
	})
}

func kmipDestroy() *cli.Command {
	return overKMIP(&cli.Command{Name: "destroy", Usage: "destroy the value of an object", ArgsUsage: "UID"},
		func(c *cli.Context, k *client.Client) error {
			if err := k.Destroy(c.Context, c.Args().First()); err != nil {
				return err
			}
			return done(c, "%s is destroyed", c.Args().First())
		})
}

func kmipReKey() *cli.Command {
	return overKMIP(&cli.Command{Name: "rekey", Usage: "replace a symmetric key; prints the new Unique Identifier", ArgsUsage: "UID"},
		func(c *cli.Context, k *client.Client) error {
			uid, err := k.ReKey(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			return printUID(c, uid)
		})
}
