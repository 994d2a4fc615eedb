package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/testenv/service"
)

// fixture is an API on a real custody, with certificates to call it.
type fixture struct {
	*service.Service
	handler       http.Handler
	admin, client *x509.Certificate
}

func newFixture(t *testing.T) *fixture { return fixtureOf(t, service.Options{}) }

func fixtureOf(t *testing.T, o service.Options) *fixture {
	t.Helper()
	svc := service.With(t, o)
	f := &fixture{Service: svc, handler: New(Config{
		Custody: svc.Service, Log: slog.New(slog.DiscardHandler), Version: "test", Now: svc.Clock.Now,
		Health: func(context.Context) error { return nil },
		Status: func(context.Context) Status {
			return Status{Healthy: true, Root: Root{Tokens: []Token{{Kind: "software", Hardware: true}}}, Store: Store{Kind: "sqlite"}}
		},
	})}
	issued, err := svc.RenewAdministrator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := svc.CreateClient(t.Context(), svc.Administrator("default"), "someone", "")
	if err != nil {
		t.Fatal(err)
	}
	f.admin, f.client = issued.Certificate, made.Issued.Certificate
	return f
}

// call makes a request with a certificate, nil for none.
func (f *fixture) call(t *testing.T, cert *x509.Certificate, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.TLS = &tls.ConnectionState{}
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
		r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// as calls as the administrator, wants a status and decodes the answer.
func as[T any](t *testing.T, f *fixture, want int, method, path, body string) T {
	t.Helper()
	w := f.call(t, f.admin, method, path, body)
	if w.Code != want {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, w.Code, want, w.Body)
	}
	var v T
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
		}
	}
	return v
}

// patterns records what is registered.
type patterns struct {
	http.ServeMux
	all []string
}

func (p *patterns) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	p.all = append(p.all, pattern)
	p.ServeMux.HandleFunc(pattern, handler)
}

func TestEveryRouteIsForAdministratorsOnly(t *testing.T) {
	f := newFixture(t)
	var registered patterns
	(&api{}).register(humago.New(&registered, description("")))
	if len(registered.all) < 13 {
		t.Fatalf("only %d routes: %v", len(registered.all), registered.all)
	}
	bodies := map[string]string{
		"POST /api/v1/domains": `{"name":"d1"}`, "POST /api/v1/clients": `{"name":"c1"}`, "POST /api/v1/users": `{"name":"u1","password":"p"}`,
		"POST /api/v1/domains/{domain}/keys/{uid}/revoke": `{"reason":"Unspecified"}`,
		"POST /api/v1/administrators":                     `{"name":"x","role":"auditor"}`, "POST /api/v1/approvals/{id}/approve": `{"signature":"AA=="}`, "POST /api/v1/approvals/{id}/refuse": `{}`,
	}
	concrete := strings.NewReplacer("{domain}", "default", "{name}", "c1", "{uid}", "u", "{id}", "X")
	for _, pattern := range registered.all {
		method, path, _ := strings.Cut(pattern, " ")
		path = concrete.Replace(path)
		t.Run(pattern, func(t *testing.T) {
			for name, cert := range map[string]*x509.Certificate{"no certificate": nil, "certificate of a client": f.client} {
				w := f.call(t, cert, method, path, bodies[pattern])
				if w.Code != http.StatusUnauthorized || w.Header().Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: status %d, %s, want 401 and a problem", name, w.Code, w.Header().Get("Content-Type"))
				}
			}
			w := f.call(t, f.admin, method, path, bodies[pattern])
			if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || w.Code >= 500 || w.Code == http.StatusMethodNotAllowed {
				t.Errorf("administrator: status %d: %s", w.Code, w.Body)
			}
			if strings.HasSuffix(path, "/renew") { // the certificate of the caller has ended
				issued, err := f.RenewAdministrator(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				f.admin = issued.Certificate
			}
		})
	}
}

func TestNothingElseIsOpen(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]int{
		"/health": http.StatusOK, "/": http.StatusNotFound, "/docs": http.StatusNotFound, "/schemas/Key.json": http.StatusNotFound,
		"/openapi.json": http.StatusNotFound, "/api/v1/nothing": http.StatusUnauthorized,
	} {
		if w := f.call(t, nil, http.MethodGet, path, ""); w.Code != want {
			t.Errorf("GET %s: status %d, want %d", path, w.Code, want)
		}
	}
}

func TestACertificateThatTLSDidNotVerifyIsRefused(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/status", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{f.admin}}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", w.Code)
	}
}

func TestEveryKindOfFailureHasAStatus(t *testing.T) {
	a := &api{Config{Log: slog.New(slog.DiscardHandler)}}
	for _, k := range kmip.Kinds() {
		err := a.problem(t.Context(), kmip.FailFrom(errors.New("the cause"), k, "the message"))
		var p interface{ GetStatus() int }
		if !errors.As(err, &p) || p.GetStatus() < 400 || p.GetStatus() > 599 || p.GetStatus() != statusOf(k) {
			t.Errorf("%s: %v", k, err)
		}
		text, _ := json.Marshal(err)
		if strings.Contains(string(text), "the cause") {
			t.Errorf("%s: the cause got out: %s", k, text)
		}
		if statusOf(k) == http.StatusInternalServerError && strings.Contains(string(text), "the message") {
			t.Errorf("%s: the message of an internal failure got out: %s", k, text)
		}
	}
}

func TestBodiesAreStrictAndBounded(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"unknown field is refused":      {`{"name":"d","colour":"red"}`, http.StatusUnprocessableEntity},
		"missing name is refused":       {`{}`, http.StatusUnprocessableEntity},
		"text behind it is refused":     {`{"name":"d"} {}`, http.StatusBadRequest},
		"more than a mebibyte is 413":   {`{"name":"` + strings.Repeat("x", maxBody) + `"}`, http.StatusRequestEntityTooLarge},
		"an impossible name is refused": {`{"name":"../etc"}`, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			if w := f.call(t, f.admin, http.MethodPost, "/api/v1/domains", c.body); w.Code != c.want {
				t.Errorf("status %d, want %d: %s", w.Code, c.want, w.Body)
			}
		})
	}
	if w := f.call(t, f.admin, http.MethodPost, "/api/v1/users", `{"name":"u","password":"hunter2","colour":1}`); strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("a password is repeated: %s", w.Body)
	}
	if w := f.call(t, f.admin, http.MethodGet, "/api/v1/keys?colour=red", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("unknown query parameter: status %d, want 422", w.Code)
	}
}

func TestClientsGetTheirCredentialsOnce(t *testing.T) {
	f := newFixture(t)
	as[Domain](t, f, http.StatusCreated, http.MethodPost, "/api/v1/domains", `{"name":"lab"}`)
	made := as[IssuedClient](t, f, http.StatusCreated, http.MethodPost, "/api/v1/clients?domain=lab", `{"name":"array"}`)
	if made.Client.Domain != "lab" || made.Client.Role != "full" {
		t.Errorf("client = %+v", made.Client)
	}
	pair, err := tls.X509KeyPair([]byte(made.Certificate), []byte(made.Key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(made.Authority))
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	list := f.call(t, f.admin, http.MethodGet, "/api/v1/clients", "")
	if strings.Contains(list.Body.String(), "PRIVATE KEY") {
		t.Error("the list of clients has a key")
	}
	if got := as[Clients](t, f, http.StatusOK, http.MethodGet, "/api/v1/clients?domain=lab", ""); len(got.Clients) != 1 || got.Clients[0].Revoked != nil {
		t.Errorf("clients of lab = %+v", got.Clients)
	}
	as[Problem](t, f, http.StatusConflict, http.MethodPost, "/api/v1/clients?domain=lab", `{"name":"array"}`)
	as[Problem](t, f, http.StatusNotFound, http.MethodPost, "/api/v1/clients?domain=nowhere", `{"name":"array"}`)
	as[struct{}](t, f, http.StatusNoContent, http.MethodPost, "/api/v1/domains/lab/clients/array/revoke", "")
	if got := as[Clients](t, f, http.StatusOK, http.MethodGet, "/api/v1/clients?domain=lab", ""); got.Clients[0].Revoked == nil {
		t.Error("the client is not revoked")
	}
	checkPKCS12(t, made.PKCS12)
}

// checkPKCS12 lets OpenSSL read the file under an empty password.
func checkPKCS12(t *testing.T, p12 []byte) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not installed: PKCS#12 not checked with it")
		return
	}
	path := filepath.Join(t.TempDir(), "client.p12")
	if err := os.WriteFile(path, p12, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), openssl, "pkcs12", "-in", path, "-passin", "pass:", "-nodes").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("PRIVATE KEY")) || bytes.Count(out, []byte("BEGIN CERTIFICATE")) != 2 {
		t.Errorf("openssl: %v: %s", err, out)
	}
}

func TestKeysCanBeSeenAndEndedButNotRead(t *testing.T) {
	f := newFixture(t)
	uids := make([]string, 0, 3)
	for range 3 {
		uid, err := f.Create(t.Context(), f.Client("default"), kmip.ObjectTypeSymmetricKey, kmip.Attributes{
			kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES)),
			kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, 128)),
			kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt)),
		})
		if err != nil {
			t.Fatal(err)
		}
		uids = append(uids, uid)
	}
	var seen []string
	path := "/api/v1/keys?limit=2"
	for pages := 0; path != "" && pages < 5; pages++ {
		page := as[Keys](t, f, http.StatusOK, http.MethodGet, path, "")
		for _, k := range page.Keys {
			seen = append(seen, k.UID)
		}
		if path = ""; page.Next != "" {
			path = "/api/v1/keys?limit=2&cursor=" + page.Next
		}
	}
	if len(seen) != 3 {
		t.Errorf("paging found %v of %v", seen, uids)
	}
	as[Problem](t, f, http.StatusBadRequest, http.MethodGet, "/api/v1/keys?cursor=abc", "")

	base := "/api/v1/domains/default/keys/" + uids[0]
	detail := as[KeyDetail](t, f, http.StatusOK, http.MethodGet, base, "")
	if detail.Key.State != "PreActive" || detail.Key.Bits != 128 || len(detail.Attributes) == 0 {
		t.Errorf("detail = %+v", detail)
	}
	if raw := f.call(t, f.admin, http.MethodGet, base, "").Body.String(); strings.Contains(raw, "KeyMaterial") || strings.Contains(raw, "Key Block") {
		t.Errorf("the detail speaks of material: %s", raw)
	}
	as[Problem](t, f, http.StatusBadRequest, http.MethodPost, base+"/revoke", `{"reason":"Boredom"}`)
	as[struct{}](t, f, http.StatusNoContent, http.MethodPost, base+"/revoke", `{"reason":"KeyCompromise","message":"lost"}`)
	as[struct{}](t, f, http.StatusNoContent, http.MethodPost, base+"/destroy", "")
	if got := as[KeyDetail](t, f, http.StatusOK, http.MethodGet, base, ""); got.Key.State != "DestroyedCompromised" {
		t.Errorf("state = %s", got.Key.State)
	}
	as[Problem](t, f, http.StatusNotFound, http.MethodGet, "/api/v1/domains/default/keys/none", "")
	as[Problem](t, f, http.StatusNotFound, http.MethodGet, "/api/v1/domains/other/keys/"+uids[1], "")
}

// Problem is the part of a problem that tests look at.
type Problem struct {
	Type   string
	Detail string
}

func TestAuditPagesBackwards(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		as[Domain](t, f, http.StatusCreated, http.MethodPost, "/api/v1/domains", `{"name":"`+name+`"}`)
	}
	var last int64
	count := 0
	path := "/api/v1/audit?operation=domain.create&actor=admin:root&limit=2"
	for next := path; next != ""; {
		page := as[Audit](t, f, http.StatusOK, http.MethodGet, next, "")
		for _, e := range page.Entries {
			if last != 0 && e.Sequence >= last {
				t.Errorf("entry %d follows %d", e.Sequence, last)
			}
			if e.Source == "" || e.Door != "admin" || e.Outcome != "success" {
				t.Errorf("entry = %+v", e)
			}
			last = e.Sequence
			count++
		}
		if next = ""; page.Next != 0 {
			next = path + "&before=" + jsonNumber(page.Next)
		}
	}
	if count != 3 {
		t.Errorf("%d entries, want 3", count)
	}
}

func jsonNumber(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestARefusedCertificateIsRecorded(t *testing.T) {
	f := newFixture(t)
	f.call(t, f.client, http.MethodGet, "/api/v1/status", "")
	page := as[Audit](t, f, http.StatusOK, http.MethodGet, "/api/v1/audit?operation=authenticate", "")
	if len(page.Entries) != 1 || page.Entries[0].Outcome != "failure" {
		t.Errorf("entries = %+v", page.Entries)
	}
}

func TestInventoryAndStatusNeverCallSoftwareHardware(t *testing.T) {
	f := newFixture(t)
	if s := as[Status](t, f, http.StatusOK, http.MethodGet, "/api/v1/status", ""); s.Root.Tokens[0].Hardware || s.Version != "test" {
		t.Errorf("status = %+v", s)
	}
	w := f.call(t, f.admin, http.MethodGet, "/api/v1/reports/inventory?format=csv&domain=default", "")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.Contains(w.Body.String(), "software only") {
		t.Errorf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	as[map[string]any](t, f, http.StatusOK, http.MethodGet, "/api/v1/reports/inventory", "")
	as[Problem](t, f, http.StatusNotFound, http.MethodGet, "/api/v1/reports/inventory?domain=nowhere", "")
}

func TestAdministratorsHaveNoScopeWithoutAuthentication(t *testing.T) {
	f := newFixture(t)
	a := &api{Config{Custody: f.Service.Service, Log: slog.New(slog.DiscardHandler)}}
	if _, err := f.Domains(t.Context(), a.scope(t.Context(), "")); kmip.KindOf(err) != kmip.KindPermissionDenied {
		t.Errorf("error = %v, want permission denied", err)
	}
}
