package main

import (
	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "start a node: KMIP and administration over TLS",
		Flags: []cli.Flag{configFlag()},
		Action: func(c *cli.Context) error {
			cfg, err := config.Load(c.String("config"))
			if err != nil {
				return err
			}
			if err := harden(); err != nil {
				return err
			}
			log := newLogger(c.App.ErrWriter, cfg.Log.Level)
			core, err := openCore(c.Context, cfg, log, false)
			if err != nil {
				return err
			}
			defer func() { _ = core.Close() }()
			if err := core.prompts.ask(c.Context, c.App.Reader, c.App.ErrWriter); err != nil {
				return err
			}
			https, err := listen(c.Context, "https.listen", cfg.HTTPS.Listen)
			if err != nil {
				return err
			}
			return serveNode(c.Context, core, listeners{https: https}, cfg.PKI.Dir, c.App.Writer)
		},
	}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Usage: "configuration `FILE` (TOML)", Required: true, EnvVars: []string{"CLAVIGER_CONFIG"}}
}
