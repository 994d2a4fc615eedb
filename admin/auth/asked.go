package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ReasonHeader is where a caller says why, for whoever has to approve it.
const ReasonHeader = "Claviger-Reason"

// asked is what a request asks: method, target and body. It keeps the body while it
// is read, and overwrites it in the end: it may hold a secret. It implements
// custody.Arguments.
type asked struct {
	method, target, reason string
	body                   []byte
	from                   io.ReadCloser
}

// askedBy makes a request keep what is read of its body, which is bounded behind.
func askedBy(r *http.Request) *asked {
	a := &asked{method: r.Method, target: r.URL.RequestURI(), reason: r.Header.Get(ReasonHeader), from: r.Body}
	r.Body = a
	return a
}

// Read implements io.Reader.
func (a *asked) Read(b []byte) (int, error) {
	n, err := a.from.Read(b)
	a.keep(b[:n])
	return n, err
}

// keep adds to the body without leaving copies behind.
func (a *asked) keep(b []byte) {
	if len(a.body)+len(b) > cap(a.body) {
		larger := make([]byte, len(a.body), 2*(len(a.body)+len(b)))
		copy(larger, a.body)
		a.forget()
		a.body = larger
	}
	a.body = append(a.body, b...)
}

// forget overwrites the body.
func (a *asked) forget() { clear(a.body[:cap(a.body)]) }

// Close implements io.Closer.
func (a *asked) Close() error { return a.from.Close() }

// Canonical implements custody.Arguments.
func (a *asked) Canonical() []byte {
	return append([]byte(a.method+" "+a.target+"\x00"), a.body...)
}

// readable are the fields of bodies that approvers see; any other may be a secret.
var readable = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`
		name role domain mode protection reason message token key shares threshold policy policies text revision members
		profile comment request csr certificate groups group days allow_now purge_protection without_names objects create process allow deny
		activate_after deactivation originator recipient rotate rotate_offset usage_total usage_unit in_use enforce documents remove rules add
		disabled expires sources rate burst connections credential_required identities valid_seconds
		authorities crl crl_url stale_crl ocsp ocsp_url eku_required`) {
		m[name] = true
	}
	return m
}()

// Shown implements custody.Arguments.
func (a *asked) Shown() string {
	var b strings.Builder
	b.WriteString(a.method + " " + a.target)
	d := json.NewDecoder(bytes.NewReader(a.body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return b.String()
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			break
		}
		field, _ := name.(string)
		var text string
		switch {
		case !readable[field]:
			text = "(not shown)"
		case json.Unmarshal(raw, &text) != nil:
			text = string(raw)
		}
		fmt.Fprintf(&b, "\n%s: %s", field, text)
	}
	return b.String()
}

// Reason implements custody.Arguments.
func (a *asked) Reason() string { return a.reason }
