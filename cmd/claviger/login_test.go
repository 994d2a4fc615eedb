package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/idp"
	"github.com/claviger/claviger/testenv/service"
)

// terminalOf runs commands against a server with an identity provider.
type terminalOf struct {
	t   *testing.T
	svc *service.Service
	idp *idp.Provider
	dir string
	url string
}

func newTerminal(t *testing.T) *terminalOf {
	t.Helper()
	svc, p := service.New(t), idp.New(t)
	s := httptest.NewTLSServer(api.New(api.Config{
		Custody: svc.Service, Log: slog.New(slog.DiscardHandler), Health: func(context.Context) error { return nil },
		Status: func(context.Context) api.Status { return api.Status{Healthy: true} },
		OIDC: auth.NewOIDC(auth.OIDCConfig{
			Issuer: p.Issuer(), ClientID: idp.ClientID, Claim: "groups", CA: p.CA(),
			Roles: map[string]string{"kms-officers": policy.RoleOfficer, "kms-audit": policy.RoleAuditor},
		}),
	}))
	t.Cleanup(s.Close)
	x := &terminalOf{t, svc, p, t.TempDir(), s.URL}
	x.write("ca.pem", certificatePEM(s.Certificate()))
	x.write("idp.pem", certificatePEM(p.Certificate()))
	return x
}

func certificatePEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func (x *terminalOf) path(name string) string { return filepath.Join(x.dir, name) }

func (x *terminalOf) write(name, text string) string {
	x.t.Helper()
	if err := os.WriteFile(x.path(name), []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	return x.path(name)
}

// runs a command and returns what it says.
func (x *terminalOf) runs(args ...string) (stdout, stderr string, err error) {
	x.t.Helper()
	var out, errs bytes.Buffer
	err = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return out.String(), errs.String(), err
}

func (x *terminalOf) must(args ...string) string {
	x.t.Helper()
	out, _, err := x.runs(args...)
	if err != nil {
		x.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (x *terminalOf) fails(want string, args ...string) {
	x.t.Helper()
	if _, _, err := x.runs(args...); err == nil || !strings.Contains(err.Error(), want) {
		x.t.Errorf("%s: %v, want %q", strings.Join(args, " "), err, want)
	}
}

func TestLoginByDeviceFlow(t *testing.T) {
	x := newTerminal(t)
	x.idp.Device(x.idp.Token(x.idp.Claims(time.Now(), "1234", "kms-officers")), 1)
	out, said, err := x.runs("login", "--server", x.url, "--ca", x.path("ca.pem"), "--idp-ca", x.path("idp.pem"), "--out", x.path("me"))
	if err != nil || !strings.Contains(out, "logged in as oidc:"+x.idp.Issuer()+"#1234 with the role security-officer") || !strings.Contains(said, "enter the code ABCD-EFGH") {
		t.Fatalf("%v: %s %s", err, out, said)
	}
	if info, err := os.Stat(x.path("me/session")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("session: %v, %v", info, err)
	}
	me := "--context=" + x.path("me/admin.toml")
	x.must(me, "administrator", "list")
	x.fails("domain.create is not permitted", me, "domain", "create", "lab")
	x.fails("a session has none", me, "approval", "approve", "ABCDE")
	x.fails("there is no certificate to renew", me, "administrator", "renew", "--out", x.path("renewed"))
	// Whoever logged in makes nobody alone either.
	x.fails("needs 1 approval by an administrator of another role", me, "administrator", "create", "bob", "--role", "auditor", "--out", x.path("bob"))
	if out := x.must(me, "administrator", "sessions"); !strings.Contains(out, "#1234") {
		t.Errorf("sessions: %s", out)
	}
	x.must(me, "logout")
	x.fails("you are not logged in", me, "status")
	if list, err := x.svc.Sessions(t.Context(), x.svc.Administrator("")); err != nil || len(list) != 0 {
		t.Errorf("sessions after logout: %+v, %v", list, err)
	}
	// Again, with the context that is there.
	x.must("login", me, "--idp-ca", x.path("idp.pem"))
	x.must(me, "status")
}

func TestLoginByToken(t *testing.T) {
	x := newTerminal(t)
	at := []string{"login", "--server", strings.TrimPrefix(x.url, "https://"), "--ca", x.path("ca.pem"), "--out", x.path("me"), "--token-file", x.path("token")}
	now := time.Now()
	x.write("token", x.idp.ForeignToken(x.idp.Claims(now, "1", "kms-audit")))
	x.fails("the ID token is not accepted", at...)
	x.write("token", x.idp.Token(x.idp.Claims(now, "1", "staff")))
	x.fails("no role is given to you", at...)
	x.write("token", x.idp.Token(x.idp.Claims(now, "1", "kms-audit"))+"\n")
	x.idp.Down(true)
	x.fails("the identity provider cannot be asked", at...)
	x.idp.Down(false)
	x.must(at...)
	me := "--context=" + x.path("me/admin.toml")
	// The session outlives the provider, until its limits.
	x.idp.Down(true)
	x.must(me, "status")
	x.svc.Clock.Advance(15 * time.Minute)
	x.fails("the session is unknown or has ended; log in again", me, "status")
}

func TestLoginIsUsedRightly(t *testing.T) {
	x := newTerminal(t)
	for _, args := range [][]string{
		{"login"}, {"login", "--server", "a:1"}, {"login", "--server", "a:1", "--out", x.path("o")}, {"login", "--out", x.path("o")},
	} {
		if _, _, err := x.runs(args...); exitCode(err, &bytes.Buffer{}) != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
	x.write("both.toml", "address = \""+x.url+"\"\nca = \"ca.pem\"\ncert = \"c\"\nkey = \"k\"\n")
	x.fails("has a certificate", "login", "--context", x.path("both.toml"))
}
