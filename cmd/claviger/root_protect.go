package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm/soft"
)

// protectCommand puts the file of a software root key under another guard. It
// works on the server's own machine, without the server.
func protectCommand() *cli.Command {
	return &cli.Command{
		Name: "protect", Usage: "put the file of a software root key under another guard, while the server is stopped",
		Description: "Works on the server's own machine. The configuration says how the file is opened now; change\n" +
			"it to the new guard afterwards. Old copies of the file still open as they did.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringSliceFlag{Name: "share-file", Usage: "`FILE` with a share that opens the file now; repeat it"},
			&cli.BoolFlag{Name: "none", Usage: "nothing guards the file any more"},
			&cli.StringFlag{Name: "passphrase-file", Usage: "`FILE` with the new passphrase"},
			&cli.StringFlag{Name: "shamir", Usage: "`M/N`: M of N new shares open the file"},
			&cli.StringFlag{Name: "shares-out", Usage: "`FOLDER` for the new shares, a file for each custodian", Value: "claviger-shares"},
			&cli.StringFlag{Name: "tpm", Usage: "`DEVICE` of the TPM 2.0 that the file is sealed to"},
			&cli.IntSliceFlag{Name: "pcr", Usage: "`NUMBER` of a register that must be as it is now; repeat it"},
		},
		Action: protectRoot,
	}
}

func protectRoot(c *cli.Context) error {
	cfg, err := config.Load(c.String("config"))
	if err != nil {
		return err
	}
	if !cfg.Root.Key.Given() {
		return errors.New("the configuration has no software root key")
	}
	if err := harden(); err != nil {
		return err
	}
	guard, err := newGuard(c)
	if err != nil {
		return err
	}
	defer guard.Passphrase.Destroy()
	own := &core{cfg: cfg, log: newLogger(c.App.ErrWriter, cfg.Log.Level), prompts: newPrompts(cfg.Root)}
	defer own.prompts.destroy()
	if err := own.prompts.ask(c.Context, c.App.Reader, c.App.ErrWriter); err != nil {
		return err
	}
	for _, file := range c.StringSlice("share-file") {
		if err := own.giveShare(file); err != nil {
			return err
		}
	}
	opened, err := own.openSoftware(false)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	token, ok := opened.(*soft.Token)
	if !ok {
		return fmt.Errorf("the root key is a %T and no file", opened)
	}
	own.custodians.folder = c.String("shares-out")
	guard.HandOut = own.custodians.handOut
	shares, err := token.Reprotect(guard)
	destroyShares(shares)
	if err != nil {
		return err
	}
	if own.custodians.given > 0 {
		note(c, "the shares are in %s: give each file to its custodian and remove it here", own.custodians.folder)
	}
	return printLine(c, "%s is protected by %s now; say so in the configuration", cfg.Root.Key.File, own.protection())
}

// newGuard reads the flags: exactly one guard.
func newGuard(c *cli.Context) (soft.Guard, error) {
	var g soft.Guard
	given := 0
	if c.Bool("none") {
		given++
	}
	if file := c.String("passphrase-file"); file != "" {
		given++
		p, err := (config.Secret{File: file}).Read()
		if err != nil {
			return g, err
		}
		g.Passphrase = p
	}
	if text := c.String("shamir"); text != "" {
		given++
		m, n, _ := strings.Cut(text, "/")
		var errM, errN error
		g.Threshold, errM = strconv.Atoi(m)
		g.Shares, errN = strconv.Atoi(n)
		if errM != nil || errN != nil {
			return g, usagef("--shamir is %q; it is M/N, such as 2/3", text)
		}
	}
	if device := c.String("tpm"); device != "" {
		given++
		g.TPM = &soft.TPM{Device: device, PCRs: c.IntSlice("pcr")}
	}
	if given != 1 {
		return g, usagef("give one of --none, --passphrase-file, --shamir and --tpm")
	}
	return g, nil
}
