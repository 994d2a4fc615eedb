// Package idp gives tests an identity provider: OpenID Connect with discovery, keys,
// and the device authorization flow (RFC 8628), in the process of the test.
package idp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider is an identity provider.
type Provider struct {
	t      testing.TB
	server *httptest.Server
	key    *ecdsa.PrivateKey

	mu     sync.Mutex
	down   bool   // guarded by mu
	waits  int    // answers "not yet" of the device flow that are left; guarded by mu
	device string // ID token that the device flow gives; guarded by mu
}

// ClientID is the client that the provider knows.
const ClientID = "claviger"

const keyID = "1"

// New starts a provider, ended with the test.
func New(t testing.TB) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{t: t, key: key}
	m := http.NewServeMux()
	m.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, http.StatusOK, map[string]any{
			"issuer": p.Issuer(), "authorization_endpoint": p.Issuer() + "/authorize", "token_endpoint": p.Issuer() + "/token",
			"device_authorization_endpoint": p.Issuer() + "/device", "jwks_uri": p.Issuer() + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		})
	})
	m.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Use: "sig"}}})
	})
	m.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, http.StatusOK, map[string]any{
			"device_code": "device", "user_code": "ABCD-EFGH", "verification_uri": p.Issuer() + "/activate", "expires_in": 60, "interval": 1,
		})
	})
	m.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waits > 0 {
			p.waits--
			p.answer(w, http.StatusBadRequest, map[string]any{"error": "authorization_pending"})
			return
		}
		p.answer(w, http.StatusOK, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.device})
	})
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		m.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *Provider) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Issuer is the URL of the provider.
func (p *Provider) Issuer() string { return p.server.URL }

// Certificate is the one that the provider's clients have to trust.
func (p *Provider) Certificate() *x509.Certificate { return p.server.Certificate() }

// CA is a pool with the certificate.
func (p *Provider) CA() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return pool
}

// Down makes the provider answer nothing but errors, or brings it back.
func (p *Provider) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Device makes the device flow give a token after so many answers "not yet".
func (p *Provider) Device(token string, waits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.device, p.waits = token, waits
}

// Claims are those of somebody in some groups, good for an hour from now.
func (p *Provider) Claims(now time.Time, subject string, groups ...string) map[string]any {
	return map[string]any{
		"iss": p.Issuer(), "aud": ClientID, "sub": subject, "groups": groups, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// With is the claims with some changed.
func With(claims map[string]any, changes map[string]any) map[string]any {
	c := maps.Clone(claims)
	maps.Copy(c, changes)
	return c
}

// Token signs claims.
func (p *Provider) Token(claims map[string]any) string {
	return p.sign(jose.ES256, jose.JSONWebKey{Key: p.key, KeyID: keyID}, claims)
}

// ForeignToken signs claims by a key that is not the provider's.
func (p *Provider) ForeignToken(claims map[string]any) string {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.sign(jose.ES256, jose.JSONWebKey{Key: key, KeyID: keyID}, claims)
}

// ConfusedToken signs claims by an HMAC whose key is the public key.
func (p *Provider) ConfusedToken(claims map[string]any) string {
	p.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	return p.sign(jose.HS256, jose.JSONWebKey{Key: der, KeyID: keyID}, claims)
}

func (p *Provider) sign(alg jose.SignatureAlgorithm, key jose.JSONWebKey, claims map[string]any) string {
	p.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	signed, err := signer.Sign(b)
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}
