package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "prepare a node: schema, root keys, certification authority, first administrator",
		Description: "Safe to repeat, and to run on every node of an installation. Writes ca.pem and admin.toml\n" +
			"(the context of the first administrator) into the folder [pki] dir.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "shares-out", Usage: "`FOLDER` for the shares of a new root key, a file for each custodian", Value: "claviger-shares"},
			&cli.StringSliceFlag{Name: "share-file", Usage: "`FILE` with a share of the root key that is there; repeat it"},
			&cli.BoolFlag{Name: "adopt-roster", Usage: "accept clients, certificates, users and administrators as the database has them, and name those that did not authenticate"},
			&cli.BoolFlag{Name: "renew-administrator", Usage: "issue a new certificate for the first administrator"},
		},
		Action: func(c *cli.Context) error {
			cfg, err := config.Load(c.String("config"))
			if err != nil {
				return err
			}
			if err := harden(); err != nil {
				return err
			}
			core, err := openCore(c.Context, cfg, newLogger(c.App.ErrWriter, cfg.Log.Level), true)
			if err != nil {
				return err
			}
			defer func() { _ = core.Close() }()
			if err := core.prompts.ask(c.Context, c.App.Reader, c.App.ErrWriter); err != nil {
				return err
			}
			for _, file := range c.StringSlice("share-file") {
				if err := core.giveShare(file); err != nil {
					return err
				}
			}
			core.custodians.folder = c.String("shares-out")
			err = core.openRoot(c.Context, true)
			if core.custodians.given > 0 { // also when something else failed: they are needed from now on
				note(c, "the shares of the root key are in %s: give each file to its custodian and remove it here;\n%d of %d are needed at every start, and without them everything is lost",
					core.custodians.folder, cfg.Root.Shamir.Threshold, cfg.Root.Shamir.Shares)
			}
			if err != nil {
				return err
			}
			if c.Bool("adopt-roster") {
				if err := core.adoptRoster(c.Context, c.App.Writer); err != nil {
					return err
				}
			}
			return core.initialise(c.Context, c.Bool("renew-administrator"), reachable(cfg), cfg.PKI.Dir, c.App.Writer)
		},
	}
}

// adoptRoster accepts what the database says of who is who, and says what it accepts.
func (c *core) adoptRoster(ctx context.Context, out io.Writer) error {
	adopted, err := c.custody.AdoptRoster(ctx)
	for _, name := range adopted {
		fmt.Fprintf(out, "accepted as it is in the database: %s\n", name)
	}
	if err == nil && len(adopted) == 0 {
		fmt.Fprintln(out, "nothing to accept: all clients, users and administrators authenticate")
	}
	return err
}

func (c *core) giveShare(file string) error {
	value, err := (config.Secret{File: file}).Read()
	if err != nil {
		return err
	}
	if _, err := c.prompts.give(softwareName(c.cfg.Root), value, checkGiven); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// initialise prepares the installation and writes what people take: ca.pem,
// and the context of the first administrator when it was made just now.
func (c *core) initialise(ctx context.Context, renew bool, address, dir string, out io.Writer) error {
	prepare := c.custody.Initialise
	if c.dev {
		prepare = c.custody.InitialiseDev
	}
	issued, err := prepare(ctx)
	if err != nil {
		return err
	}
	if issued == nil && renew {
		if issued, err = c.custody.RenewAdministrator(ctx); err != nil {
			var f *kmip.Failure
			if errors.As(err, &f) {
				return errors.New(f.Message)
			}
			return err
		}
	}
	authority, err := c.custody.Authority(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // certificates are public; secrets have folders of their own
		return fmt.Errorf("pki.dir: %w", err)
	}
	if err := writeFile(filepath.Join(dir, "ca.pem"), pki.CertificatePEM(authority.Certificate), 0o644); err != nil {
		return fmt.Errorf("pki.dir: %w", err)
	}
	node, err := authority.IssueServer(c.cfg.KMIP.Names, time.Now())
	if err == nil {
		err = c.keepNodeCertificate(node, authority)
	}
	if err != nil {
		return fmt.Errorf("certificate of the node: %w", err)
	}
	if issued == nil {
		fmt.Fprintf(out, "prepared; the administrator was made earlier (a new certificate: --renew-administrator)\n")
		return nil
	}
	b, err := bundleOf(issued, pki.CertificatePEM(authority.Certificate), nil)
	if err != nil {
		return err
	}
	if err := writeBundle(filepath.Join(dir, "admin"), b); err != nil {
		return err
	}
	context := filepath.Join(dir, "admin.toml")
	if err := writeContext(context, address, "ca.pem", "admin"); err != nil {
		return err
	}
	fmt.Fprintf(out, "prepared; the administrator's context is %s\n", context)
	return nil
}

// writeContext writes a context for --context; paths are relative to it.
func writeContext(path, address, ca, folder string) error {
	text := fmt.Sprintf("address = %q\nca = %q\ncert = %q\nkey = %q\n", "https://"+address, ca, filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	return writeFile(path, []byte(text), 0o600)
}

// reachable is the address of the administration for somebody on the network.
func reachable(cfg config.Config) string {
	host, port, _ := net.SplitHostPort(cfg.HTTPS.Listen) // checked by config
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if len(cfg.KMIP.Names) > 0 {
			host = cfg.KMIP.Names[0]
		}
	}
	return net.JoinHostPort(host, port)
}
