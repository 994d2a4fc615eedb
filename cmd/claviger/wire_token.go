package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/pkcs11"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/worker"
	"github.com/claviger/claviger/kmip/secret"
)

// members are the tokens of the configuration, those of PKCS#11 before a software
// root key. With create a software root key is made if it is not there.
func (c *core) members(create bool) ([]seal.Member, error) {
	var list []seal.Member
	for _, t := range c.cfg.Root.Token {
		open, err := c.openPKCS11(t)
		if err != nil {
			return nil, err
		}
		list = append(list, seal.Member{Name: t.Name(), Open: open})
	}
	if r := c.cfg.Root; r.Key.Given() {
		list = append(list, seal.Member{Name: softwareName(r), Open: func(context.Context) (hsm.Token, error) { return c.openSoftware(create) }})
	}
	return list, nil
}

// pin is where the PIN of a token comes from, at each login.
func (c *core) pin(t config.Token) func(context.Context) (*secret.Bytes, error) {
	return func(context.Context) (*secret.Bytes, error) {
		if !t.PIN.Prompt {
			return t.PIN.Read()
		}
		given, err := c.prompts.take(t.Name(), wantPIN)
		if err != nil {
			return nil, err
		}
		return given[0], nil
	}
}

// workerConfig is what a worker opens its token with. There is no secret in it.
type workerConfig struct {
	Token       config.Token `json:"token"`
	AcceptUnfit bool         `json:"accept_unfit"`
}

func (w workerConfig) pkcs11(pin func(context.Context) (*secret.Bytes, error)) pkcs11.Config {
	t := w.Token
	return pkcs11.Config{
		Module: t.Module, Label: t.Label, Serial: t.Serial, Sessions: t.Sessions, Timeout: t.Deadline(),
		Hardware: t.Hardware, AcceptUnfit: w.AcceptUnfit, PIN: pin,
	}
}

// openPKCS11 returns how a token is opened: in a worker process of this program,
// or in this process.
func (c *core) openPKCS11(t config.Token) (func(context.Context) (hsm.Token, error), error) {
	pin := c.pin(t)
	conf := workerConfig{t, c.cfg.Root.AcceptUnfitKeys}
	ready := func() error { // before anything is started
		if !t.PIN.Prompt {
			return nil
		}
		given, err := c.prompts.take(t.Name(), wantPIN)
		for _, v := range given {
			v.Destroy()
		}
		return err
	}
	refused := func() { // it is asked for again
		if t.PIN.Prompt {
			c.prompts.reject(t.Name(), wantPIN)
		}
	}
	if t.Isolation == "inline" {
		return func(ctx context.Context) (hsm.Token, error) {
			if err := ready(); err != nil {
				return nil, err
			}
			inline := conf.pkcs11(pin)
			inline.Refused = refused
			token, err := pkcs11.Open(ctx, inline)
			if err != nil {
				return nil, err
			}
			return token, nil
		}, nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the program's own path, for the worker of token %s: %w", t.Name(), err)
	}
	params, err := json.Marshal(conf)
	if err != nil {
		return nil, err
	}
	hidden := secretVariables(c.cfg.Root)
	timeout := t.Deadline()
	if timeout == 0 {
		timeout = pkcs11.DefaultTimeout
	}
	return func(ctx context.Context) (hsm.Token, error) {
		if err := ready(); err != nil {
			return nil, err
		}
		token, err := worker.Open(ctx, worker.Config{
			Command: func() *exec.Cmd { return workerProcess(program, hidden) },
			Params:  params, PIN: pin, Refused: refused, Name: fmt.Sprintf("token %q", t.Name()), Timeout: timeout, Log: c.log,
		})
		if err != nil {
			return nil, err
		}
		return token, nil
	}, nil
}

const workerName = "token-worker"

// workerProcess is the command of a worker. It runs foreign code, so that what is
// the server's own is not in its environment: configuration, and variables with
// secrets. What modules look for stays.
func workerProcess(program string, hidden []string) *exec.Cmd {
	cmd := exec.Command(program, workerName)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(hidden, name) || slices.ContainsFunc(ownVariables, func(p string) bool { return strings.HasPrefix(name, p) })
	})
	return cmd
}

// ownVariables are the beginnings of the names of variables for the server alone.
var ownVariables = []string{
	"CLAVIGER_STORE_", "CLAVIGER_ROOT_", "CLAVIGER_KMIP_", "CLAVIGER_HTTPS_", "CLAVIGER_PKI_", "CLAVIGER_LOG_", "CLAVIGER_CONFIG",
	"CLAVIGER_CONTEXT", "PG", "CREDENTIALS_DIRECTORY",
}

// secretVariables are the variables that secrets are in.
func secretVariables(r config.Root) []string {
	names := []string{r.Passphrase.Env}
	for _, t := range r.Token {
		names = append(names, t.PIN.Env)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// workerCommand is what a server starts for each token: nobody types it.
func workerCommand() *cli.Command {
	return &cli.Command{
		Name: workerName, Hidden: true, Usage: "run a PKCS#11 module for a server",
		Action: func(c *cli.Context) error {
			if err := harden(); err != nil {
				return err
			}
			return worker.Run(c.Context, func(ctx context.Context, params []byte, pin worker.PINSource) (hsm.Token, error) {
				var conf workerConfig
				if err := json.Unmarshal(params, &conf); err != nil {
					return nil, fmt.Errorf("parameters of the worker: %w", err)
				}
				return openInWorker(ctx, conf, pin)
			})
		},
	}
}

func openInWorker(ctx context.Context, conf workerConfig, pin worker.PINSource) (hsm.Token, error) {
	token, err := pkcs11.Open(ctx, conf.pkcs11(pin))
	if err != nil {
		return nil, err
	}
	return token, nil
}
