package auth

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhatIsAskedIsKeptAndForgotten(t *testing.T) {
	body := `{"name":"u","password":"hunter2","role":"full","more":{"a":1}}`
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/users?domain=lab", strings.NewReader(body))
	r.Header.Set(ReasonHeader, "because")
	a := askedBy(r)
	if got, err := io.ReadAll(io.LimitReader(r.Body, 7)); err != nil || string(got) != body[:7] { // in pieces
		t.Fatalf("%q, %v", got, err)
	}
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != body[7:] {
		t.Fatalf("%q, %v", got, err)
	}
	canonical := a.Canonical()
	if want := "POST /api/v1/users?domain=lab\x00" + body; string(canonical) != want {
		t.Errorf("canonical %q, want %q", canonical, want)
	}
	clear(canonical) // as custody does
	if !bytes.Contains(a.Canonical(), []byte(body)) {
		t.Error("the second time it is something else")
	}
	want := "POST /api/v1/users?domain=lab\nname: u\npassword: (not shown)\nrole: full\nmore: (not shown)"
	if got := a.Shown(); got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
	if a.Reason() != "because" {
		t.Errorf("reason %q", a.Reason())
	}
	kept := a.body
	a.forget()
	if bytes.ContainsFunc(kept, func(r rune) bool { return r != 0 }) {
		t.Errorf("still there: %q", kept)
	}
}

func TestWhatIsNoObjectIsNotShown(t *testing.T) {
	for _, body := range []string{"", "[1]", `"secret"`, "{", `{"password"`, `{"name":`, "secret"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", strings.NewReader(body))
		a := askedBy(r)
		_, _ = io.ReadAll(r.Body)
		if got := a.Shown(); got != "POST /x" {
			t.Errorf("%q is shown as %q", body, got)
		}
	}
}
