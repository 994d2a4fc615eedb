package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// requestBody is a certificate request as clients send it.
func requestBody(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(EnrolmentRequest{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (f *fixture) enroll(t *testing.T, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, PathEnroll, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func TestClientsGetCertificatesByThemselves(t *testing.T) {
	f := newFixture(t)
	made := as[EnrollToken](t, f, http.StatusCreated, "POST", "/api/v1/clients/enroll", `{"name":"array"}`)
	good := requestBody(t)
	for _, c := range []struct {
		name, token, body string
		want              int
	}{
		{"no token", "", good, http.StatusUnauthorized},
		{"a token that is not a bearer's", "Basic " + made.Token, good, http.StatusUnauthorized},
		{"another token", "Bearer " + strings.Repeat("A", 43), good, http.StatusUnauthorized},
		{"a token without end", "Bearer " + strings.Repeat("A", 1000), good, http.StatusUnauthorized},
		{"no request", "Bearer " + made.Token, "", http.StatusBadRequest},
		{"what is no request", "Bearer " + made.Token, `{"csr":"x"}`, http.StatusBadRequest},
		{"a name beside the request", "Bearer " + made.Token, `{"name":"root",` + good[1:], http.StatusBadRequest},
		{"a request without end", "Bearer " + made.Token, `{"csr":"` + strings.Repeat("x", maxRequest) + `"}`, http.StatusBadRequest},
	} {
		if w := f.enroll(t, c.token, c.body); w.Code != c.want || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), made.Token) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	w := f.enroll(t, "Bearer "+made.Token, good)
	var got ClientEnrolled
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != http.StatusCreated || err != nil || got.Name != "array" || got.Domain != "default" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	block, _ := pem.Decode([]byte(got.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if w := f.enroll(t, "Bearer "+made.Token, good); w.Code != http.StatusUnauthorized {
		t.Errorf("the token again: %d", w.Code)
	}
	if w := f.call(t, cert, http.MethodPost, PathRenew, good); w.Code != http.StatusCreated {
		t.Errorf("renewal: %d %s", w.Code, w.Body)
	}
	for name, by := range map[string]*x509.Certificate{"nobody": nil, "an administrator": f.admin} {
		if w := f.call(t, by, http.MethodPost, PathRenew, good); w.Code != http.StatusUnauthorized {
			t.Errorf("renewal by %s: %d %s", name, w.Code, w.Body)
		}
	}
	for range 10 {
		w = f.call(t, cert, http.MethodPost, PathRenew, good)
	}
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("renewal too often: %d, retry after %q", w.Code, w.Header().Get("Retry-After"))
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		if w := f.call(t, f.admin, method, PathEnroll, ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestClientsAreShownWithWhatIsKeptOfThem(t *testing.T) {
	f := newFixture(t)
	set := as[ClientSettings](t, f, http.StatusOK, "POST", "/api/v1/domains/default/clients/someone/set",
		`{"expires":"2099-01-01T00:00:00Z","sources":["192.0.2.1","2001:db8::/32"],"rate":2.5,"connections":4,"credential_required":true}`)
	if len(set.Sources) != 2 || set.Sources[0].String() != "192.0.2.1/32" || set.Rate != 2.5 || set.Burst != 5 || set.Connections != 4 || !set.Credential {
		t.Errorf("%+v", set)
	}
	for _, body := range []string{`{"expires":"soon"}`, `{"sources":["x"]}`, `{"sources":["::ffff:192.0.2.0/120"]}`, `{"rate":-1}`, `{"unknown":1}`} {
		if w := f.call(t, f.admin, "POST", "/api/v1/domains/default/clients/someone/set", body); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	as[struct{}](t, f, http.StatusNoContent, "POST", "/api/v1/domains/default/clients/someone/grant", `{"role":"none"}`)
	d := as[ClientDetails](t, f, http.StatusOK, "GET", "/api/v1/domains/default/clients/someone", "")
	if d.Role != "none" || d.State != "enabled" || len(d.Certificates) != 1 || d.Settings.Connections != 4 || d.NotAfter == nil || d.Expiring {
		t.Errorf("%+v", d)
	}
	as[struct{}](t, f, http.StatusNoContent, "POST", "/api/v1/domains/default/clients/someone/certificates/"+d.Certificates[0].Fingerprint+"/revoke", "")
	if d = as[ClientDetails](t, f, http.StatusOK, "GET", "/api/v1/domains/default/clients/someone", ""); d.Certificates[0].Revoked == nil || d.NotAfter != nil {
		t.Errorf("%+v", d)
	}
	if made := as[IssuedClient](t, f, http.StatusCreated, "POST", "/api/v1/domains/default/clients/someone/certificates", ""); made.Key == "" || made.Client.Name != "someone" {
		t.Errorf("%+v", made.Client)
	}
}
