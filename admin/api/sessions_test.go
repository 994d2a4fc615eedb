package api

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
)

func TestSessionsAdmitByTheirTokenAlone(t *testing.T) {
	f := newFixture(t)
	token, _, err := f.BeginSession(t.Context(), f.Begin(custody.Principal{}, "", "admin", "192.0.2.1:9", ""), custody.Identity{Name: "oidc:x#1", Role: policy.RoleAuditor})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(header string, cert *x509.Certificate, method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.TLS = &tls.ConnectionState{}
		if cert != nil {
			r.TLS.PeerCertificates, r.TLS.VerifiedChains = []*x509.Certificate{cert}, [][]*x509.Certificate{{cert}}
		}
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		return w
	}
	for name, c := range map[string]struct {
		header string
		cert   *x509.Certificate
		want   int
	}{
		"the token":                            {"Bearer " + token, nil, http.StatusOK},
		"the scheme in other letters":          {"bearer  " + token, nil, http.StatusOK},
		"another token":                        {"Bearer " + token + "x", nil, http.StatusUnauthorized},
		"no token":                             {"Bearer", nil, http.StatusUnauthorized},
		"another scheme":                       {"Basic " + token, nil, http.StatusUnauthorized},
		"another token and a good certificate": {"Bearer x", f.admin, http.StatusUnauthorized},
	} {
		if w := ask(c.header, c.cert, http.MethodGet, "/api/v1/administrators"); w.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
	// The session's role counts, whatever certificate comes with it.
	if w := ask("Bearer "+token, f.admin, http.MethodPost, "/api/v1/root/retry"); w.Code != http.StatusForbidden {
		t.Errorf("an auditor's session with the certificate of another: status %d: %s", w.Code, w.Body)
	}
	if w := f.call(t, f.admin, http.MethodPost, "/api/v1/logout", ""); w.Code != http.StatusConflict {
		t.Errorf("logout with a certificate: status %d", w.Code)
	}
	if w := ask("Bearer "+token, nil, http.MethodPost, "/api/v1/logout"); w.Code != http.StatusNoContent {
		t.Errorf("logout: status %d: %s", w.Code, w.Body)
	}
	if w := ask("Bearer "+token, nil, http.MethodGet, "/api/v1/administrators"); w.Code != http.StatusUnauthorized {
		t.Errorf("after logout: status %d", w.Code)
	}
	if w := f.call(t, nil, http.MethodPost, "/api/v1/login", `{"id_token":"x"}`); w.Code != http.StatusNotFound {
		t.Errorf("login without a provider: status %d: %s", w.Code, w.Body)
	}
}
