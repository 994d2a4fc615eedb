// Package auth tells who an administrator is. A certificate of mutual TLS says so,
// or the token of a session, which somebody gets whom an identity provider knows;
// both end in the same custody.Principal, so that nothing behind it knows the
// difference.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
)

// Caller is an administrator behind a request.
type Caller struct {
	Principal custody.Principal
	Source    string // network address
	TLS       string // version: "1.2", "1.3"
	Request   string // correlation value, for log and audit
	// Certificate is what the caller came with; nil with a session.
	Certificate *x509.Certificate
	// Session is the token of the session; empty without one. It is secret.
	Session string
	// Asked is what the request asks, for whoever has to approve it.
	Asked custody.Arguments
}

type callerKey struct{}

// From returns the caller of a request that Require let through.
func From(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Require lets only administrators through to next; deny answers the others.
// A certificate that TLS verified and that belongs to no administrator is
// recorded in the audit; a request without any is not, or anybody could fill it.
func Require(svc *custody.Service, deny func(http.ResponseWriter, *http.Request, error), next http.Handler) http.Handler {
	return require(svc, svc.AuthenticateAdministrator, deny, next)
}

// RequireToUnseal is Require on a node that is sealed; next does nothing but unseal.
func RequireToUnseal(svc *custody.Service, deny func(http.ResponseWriter, *http.Request, error), next http.Handler) http.Handler {
	return require(svc, svc.AuthenticateUnsealer, deny, next)
}

type authenticate func(context.Context, *x509.Certificate) (custody.Principal, error)

func require(svc *custody.Service, by authenticate, deny func(http.ResponseWriter, *http.Request, error), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := Caller{Source: r.RemoteAddr, Request: Correlation()}
		var err error
		if header := r.Header.Get("Authorization"); header != "" { // whatever certificate there may be
			c.Session = bearer(header)
			c.Principal, err = svc.AuthenticateSession(r.Context(), c.Session)
		} else if c.Principal, err = administrator(svc, by, r, c); err == nil {
			c.Certificate = r.TLS.PeerCertificates[0]
		}
		if err != nil {
			deny(w, r, err)
			return
		}
		if r.TLS != nil {
			c.TLS = strings.TrimPrefix(tls.VersionName(r.TLS.Version), "TLS ")
		}
		body := askedBy(r)
		defer body.forget()
		c.Asked = body
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// bearer is the token of an Authorization header (RFC 6750); empty when it has none.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func administrator(svc *custody.Service, by authenticate, r *http.Request, c Caller) (custody.Principal, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || len(r.TLS.VerifiedChains) == 0 {
		return custody.Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "present the certificate of an administrator, or log in")
	}
	p, err := by(r.Context(), r.TLS.PeerCertificates[0])
	if err != nil {
		svc.Refuse(r.Context(), svc.Begin(custody.Principal{}, "", "admin", c.Source, c.Request), policy.ActionAuthentication, "", err)
	}
	return p, err
}

// Correlation makes the value by which log and audit know a request.
func Correlation() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
