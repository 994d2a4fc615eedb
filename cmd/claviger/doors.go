package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/kmip/server"
)

// handler is what the HTTPS door serves: KMIP, administration and health.
func (c *core) handler(k *server.Server) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("/kmip", k.HTTP())
	routes.Handle("/", api.New(api.Config{
		Custody: c.custody, Log: c.log, Version: version(), Health: c.health,
		Status: func(ctx context.Context) api.Status { return c.status(ctx, k.Open()) },
	}))
	return routes
}

// healthDeadline bounds what a health check may wait for.
const healthDeadline = 3 * time.Second

// health is nil when the node can serve: store and root of trust answer.
func (c *core) health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthDeadline)
	defer cancel()
	if err := c.store.Ping(ctx); err != nil {
		return err
	}
	if err := c.checkClock(ctx); err != nil {
		return err
	}
	return c.ring.Check(ctx)
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
		Store: api.Store{Kind: "postgres", Healthy: true},
		Root:  api.Root{Kind: c.cfg.Root.Kind, Mode: c.cfg.Root.Mode, Healthy: true},
	}
	if strings.HasPrefix(c.cfg.Store.URL, "sqlite:") {
		s.Store.Kind = "sqlite"
	}
	if err := c.store.Ping(ctx); err != nil {
		s.Store.Healthy, s.Store.Detail = false, err.Error()
	} else if err := c.checkClock(ctx); err != nil {
		s.Store.Healthy, s.Store.Detail = false, err.Error()
	}
	if err := c.ring.Check(ctx); err != nil {
		s.Root.Healthy, s.Root.Detail = false, err.Error()
	}
	if info, err := c.ring.Info(ctx); err == nil {
		s.Root.Kind, s.Root.Label, s.Root.Hardware = string(info.Kind), info.Label, info.Hardware
	}
	s.Healthy = s.Store.Healthy && s.Root.Healthy
	return s
}
