package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Defaults of Config.
const (
	DefaultTimeout         = 10 * time.Second
	DefaultGenerateTimeout = 60 * time.Second
	DefaultStartTimeout    = 30 * time.Second
)

// PINSource gives the PIN for one login. What it returns is destroyed after it.
type PINSource func(context.Context) (*secret.Bytes, error)

// Config says how to start a worker and how long to wait for it.
type Config struct {
	// Command makes the command of a worker: the program that calls Run. Its
	// standard streams and further files are set here. Its environment is the
	// server's unless Command sets another; take a variable that holds the PIN out
	// of it.
	Command func() *exec.Cmd
	// Params is what the worker opens the token with; it is no secret.
	Params []byte
	// PIN is asked at every login of a worker; nil is for tokens that need none.
	PIN PINSource
	// Refused is told of each PIN that the token refused, before anything else of it
	// is: what the source keeps is then not to be given again.
	Refused func()
	// Name is how errors and the log call the token.
	Name string
	// Timeout bounds each call, and GenerateTimeout those that make keys; the
	// token in the worker should not wait longer. StartTimeout bounds the start of
	// a worker until its token is open. 0 means the default.
	Timeout, GenerateTimeout, StartTimeout time.Duration
	// Log takes starts and ends, and what the worker prints; nil means none.
	Log *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Command == nil {
		return c, errors.New("no command of a token worker is configured")
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.Timeout, DefaultTimeout},
		{&c.GenerateTimeout, max(DefaultGenerateTimeout, c.Timeout)},
		{&c.StartTimeout, max(DefaultStartTimeout, c.Timeout)},
	} {
		if *d.value < 0 {
			return c, errors.New("timeouts of a token worker cannot be negative")
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.PIN == nil {
		c.PIN = func(context.Context) (*secret.Bytes, error) {
			return nil, fmt.Errorf("no PIN is configured: %w", hsm.ErrPIN)
		}
	}
	if c.Refused == nil {
		c.Refused = func() {}
	}
	if c.Name == "" {
		c.Name = "token"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// timeout bounds a call.
func (c Config) timeout(o op) time.Duration {
	if o.generates() {
		return c.GenerateTimeout
	}
	return c.Timeout
}

// slack is how much later than its timeout an answer may come before the worker
// counts as hanging.
func slack(timeout time.Duration) time.Duration { return min(timeout/2, time.Second) }
