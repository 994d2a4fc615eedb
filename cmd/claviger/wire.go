package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/pkcs11"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/postgres"
	"github.com/claviger/claviger/store/sqlite"
)

// core is what every command on the server's own machine works with: store,
// root of trust and custody, wired by hand. This file is the only place that
// knows every concrete type.
type core struct {
	cfg     config.Config
	log     *slog.Logger
	node    string
	store   store.Store
	token   hsm.Token
	ring    *seal.Ring
	custody *custody.Service
	started time.Time
}

func newLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // checked by config
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}

// openCore opens store and root of trust. With prepare it migrates the schema
// and makes the root keys first, as init does.
func openCore(ctx context.Context, cfg config.Config, log *slog.Logger, prepare bool) (_ *core, err error) {
	c := &core{cfg: cfg, log: log, node: uuid.NewString(), started: time.Now()}
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	if c.store, err = openStore(ctx, cfg.Store.URL, prepare, store.Options{Node: c.node, Sign: c.sign}); err != nil {
		return nil, err
	}
	if c.token, err = openToken(ctx, cfg.Root, prepare); err != nil {
		return nil, err
	}
	c.ring = seal.New(c.token, domainKeys{c.store}, seal.Options{})
	if prepare {
		if err = c.ring.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	if err = c.ring.Check(ctx); err != nil {
		return nil, fmt.Errorf("root of trust: %w", err)
	}
	c.custody = custody.New(custody.Config{Store: c.store, Sealer: c.ring, Log: log, EncodeTTLV: encodeTTLV, DecodeTTLV: decodeTTLV})
	return c, nil
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
	if c.token != nil {
		errs = append(errs, c.token.Close())
	}
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

func openToken(ctx context.Context, r config.Root, create bool) (hsm.Token, error) {
	if r.Kind == "pkcs11" {
		t := r.Token[0]
		token, err := pkcs11.Open(ctx, pkcs11.Config{
			Module: t.Module, Label: t.Label, Serial: t.Serial, Sessions: t.Sessions,
			PIN: func(context.Context) (*secret.Bytes, error) { return t.PIN.Read() },
		})
		if err != nil {
			return nil, fmt.Errorf("root of trust: %w", err)
		}
		return token, nil
	}
	var o soft.Options
	if r.Passphrase.Given() {
		p, err := r.Passphrase.Read()
		if err != nil {
			return nil, fmt.Errorf("root.passphrase: %w", err)
		}
		defer p.Destroy()
		o.Passphrase = p
	}
	open := soft.Open
	if _, err := os.Stat(r.Key.File); errors.Is(err, os.ErrNotExist) && create {
		open = soft.Create
	}
	token, err := open(r.Key.File, o)
	if err != nil {
		return nil, fmt.Errorf("root of trust: %w", err)
	}
	return token, nil
}

// domainKeys keeps domain keys in the store.
type domainKeys struct{ store store.Store }

func (d domainKeys) DomainKeys(ctx context.Context, domain string) ([]seal.DomainKey, error) {
	rows, err := d.store.DomainKeys(ctx, domain)
	if err != nil {
		return nil, err
	}
	keys := make([]seal.DomainKey, len(rows))
	for i, r := range rows {
		keys[i] = seal.DomainKey(r)
	}
	return keys, nil
}

func (d domainKeys) AddDomainKey(ctx context.Context, k seal.DomainKey) error {
	err := d.store.Commit(ctx, store.Change{AddDomainKeys: []store.DomainKey{store.DomainKey(k)}})
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("%w: %w", seal.ErrKeyExists, err)
	}
	return err
}
