package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/server"
)

// handler is what the HTTPS door serves: KMIP, administration and health.
func (c *core) handler(k *server.Server) (http.Handler, error) {
	provider, err := c.provider()
	if err != nil {
		return nil, err
	}
	routes := http.NewServeMux()
	routes.Handle("/kmip", k.HTTP())
	routes.Handle("/", api.New(api.Config{
		Custody: c.custody, Log: c.log, Version: version(), Health: c.health, Gate: c, OIDC: provider,
		Metrics: ops.Metrics(version(), c.ring.Tokens, ops.BreakGlass(c.breakGlass), ops.Expiry(c.nextExpiry), ops.Ending(c.custody.Ending), ops.RotationHeld(c.custody.RotationHeld)),
		Status:  func(ctx context.Context) api.Status { return c.status(ctx, k.Open()) },
	}))
	return routes, nil
}

// provider is the identity provider of administrators; nil when none is configured.
func (c *core) provider() (*auth.OIDC, error) {
	o := c.cfg.OIDC
	if o.Issuer == "" {
		return nil, nil //nolint:nilnil // documented
	}
	conf := auth.OIDCConfig{Issuer: o.Issuer, ClientID: o.ClientID, Audience: o.Audience, Claim: o.Claim, Roles: o.Roles}
	if o.CA != "" {
		pool, err := authorities(o.CA)
		if err != nil {
			return nil, fmt.Errorf("oidc.ca: %w", err)
		}
		conf.CA = pool
	}
	return auth.NewOIDC(conf), nil
}

// breakGlass reports whether break-glass is open, as far as it is known.
func (c *core) breakGlass() bool {
	ctx, cancel := context.WithTimeout(context.Background(), healthDeadline)
	defer cancel()
	state, err := c.custody.BreakGlassNow(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "whether break-glass is open could not be read; it is told as it was known last", "error", err)
	}
	return state.Active
}

// healthDeadline bounds what a health check may wait for.
const healthDeadline = 3 * time.Second

// health is nil when the node can serve: the store answers, and so does a token,
// unless everything that is in use is in the process.
func (c *core) health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthDeadline)
	defer cancel()
	if err := c.store.Ping(ctx); err != nil {
		return err
	}
	if err := c.checkClock(ctx); err != nil {
		return err
	}
	return c.ring.Serves()
}

// clockTolerance is how far the clocks of node and database may be apart:
// dates change the state of keys, and all nodes must agree when.
const clockTolerance = 500 * time.Millisecond

func (c *core) checkClock(ctx context.Context) error {
	before := time.Now()
	there, err := c.store.Now(ctx)
	if err != nil {
		return err
	}
	after := time.Now()
	if there.Before(before.Add(-clockTolerance)) || there.After(after.Add(clockTolerance)) {
		return fmt.Errorf("the clock of this machine and that of the database differ by %s; set both by NTP", there.Sub(before).Round(time.Millisecond))
	}
	return nil
}

func (c *core) status(ctx context.Context, connections int) api.Status {
	ctx, cancel := context.WithTimeout(ctx, healthDeadline)
	defer cancel()
	s := api.Status{
		Version: version(), Node: c.node, Name: c.name(), Started: c.started.UTC().Truncate(time.Second),
		Uptime: int64(time.Since(c.started) / time.Second), Connections: connections,
		FIPS: fipsStatus(c.cfg.FIPS), Ending: c.custody.Ending(),
		Store: api.Store{Kind: "postgres", Healthy: true},
		Root:  c.rootStatus(), Expiring: c.expiring(),
	}
	if strings.HasPrefix(c.cfg.Store.URL, "sqlite:") {
		s.Store.Kind = "sqlite"
	}
	if err := c.store.Ping(ctx); err != nil {
		s.Store.Healthy, s.Store.Detail = false, err.Error()
	} else if err := c.checkClock(ctx); err != nil {
		s.Store.Healthy, s.Store.Detail = false, err.Error()
	}
	s.Healthy = s.Store.Healthy && s.Root.Healthy
	return s
}

// rootStatus tells how the tokens are, from memory: a token that hangs does not
// keep an operator waiting.
func (c *core) rootStatus() api.Root {
	r := api.Root{Mode: c.cfg.Root.Mode, Healthy: true, Serves: c.ring.Serves() == nil, Random: "system", Tokens: []api.Token{}}
	if c.cfg.Root.Random == "token" {
		r.Random = "token and system"
	}
	for _, s := range c.ring.Tokens() {
		t := api.TokenOf(s)
		t.UnfitKeys = c.cfg.Root.AcceptUnfitKeys && s.Unfit
		if t.Kind == string(hsm.KindSoftware) {
			t.Protected = c.protection()
		}
		if s.Err != nil && !s.Retired {
			r.Healthy = false
			r.Detail = "a token is not well"
		}
		r.Tokens = append(r.Tokens, t)
	}
	return r
}
