package api

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// person calls the API over TLS, with a certificate.
type person struct {
	t    *testing.T
	url  string
	pair tls.Certificate
	http *http.Client
}

// governed serves the API over TLS, under a policy by which some actions need two
// approvals, and gives its administrator.
func governed(t *testing.T, actions ...string) (*fixture, *person) {
	t.Helper()
	f := fixtureOf(t, service.Options{Decide: func(r policy.Request) policy.Decision {
		if slices.Contains(actions, r.Action) && r.Context.Approvals < 2 {
			return policy.Decision{Reason: "needs approval", Approvals: 2}
		}
		return policy.NewSet(nil, nil).Decide(r)
	}})
	authority, err := f.Authority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	s := httptest.NewUnstartedServer(f.handler)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	s.StartTLS()
	t.Cleanup(s.Close)
	issued, err := f.RenewAdministrator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.admin = issued.Certificate
	key, err := issued.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return f, personOf(t, s, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate.Raw}), key)
}

func personOf(t *testing.T, s *httptest.Server, cert, key []byte) *person {
	t.Helper()
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{pair}}}}
	t.Cleanup(c.CloseIdleConnections)
	return &person{t, s.URL, pair, c}
}

// like is somebody else at the same server.
func (p *person) like(made IssuedAdministrator) *person {
	p.t.Helper()
	pair, err := tls.X509KeyPair([]byte(made.Certificate), []byte(made.Key))
	if err != nil {
		p.t.Fatal(err)
	}
	tr := p.http.Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.Certificates = []tls.Certificate{pair}
	return &person{p.t, p.url, pair, &http.Client{Transport: tr}}
}

// call wants a status and decodes the answer.
func (p *person) call(want int, method, path string, send, into any) {
	p.t.Helper()
	var body io.Reader
	if send != nil {
		b, err := json.Marshal(send)
		if err != nil {
			p.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, p.url+"/api/v1"+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(auth.ReasonHeader, "the yearly exercise")
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != want {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, want, b)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
}

// hire makes an administrator.
func (p *person) hire(name, role string) *person {
	p.t.Helper()
	var made IssuedAdministrator
	p.call(http.StatusCreated, http.MethodPost, "/administrators", NewAdministrator{Name: name, Role: role}, &made)
	return p.like(made)
}

// approves signs a request and wants a status.
func (p *person) approves(want int, id string) Approval {
	p.t.Helper()
	var r Approval
	p.call(http.StatusOK, http.MethodGet, "/approvals/"+id, nil, &r)
	signature, err := custody.SignApproval(p.pair.PrivateKey.(crypto.Signer), r.Canonical, "fine")
	if err != nil {
		p.t.Fatal(err)
	}
	var after Approval
	p.call(want, http.MethodPost, "/approvals/"+id+"/approve", NewApproval{Signature: signature, Comment: "fine"}, &after)
	return after
}

// refusal is a problem with its instance.
type refusal struct{ Type, Instance, Detail string }

// needs wants a refusal that names a request for approval.
func (p *person) needs(method, path string, send any) string {
	p.t.Helper()
	var r refusal
	p.call(http.StatusForbidden, method, path, send, &r)
	id, ok := strings.CutPrefix(r.Instance, "/api/v1/approvals/")
	if r.Type != NeedsApproval || !ok || !strings.Contains(r.Detail, "request "+id) {
		p.t.Fatalf("%s %s: %+v, want a request for approval", method, path, r)
	}
	return id
}

func TestAdministrativeActionsAreApproved(t *testing.T) {
	_, root := governed(t, policy.ActionDomainCreate, policy.ActionUserCreate)
	ann, bob := root.hire("ann", policy.RoleOfficer), root.hire("bob", policy.RoleOfficer)
	lab := NewDomain{Name: "lab"}
	id := root.needs(http.MethodPost, "/domains", lab)
	if again := root.needs(http.MethodPost, "/domains", lab); again != id {
		t.Errorf("the same question made requests %s and %s", id, again)
	}
	var list Approvals
	ann.call(http.StatusOK, http.MethodGet, "/approvals", nil, &list)
	if len(list.Approvals) != 1 {
		t.Fatalf("requests: %+v", list)
	}
	s := list.Approvals[0].Subject
	if s.Actor != "admin:root" || s.Action != policy.ActionDomainCreate || s.Reason != "the yearly exercise" || s.Asked != "POST /api/v1/domains\nname: lab" || s.UID != "lab" {
		t.Errorf("subject: %+v", s)
	}
	root.approves(http.StatusForbidden, id) // its own
	if r := ann.approves(http.StatusOK, id); r.Approved || len(r.Approvals) != 1 {
		t.Errorf("after one of two: %+v", r)
	}
	ann.approves(http.StatusConflict, id)
	if got := root.needs(http.MethodPost, "/domains", lab); got != id {
		t.Errorf("with one of two approvals another request: %s", got)
	}
	r := bob.approves(http.StatusOK, id)
	if !r.Approved {
		t.Errorf("after two of two: %+v", r)
	}
	// What was approved is this body and no other.
	other := root.needs(http.MethodPost, "/domains", NewDomain{Name: "lab", Mode: "direct"})
	if other == id {
		t.Error("another body uses the approvals")
	}
	var d Domain
	root.call(http.StatusCreated, http.MethodPost, "/domains", lab, &d)
	if got := root.needs(http.MethodPost, "/domains", lab); got == id {
		t.Error("the approvals were used twice")
	}
	// An auditor can verify it with what show tells.
	var shown Approval
	bob.call(http.StatusOK, http.MethodGet, "/approvals/"+id, nil, &shown)
	if shown.State != "used" || shown.EndedBy != "admin:root" {
		t.Errorf("state %s by %s", shown.State, shown.EndedBy)
	}
	for _, a := range shown.Approvals {
		block, _ := pem.Decode([]byte(a.Certificate))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if err := custody.VerifyApproval(cert, shown.Canonical, a.Comment, a.Signature); err != nil {
			t.Errorf("%s: %v", a.Approver, err)
		}
	}
	ann.call(http.StatusNoContent, http.MethodPost, "/approvals/"+other+"/refuse", map[string]string{"comment": "no"}, nil)
	ann.approves(http.StatusConflict, other)
}

func TestRequestsForApprovalShowNoSecrets(t *testing.T) {
	_, root := governed(t, policy.ActionUserCreate)
	ann := root.hire("ann", policy.RoleOfficer)
	id := root.needs(http.MethodPost, "/users", map[string]string{"name": "u", "password": "hunter2"})
	var raw json.RawMessage
	ann.call(http.StatusOK, http.MethodGet, "/approvals/"+id, nil, &raw)
	var r Approval
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("hunter2")) || bytes.Contains(r.Canonical, []byte("hunter2")) || !strings.Contains(r.Subject.Asked, "password: (not shown)") {
		t.Errorf("shown: %s", raw)
	}
}

func TestRolesSeparateAndTheFirstAdministratorEnds(t *testing.T) {
	f, root := governed(t)
	ann := root.hire("ann", policy.RoleOfficer)
	sam := root.hire("sam", policy.RoleSystem)
	eve := root.hire("eve", policy.RoleAuditor)
	root.call(http.StatusUnauthorized, http.MethodGet, "/status", nil, nil)
	if _, err := f.RenewAdministrator(t.Context()); err == nil {
		t.Error("the first administrator came back")
	}
	var list Administrators
	eve.call(http.StatusOK, http.MethodGet, "/administrators", nil, &list)
	if len(list.Administrators) != 4 {
		t.Errorf("administrators: %+v", list)
	}
	sam.call(http.StatusForbidden, http.MethodPost, "/administrators", NewAdministrator{Name: "x", Role: policy.RoleSystem}, nil)

	// An officer makes nobody alone, and no other officer is enough.
	in := NewAdministrator{Name: "bob", Role: policy.RoleOfficer}
	id := ann.needs(http.MethodPost, "/administrators", in)
	ann.approves(http.StatusForbidden, id)
	if r := sam.approves(http.StatusOK, id); !r.Approved {
		t.Errorf("approved by another role: %+v", r)
	}
	var made IssuedAdministrator
	ann.call(http.StatusCreated, http.MethodPost, "/administrators", in, &made)
	bob := ann.like(made)
	in.Name = "cid"
	id = ann.needs(http.MethodPost, "/administrators", in)
	if r := bob.approves(http.StatusOK, id); r.Approved {
		t.Errorf("another officer is enough: %+v", r)
	}
	if again := ann.needs(http.MethodPost, "/administrators", in); again != id {
		t.Errorf("another request: %s", again)
	}
	eve.approves(http.StatusOK, id)
	ann.call(http.StatusCreated, http.MethodPost, "/administrators", in, nil)

	// The last holder of a role stays; others can be revoked, and names are not used again.
	ann.call(http.StatusConflict, http.MethodPost, "/administrators/sam/revoke", nil, nil)
	ann.call(http.StatusNoContent, http.MethodPost, "/administrators/bob/revoke", nil, nil)
	bob.call(http.StatusUnauthorized, http.MethodGet, "/status", nil, nil)
	var renewed IssuedAdministrator
	eve.call(http.StatusCreated, http.MethodPost, "/administrators/renew", nil, &renewed)
	eve.call(http.StatusUnauthorized, http.MethodGet, "/status", nil, nil)
	eve.like(renewed).call(http.StatusOK, http.MethodGet, "/status", nil, nil)
}

// A key that its owner made signs, and is no second administrator's.
func TestAnAdministratorBringsAKeyOfTheirOwn(t *testing.T) {
	_, root := governed(t, policy.ActionDomainCreate)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := CertificateRequest{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	own := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	var made IssuedAdministrator
	root.call(http.StatusCreated, http.MethodPost, "/administrators", NewAdministrator{"ann", policy.RoleOfficer, request}, &made)
	if made.Key != "" {
		t.Error("a key was made")
	}
	made.Key = own
	root.like(made).approves(http.StatusOK, root.needs(http.MethodPost, "/domains", NewDomain{Name: "lab"}))
	root.call(http.StatusBadRequest, http.MethodPost, "/administrators", NewAdministrator{"nan", policy.RoleOfficer, request}, nil)
	for _, bad := range []string{"x", strings.Replace(request.Request, "CERTIFICATE REQUEST", "CERTIFICATE", 2), strings.Replace(request.Request, "MI", "MJ", 1)} {
		root.call(http.StatusBadRequest, http.MethodPost, "/administrators", NewAdministrator{"x", policy.RoleOfficer, CertificateRequest{bad}}, nil)
		root.call(http.StatusBadRequest, http.MethodPost, "/administrators/renew", CertificateRequest{bad}, nil)
	}
	der[len(der)-1] ^= 1 // not signed by its key
	unsigned := CertificateRequest{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))}
	root.call(http.StatusBadRequest, http.MethodPost, "/administrators", NewAdministrator{"x", policy.RoleOfficer, unsigned}, nil)
}
