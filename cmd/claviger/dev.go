package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/policy"
)

const devWarning = `
  This is claviger dev: for trying things out, NOT FOR PRODUCTION.
  The root key lies in a file beside the data that it protects, and one
  administrator may do everything. For production: claviger init, claviger serve.

`

func devCommand() *cli.Command {
	return &cli.Command{
		Name:  "dev",
		Usage: "try Claviger in one command (not for production)",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "`FOLDER` for data, keys and certificates", Value: "./claviger-dev"},
			&cli.StringFlag{Name: "kmip", Usage: "`ADDR` for KMIP; port 0 takes a free one", Value: "127.0.0.1:5696"},
			&cli.StringFlag{Name: "https", Usage: "`ADDR` for administration; port 0 takes a free one", Value: "127.0.0.1:5697"},
			&cli.StringFlag{Name: "store", Usage: "`URL` of another store, such as postgres://…"},
			&cli.BoolFlag{Name: "interop", Usage: "allow the Interop operation, which only tests need"},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error", Value: "info"},
		},
		Action: func(c *cli.Context) error {
			dir, err := filepath.Abs(c.String("dir"))
			if err != nil {
				return err
			}
			cfg, err := devConfig(c, dir)
			if err != nil {
				return err
			}
			if err := harden(); err != nil {
				return err
			}
			fmt.Fprint(c.App.ErrWriter, devWarning)
			return runDev(c.Context, cfg, dir, c.App.Writer, c.App.ErrWriter)
		},
	}
}

// devConfig makes the configuration and writes it down as one that serve takes.
func devConfig(c *cli.Context, dir string) (config.Config, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return config.Config{}, fmt.Errorf("--dir: %w", err)
	}
	url := c.String("store")
	if url == "" {
		url = "sqlite:" + filepath.Join(dir, "store.db")
	}
	text := fmt.Sprintf(`# Written by claviger dev at every start; claviger serve --config takes it too.
[store]
url = %q
[root]
kind = "software"
key = { file = %q }
[kmip]
listen = %q
interop = %t
[https]
listen = %q
[pki]
dir = %q
[log]
level = %q
`, url, filepath.Join(dir, "root.key"), c.String("kmip"), c.Bool("interop"), c.String("https"), filepath.Join(dir, "pki"), c.String("log-level"))
	path := filepath.Join(dir, "claviger.toml")
	cfg, err := config.Parse(path, []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		return cfg, err
	}
	return cfg, writeFile(path, []byte(text), 0o600)
}

// runDev does what init and serve do, with a demo client between.
func runDev(ctx context.Context, cfg config.Config, dir string, stdout, stderr io.Writer) error {
	core, err := openCore(ctx, cfg, newLogger(stderr, cfg.Log.Level), true)
	if err != nil {
		return err
	}
	defer func() { _ = core.Close() }()
	core.dev = true
	if err := core.openRoot(ctx, true); err != nil {
		return err
	}
	l, err := listenBoth(ctx, cfg)
	if err != nil {
		return err
	}
	_, statErr := os.Stat(filepath.Join(cfg.PKI.Dir, "admin", "cert.pem"))
	if err := core.initialise(ctx, statErr != nil, l.https.Addr().String(), cfg.PKI.Dir, io.Discard); err != nil {
		l.close()
		return err
	}
	if err := writeContext(filepath.Join(dir, "admin.toml"), l.https.Addr().String(), filepath.Join("pki", "ca.pem"), filepath.Join("pki", "admin")); err != nil {
		l.close()
		return err
	}
	if err := core.demoClient(ctx, filepath.Join(cfg.PKI.Dir, "clients", "demo")); err != nil {
		l.close()
		return err
	}
	fmt.Fprintf(stderr, "  administrator   claviger --context %s status\n  demo client     %s, authority %s\n\n",
		filepath.Join(dir, "admin.toml"), filepath.Join(cfg.PKI.Dir, "clients", "demo"), filepath.Join(cfg.PKI.Dir, "ca.pem"))
	return serveNode(ctx, core, l, dir, stdout)
}

// demoClient makes the client "demo" of the domain "default", or gives it one
// more certificate when its files are gone.
func (c *core) demoClient(ctx context.Context, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cert.pem")); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p := custody.Principal{Principal: policy.Principal{Kind: policy.KindAdministrator, Name: "dev", Role: policy.RoleAdministrator}}
	sc := c.custody.Begin(p, custody.DefaultDomain, "system", "", "")
	made, err := c.custody.CreateClient(ctx, sc, "demo", policy.RoleFull)
	if kmip.KindOf(err) == kmip.KindObjectExists {
		made, err = c.custody.IssueCertificate(ctx, sc, "demo")
	}
	if err != nil {
		return fmt.Errorf("demo client: %w", err)
	}
	p12, err := made.Issued.PKCS12(made.Authority, "")
	if err != nil {
		return err
	}
	b, err := bundleOf(made.Issued, pki.CertificatePEM(made.Authority), p12)
	if err != nil {
		return err
	}
	return writeBundle(dir, b)
}
