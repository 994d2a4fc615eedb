package main

import (
	"context"
	"crypto/fips140"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/postgres"
	"github.com/claviger/claviger/store/sqlite"
)

// core is what every command on the server's own machine works with: store,
// root of trust and custody, wired by hand. The files wire*.go are the only place
// that knows every concrete type.
type core struct {
	cfg        config.Config
	log        *slog.Logger
	node       string
	store      store.Store
	prompts    *prompts
	custodians custodians
	ring       *seal.Ring
	custody    *custody.Service
	started    time.Time
	dev        bool // for trying things out
}

func newLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // checked by config
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}

// openCore opens the store, and makes the rest ready to be opened. With prepare it
// migrates the schema first, as init does.
func openCore(ctx context.Context, cfg config.Config, log *slog.Logger, prepare bool) (_ *core, err error) {
	if err := checkFIPS(cfg.FIPS); err != nil {
		return nil, err
	}
	c := &core{cfg: cfg, log: log, node: uuid.NewString(), started: time.Now(), prompts: newPrompts(cfg.Root)}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	if c.store, err = openStore(ctx, cfg.Store.URL, prepare, store.Options{Node: c.node, Sign: c.sign}); err != nil {
		return nil, err
	}
	members, err := c.members(prepare)
	if err != nil {
		return nil, err
	}
	opts := seal.Options{Log: log, Mode: seal.Mode(cfg.Root.Mode), Adopt: cfg.Root.AdoptKeys, AcceptUnfit: cfg.Root.AcceptUnfitKeys, Random: laterRandom{c}}
	c.ring = seal.New(members, custody.DomainKeys{Store: c.store}, opts)
	c.custody = custody.New(custody.Config{
		Store: c.store, Sealer: c.ring, Log: log, EncodeTTLV: encodeTTLV, DecodeTTLV: decodeTTLV, Random: c.random(), FIPS: fips140.Enabled(),
		ApprovalLife: cfg.Approval.Life(),
	})
	return c, nil
}

// random is what makes keys.
func (c *core) random() io.Reader {
	if c.cfg.Root.Random == "token" {
		return c.ring.Random()
	}
	return rand.Reader
}

// laterRandom is random for the ring itself, which is made before it.
type laterRandom struct{ c *core }

func (l laterRandom) Read(b []byte) (int, error) { return l.c.random().Read(b) }

// openRoot opens the root of trust for commands that need it at once. With
// prepare it makes the root keys that are not there.
func (c *core) openRoot(ctx context.Context, prepare bool) error {
	if !prepare {
		c.ring.Tend(ctx)
	} else {
		if err := c.ring.Prepare(ctx); err != nil {
			return fmt.Errorf("root of trust: %w", err)
		}
	}
	if err := c.ring.Check(); err != nil {
		return fmt.Errorf("root of trust: %w", err)
	}
	return nil
}

func encodeTTLV(i kmip.Item) []byte { return wire.Append(nil, i) }

func decodeTTLV(b []byte) (kmip.Item, error) { return wire.Parse(b, wire.DefaultLimits()) }

func formOf(v kmip.Version) custody.Form { return dialect.FormOf(v) }

// Close releases everything in the reverse order.
func (c *core) Close() error {
	var errs []error
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	if c.ring != nil {
		c.ring.Close()
	}
	c.prompts.destroy()
	return errors.Join(errs...)
}

// signDeadline bounds the authentication of an audit entry: its key is in
// memory but for the first one.
const signDeadline = 10 * time.Second

// sign authenticates an audit entry under the key of the installation.
func (c *core) sign(e *audit.Entry) error {
	ctx, cancel := context.WithTimeout(context.Background(), signDeadline)
	defer cancel()
	generation, err := c.ring.Current(ctx, custody.SystemDomain)
	if errors.Is(err, hsm.ErrNotFound) && e.Door == "system" {
		return nil // before the installation has a key there is nothing to sign with
	}
	if err != nil {
		return fmt.Errorf("audit entry: %w", err)
	}
	e.MAC, err = c.ring.MAC(ctx, custody.SystemDomain, generation, e.Canonical())
	return err
}

func openStore(ctx context.Context, url string, migrate bool, o store.Options) (store.Store, error) {
	if strings.HasPrefix(url, "sqlite:") {
		if migrate {
			if err := sqlite.Migrate(ctx, url); err != nil {
				return nil, err
			}
		}
		s, err := sqlite.Open(ctx, url, o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	if migrate {
		if err := postgres.Migrate(ctx, url); err != nil {
			return nil, err
		}
	}
	s, err := postgres.Open(ctx, url, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}
