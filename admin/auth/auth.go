// Package auth tells who an administrator is. Today a certificate of mutual
// TLS says so; whatever comes later (single sign-on, sessions) ends in the same
// custody.Principal, so that nothing behind it knows the difference.
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
	// Certificate is what the caller came with.
	Certificate *x509.Certificate
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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := Caller{Source: r.RemoteAddr, Request: Correlation()}
		p, err := administrator(svc, r, c)
		if err != nil {
			deny(w, r, err)
			return
		}
		c.Principal, c.Certificate = p, r.TLS.PeerCertificates[0]
		c.TLS = strings.TrimPrefix(tls.VersionName(r.TLS.Version), "TLS ")
		c.Asked = askedBy(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

func administrator(svc *custody.Service, r *http.Request, c Caller) (custody.Principal, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || len(r.TLS.VerifiedChains) == 0 {
		return custody.Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "present the certificate of an administrator")
	}
	p, err := svc.AuthenticateAdministrator(r.Context(), r.TLS.PeerCertificates[0])
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
