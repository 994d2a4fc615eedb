// Package api is the administrative interface: REST with JSON and an OpenAPI
// description made from the Go types, so that the two cannot drift apart. It
// turns requests into calls of custody, and custody's failures into problems
// (RFC 9457); it decides nothing. No route leads to key material.
//
// Everything under /api/v1, the description too, is for administrators, who
// present their certificate in TLS or the token of a session, but for break-glass,
// which custodians open by their codes, and for logging in. /enroll takes a token,
// /client/v1/renew the certificate of a client. /health is open and says one word.
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

// Config is what the interface is made of.
type Config struct {
	Custody *custody.Service
	Status  func(ctx context.Context) Status
	Health  func(ctx context.Context) error
	Gate    ops.Gate     // nil: there is nothing to unseal
	Metrics http.Handler // nil: there are none
	OIDC    *auth.OIDC   // nil: there is no identity provider
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
	a.clientRoutes(open)
	if c.Gate != nil {
		ops.Unseal(open, c.Gate, func(next http.Handler) http.Handler { return auth.Require(c.Custody, a.deny, next) })
	}
	if c.Metrics != nil {
		open.Handle("GET /metrics", auth.Require(c.Custody, a.deny, c.Metrics))
	}
	open.Handle("POST /api/v1/break-glass/open", bounded(http.HandlerFunc(a.openBreakGlass))) // for when nobody has a certificate
	open.Handle("GET /api/v1/login", http.HandlerFunc(a.provider))                            // and to log in
	open.Handle("POST /api/v1/login", bounded(http.HandlerFunc(a.login)))
	open.Handle("/api/v1/", auth.Require(c.Custody, a.deny, bounded(routes)))
	return open
}

// description configures the API and its OpenAPI document.
func description(version string) huma.Config {
	conf := huma.DefaultConfig("Claviger administration", version)
	conf.Info.Description = "Administration of a Claviger node. Authentication is by the client certificate of an administrator (mutual TLS), or the token of a session. No key material is reachable here."
	conf.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"mutualTLS": {Type: "mutualTLS"}, "session": {Type: "http", Scheme: "bearer"}}
	conf.Security = []map[string][]string{{"mutualTLS": {}}, {"session": {}}}
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

	huma.Register(h, get("list-generations", "/domains/{domain}/generations", "List the generations of a domain's key"), a.generations)
	huma.Register(h, post("protect-domain", "/domains/{domain}/protect", "Say where new keys of a domain live", http.StatusNoContent), a.protectDomain)
	huma.Register(h, post("rotate-domain-key", "/domains/{domain}/rotate-key", "Begin a new generation of a domain's key", http.StatusAccepted), a.rotateDomain)

	huma.Register(h, get("list-root", "/root", "List the tokens with their root keys"), a.roots)
	huma.Register(h, post("enroll-token", "/root/enroll", "Wrap all domain keys for a token", http.StatusAccepted), a.enrollToken)
	huma.Register(h, post("rotate-root", "/root/rotate", "Make new root keys in a token and use them", http.StatusAccepted), a.rotateRoot)
	huma.Register(h, post("retire-token", "/root/retire", "Take a token out of use", http.StatusNoContent), a.onToken((*custody.Service).RetireToken))
	huma.Register(h, post("reinstate-token", "/root/reinstate", "Take a retired token back into use", http.StatusNoContent), a.onToken((*custody.Service).ReinstateToken))
	huma.Register(h, post("forget-token", "/root/forget", "Remove the domain keys of a retired token for ever", http.StatusNoContent), a.onToken((*custody.Service).ForgetToken))
	huma.Register(h, post("remove-root-key", "/root/remove-key", "Destroy an unused root key in a token for ever", http.StatusNoContent), a.removeRootKey)
	huma.Register(h, post("retry-tokens", "/root/retry", "Let tokens that stopped after a refused PIN log in once more", http.StatusNoContent), a.retryTokens)

	huma.Register(h, get("list-jobs", "/jobs", "List the jobs"), a.jobs)
	huma.Register(h, get("show-job", "/jobs/{id}", "Show a job"), a.showJob)
	huma.Register(h, post("pause-job", "/jobs/{id}/pause", "Pause a job", http.StatusOK), a.pauseJob)
	huma.Register(h, post("resume-job", "/jobs/{id}/resume", "Resume a job that was paused or has failed", http.StatusOK), a.resumeJob)

	huma.Register(h, get("list-clients", "/clients", "List the clients of a domain, or of all"), a.clients)
	huma.Register(h, post("create-client", "/clients", "Create a client and issue its certificate", http.StatusCreated), a.createClient)
	huma.Register(h, post("revoke-client", "/domains/{domain}/clients/{name}/revoke", "End the access of a client", http.StatusNoContent), a.revokeClient)

	huma.Register(h, post("create-client-to-enroll", "/clients/enroll", "Create a client, and a token by which it gets its certificate once", http.StatusCreated), a.createClientToEnroll)
	huma.Register(h, post("make-client-token", "/domains/{domain}/clients/{name}/token", "Make a token by which a client gets one more certificate, once", http.StatusCreated), a.makeToken)
	huma.Register(h, post("cancel-client-tokens", "/domains/{domain}/clients/{name}/token/cancel", "End the tokens of a client that nobody has used", http.StatusOK), a.cancelTokens)
	huma.Register(h, post("issue-certificate", "/domains/{domain}/clients/{name}/certificates", "Issue one more certificate to a client", http.StatusCreated), a.issueCertificate)
	huma.Register(h, post("revoke-certificate", "/domains/{domain}/clients/{name}/certificates/{fingerprint}/revoke", "End one certificate of a client", http.StatusNoContent), a.revokeCertificate)
	huma.Register(h, get("show-client", "/domains/{domain}/clients/{name}", "Show a client with its settings and certificates"), a.showClient)
	huma.Register(h, post("set-client", "/domains/{domain}/clients/{name}/set", "Change how a client may come", http.StatusOK), a.setClient)
	huma.Register(h, post("grant-client", "/domains/{domain}/clients/{name}/grant", "Give a client another role", http.StatusNoContent), a.grantClient)
	huma.Register(h, post("grant-user", "/domains/{domain}/users/{name}/grant", "Give a user another role", http.StatusNoContent), a.grantUser)

	huma.Register(h, post("change-identities", "/domains/{domain}/clients/{name}/identities", "Say which certificates of other authorities mean a client", http.StatusOK), a.changeIdentities)
	huma.Register(h, get("list-trusts", "/trusts", "List the authorities that a domain trusts, or all"), a.trusts)
	huma.Register(h, post("add-trust", "/trusts", "Accept certificates of another authority for clients of a domain", http.StatusNoContent), a.addTrust)
	huma.Register(h, post("remove-trust", "/domains/{domain}/trusts/{name}/remove", "End a trust", http.StatusNoContent), a.removeTrust)
	huma.Register(h, post("set-revocation-lists", "/domains/{domain}/trusts/{name}/crl", "Give a trust new revocation lists", http.StatusNoContent), a.setRevocationLists)

	huma.Register(h, post("create-user", "/users", "Create a KMIP user with a password", http.StatusCreated), a.createUser)

	huma.Register(h, get("list-users", "/users", "List the users of a domain, or of all, that administrators made"), a.users)
	huma.Register(h, post("disable-user", "/domains/{domain}/users/{name}/disable", "End the access of a user", http.StatusNoContent), a.onUser((*custody.Service).DisableUser))
	huma.Register(h, post("enable-user", "/domains/{domain}/users/{name}/enable", "Give a user its access back", http.StatusNoContent), a.onUser((*custody.Service).EnableUser))
	huma.Register(h, post("set-password", "/domains/{domain}/users/{name}/password", "Give a user another password", http.StatusNoContent), a.setPassword)

	huma.Register(h, get("list-keys", "/keys", "List the objects of a domain, newest first"), a.keys)
	huma.Register(h, get("show-key", "/domains/{domain}/keys/{uid}", "Show an object with its attributes"), a.key)
	huma.Register(h, post("revoke-key", "/domains/{domain}/keys/{uid}/revoke", "Deactivate an object or declare it compromised", http.StatusNoContent), a.revokeKey)
	huma.Register(h, post("destroy-key", "/domains/{domain}/keys/{uid}/destroy", "Destroy the value of an object for ever", http.StatusNoContent), a.destroyKey)
	a.registerKeyRules(h)

	a.registerPolicy(h)
	a.registerQuota(h)

	huma.Register(h, get("list-administrators", "/administrators", "List the administrators"), a.administrators)
	huma.Register(h, post("create-administrator", "/administrators", "Create an administrator and issue its certificate", http.StatusCreated), a.createAdministrator)
	huma.Register(h, post("renew-certificate", "/administrators/renew", "Issue a new certificate to the caller in the place of the old one", http.StatusCreated), a.renewCertificate)
	huma.Register(h, post("revoke-administrator", "/administrators/{name}/revoke", "End the access of an administrator", http.StatusNoContent), a.revokeAdministrator)

	huma.Register(h, get("list-sessions", "/sessions", "List the sessions that have not ended"), a.sessions)
	huma.Register(h, post("end-session", "/sessions/{id}/end", "End a session", http.StatusNoContent), a.endSession)
	huma.Register(h, post("logout", "/logout", "End the session that the request came with", http.StatusNoContent), a.logout)

	huma.Register(h, get("break-glass", "/break-glass", "Tell how break-glass is"), a.breakGlass)
	huma.Register(h, post("set-up-break-glass", "/break-glass/setup", "Make new break-glass codes; older ones are void", http.StatusCreated), a.setUpBreakGlass)
	huma.Register(h, post("close-break-glass", "/break-glass/close", "End the administrator who came by break-glass", http.StatusNoContent), a.closeBreakGlass)

	huma.Register(h, get("list-approvals", "/approvals", "List requests for approval, oldest first"), a.approvals)
	huma.Register(h, get("show-approval", "/approvals/{id}", "Show a request for approval with all that verifies its approvals"), a.approval)
	huma.Register(h, post("approve", "/approvals/{id}/approve", "Approve a request, signed by the caller's certificate", http.StatusOK), a.approve)
	huma.Register(h, post("refuse-approval", "/approvals/{id}/refuse", "Refuse a request", http.StatusNoContent), a.refuseApproval)
	huma.Register(h, post("cancel-approval", "/approvals/{id}/cancel", "Cancel a request that the caller made or may judge", http.StatusNoContent), a.cancelApproval)

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
	sc := a.Custody.Begin(c.Principal, domain, "admin", c.Source, c.Request)
	sc.TLS = c.TLS
	if c.Asked != nil {
		sc.About(c.Asked)
	}
	return sc
}
