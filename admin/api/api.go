// Package api is the administrative interface: REST with JSON and an OpenAPI
// description made from the Go types, so that the two cannot drift apart. It
// turns requests into calls of custody, and custody's failures into problems
// (RFC 9457); it decides nothing. No route leads to key material.
//
// Everything under /api/v1, the description too, is for administrators, who
// present their certificate in TLS. /health is open and says one word.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/kmip/custody"
)

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// Config is what the interface is made of. All but Now are required.
type Config struct {
	Custody *custody.Service
	Status  func(ctx context.Context) Status
	Health  func(ctx context.Context) error
	Log     *slog.Logger
	Version string
	Now     func() time.Time // time.Now when nil
}

// api answers requests.
type api struct {
	Config
}

// New makes the handler of /api/v1 and /health.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &api{c}
	routes := http.NewServeMux()
	a.register(humago.New(routes, description(c.Version)))

	open := http.NewServeMux()
	open.Handle("GET /health", ops.Health(c.Health, c.Log))
	open.Handle("/api/v1/", auth.Require(c.Custody, a.deny, bounded(routes)))
	return open
}

// description configures the API and its OpenAPI document.
func description(version string) huma.Config {
	conf := huma.DefaultConfig("Claviger administration", version)
	conf.Info.Description = "Administration of a Claviger node. Authentication is by the client certificate of an administrator (mutual TLS). No key material is reachable here."
	conf.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"mutualTLS": {Type: "mutualTLS"}}
	conf.Security = []map[string][]string{{"mutualTLS": {}}}
	conf.OpenAPIPath, conf.DocsPath, conf.SchemasPath = "/api/v1/openapi", "", ""
	conf.CreateHooks = nil // no $schema fields in answers
	conf.RejectUnknownQueryParameters = true
	conf.Transformers = []huma.Transformer{withoutValues}
	return conf
}

// withoutValues takes out of a problem what was sent: it may be a password.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*huma.ErrorModel); ok {
		for _, e := range p.Errors {
			e.Value = nil
		}
	}
	return v, nil
}

// bounded refuses bodies that are too large, also on routes that read none.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// register lists every route.
func (a *api) register(h huma.API) {
	huma.Register(h, get("status", "/status", "Status of the node"), a.status)

	huma.Register(h, get("list-domains", "/domains", "List the domains"), a.domains)
	huma.Register(h, post("create-domain", "/domains", "Create a domain", http.StatusCreated), a.createDomain)

	huma.Register(h, get("list-clients", "/clients", "List the clients of a domain, or of all"), a.clients)
	huma.Register(h, post("create-client", "/clients", "Create a client and issue its certificate", http.StatusCreated), a.createClient)
	huma.Register(h, post("revoke-client", "/domains/{domain}/clients/{name}/revoke", "End the access of a client", http.StatusNoContent), a.revokeClient)

	huma.Register(h, post("create-user", "/users", "Create a KMIP user with a password", http.StatusCreated), a.createUser)

	huma.Register(h, get("list-keys", "/keys", "List the objects of a domain, newest first"), a.keys)
	huma.Register(h, get("show-key", "/domains/{domain}/keys/{uid}", "Show an object with its attributes"), a.key)
	huma.Register(h, post("revoke-key", "/domains/{domain}/keys/{uid}/revoke", "Deactivate an object or declare it compromised", http.StatusNoContent), a.revokeKey)
	huma.Register(h, post("destroy-key", "/domains/{domain}/keys/{uid}/destroy", "Destroy the value of an object for ever", http.StatusNoContent), a.destroyKey)

	huma.Register(h, get("list-audit", "/audit", "List entries of the audit, newest first"), a.audit)
	huma.Register(h, get("inventory", "/reports/inventory", "Report all objects as CSV or JSON"), a.inventory)
}

func get(id, path, summary string) huma.Operation {
	return operation(http.MethodGet, id, path, summary, http.StatusOK)
}

func post(id, path, summary string, status int) huma.Operation {
	return operation(http.MethodPost, id, path, summary, status)
}

func operation(method, id, path, summary string, status int) huma.Operation {
	return huma.Operation{
		Method: method, OperationID: id, Path: "/api/v1" + path, Summary: summary, DefaultStatus: status, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable},
	}
}

// scope opens the frame of a request for a domain; "" is the installation.
func (a *api) scope(ctx context.Context, domain string) *custody.Scope {
	c, _ := auth.From(ctx) // without a caller the principal is empty, and policy refuses it
	return a.Custody.Begin(c.Principal, domain, "admin", c.Source, c.Request)
}
