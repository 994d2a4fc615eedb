package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip/custody/pki"
)

// writeContextOf writes the context of an administrator of an authority.
func writeContextOf(t *testing.T, address string, ca []byte) string {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issued, err := authority.IssueClient("root", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := issued.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if ca == nil {
		ca = pki.CertificatePEM(authority.Certificate)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"ca.pem": ca, "cert.pem": pki.CertificatePEM(issued.Certificate), "key.pem": key,
		"admin.toml": []byte("address = \"" + address + "\"\nca = \"ca.pem\"\ncert = \"cert.pem\"\nkey = \"key.pem\"\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "admin.toml")
}

func TestErrorsSayWhatToDo(t *testing.T) {
	answer := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		foreign bool // the context trusts another authority
		want    string
	}{
		"server of another installation": {answer(200, "", ""), true, "has a certificate of another authority"},
		"certificate not accepted":       {answer(401, "application/problem+json", `{"detail":"unknown"}`), false, "use the context file of an administrator"},
		"refusal with its reason":        {answer(409, "application/problem+json", `{"detail":"it exists"}`), false, "it exists"},
		"refusal with places":            {answer(422, "application/problem+json", `{"detail":"d","errors":[{"location":"body.name","message":"m"}]}`), false, "d; body.name: m"},
		"something that is no Claviger":  {answer(502, "text/html", "<html>"), false, "answered 502"},
		"answer that is no JSON":         {answer(200, "text/html", "<html>"), false, "read the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewTLSServer(c.handler)
			defer s.Close()
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
			if c.foreign {
				ca = nil
			}
			var stdout, stderr bytes.Buffer
			err := run(context.Background(), []string{"status", "--context", writeContextOf(t, s.URL, ca)}, strings.NewReader(""), &stdout, &stderr)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one with %q", err, c.want)
			}
			if exitCode(err, &stderr) != exitFailed {
				t.Error("the exit code is not 1")
			}
		})
	}
}

func TestContextsAreStrict(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":           {`colour = "red"`, `:1: unknown key "colour"`},
		"missing certificate":   {"address = \"https://h:1\"\nca = \"a\"\nkey = \"b\"", "cert is missing"},
		"address without https": {"address = \"http://h:1\"\nca = \"a\"\nkey = \"b\"\ncert = \"c\"", "it is https://HOST:PORT"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "admin.toml")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readContext(path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want one with %q", err, c.want)
			}
		})
	}
}
