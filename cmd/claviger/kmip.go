package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

func kmipCommand() *cli.Command {
	return &cli.Command{
		Name: "kmip", Usage: "speak KMIP by hand, to any server",
		Subcommands: []*cli.Command{
			kmipCreate(), kmipRegister(), kmipGet(), kmipLocate(), kmipAttributes(), kmipEncrypt(), kmipDecrypt(),
			kmipActivate(), kmipRevoke(), kmipDestroy(), kmipReKey(), kmipQuery(), kmipDiscover(),
		},
	}
}

// kmipDo is a command once it has a connection.
type kmipDo func(c *cli.Context, k *client.Client) error

// overKMIP makes a command that dials first, with the flags for it.
func overKMIP(c *cli.Command, do kmipDo) *cli.Command {
	c.Flags = append(c.Flags,
		&cli.StringFlag{Name: "server", Usage: "`ADDR` of the server, host:port", Required: true},
		&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate of the server's authority", Required: true},
		&cli.StringFlag{Name: "cert", Usage: "`FILE` with the certificate of the client", Required: true},
		&cli.StringFlag{Name: "key", Usage: "`FILE` with the key of the client", Required: true},
		&cli.StringFlag{Name: "version", Usage: "`VERSION` of the protocol", Value: "1.4"},
		&cli.StringFlag{Name: "user", Usage: "`NAME` of a KMIP user to act as"},
		&cli.StringFlag{Name: "password-file", Usage: "`FILE` with the password of the user"},
		&cli.DurationFlag{Name: "timeout", Usage: "`TIME` to wait for the server", Value: client.DefaultTimeout},
		&cli.BoolFlag{Name: "dump", Usage: "print the messages on standard error, without secrets"})
	c.Action = func(c *cli.Context) error {
		k, err := dialKMIP(c)
		if err != nil {
			return err
		}
		defer func() { _ = k.Close() }()
		return do(c, k)
	}
	return c
}

func dialKMIP(c *cli.Context) (*client.Client, error) {
	v, ok := kmip.ParseVersion(c.String("version"))
	if !ok {
		return nil, usagef("--version is %q; there are %s", c.String("version"), strings.Join(texts(kmip.Versions), ", "))
	}
	t, err := clientTLS(c.String("ca"), c.String("cert"), c.String("key"))
	if err != nil {
		return nil, err
	}
	conf := client.Config{Address: c.String("server"), TLS: t, Version: v, Timeout: c.Duration("timeout")}
	if conf.Timeout < time.Millisecond {
		return nil, usagef("--timeout is too short")
	}
	if user := c.String("user"); user != "" {
		password, err := readPassword(c)
		if err != nil {
			return nil, err
		}
		conf.Credential = payload.Credential{Type: kmip.CredentialTypeUsernameAndPassword, Username: user, Password: password, HasPass: true}
	}
	if c.Bool("dump") {
		conf.Trace = func(direction string, message kmip.Item) {
			note(c, "# %s\n%s", direction, strings.TrimSuffix(wire.Dump(message), "\n"))
		}
	}
	k, err := client.Dial(c.Context, conf)
	if err != nil {
		return nil, explainDial(c, err)
	}
	return k, nil
}

func explainDial(c *cli.Context, err error) error {
	var verification *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &verification):
		return fmt.Errorf("the certificate of the server does not fit %s: %w", c.String("ca"), verification.Err)
	}
	return fmt.Errorf("%w; is a KMIP server listening there?", err)
}

// enumeration reads the value of a flag that is one of an enumeration; 0 when
// the flag is empty.
func enumeration[T ~uint32](c *cli.Context, flag string, tag kmip.Tag) (T, error) {
	text := c.String(flag)
	if text == "" {
		return 0, nil
	}
	v, ok := kmip.EnumByName(tag, text)
	if !ok {
		var names []string
		for _, v := range kmip.EnumValues(tag) {
			names = append(names, kmip.EnumName(tag, v))
		}
		return 0, usagef("--%s: there is no %s %q; there are %s", flag, tag.Title(), text, strings.Join(names, ", "))
	}
	return T(v), nil
}

// usageMask reads --usage.
func usageMask(c *cli.Context) (kmip.CryptographicUsageMask, error) {
	var mask kmip.CryptographicUsageMask
	for _, name := range c.StringSlice("usage") {
		bit, ok := kmip.MaskByName(kmip.TagCryptographicUsageMask, strings.TrimSpace(name))
		if !ok {
			return 0, usagef("--usage: there is no use %q; there are %s", name,
				strings.Join(kmip.MaskNames(kmip.TagCryptographicUsageMask, 0x00FFFFFF), ", "))
		}
		mask |= kmip.CryptographicUsageMask(bit)
	}
	return mask, nil
}

// printUID prints the identifier that an operation gave.
func printUID(c *cli.Context, uid string) error {
	if wantsJSON(c) {
		return printJSON(c, map[string]string{"uid": uid})
	}
	return printLine(c, "%s", printable(uid))
}
