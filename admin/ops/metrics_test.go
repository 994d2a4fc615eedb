package ops

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
)

func TestMetricsTellOfTokens(t *testing.T) {
	since := time.Unix(1700000000, 0)
	h := Metrics("1.2.3", func() []seal.TokenStatus {
		return []seal.TokenStatus{
			{Info: hsm.Info{Label: "first", Serial: "0a", Kind: hsm.KindPKCS11}, Open: true, Since: since},
			{Info: hsm.Info{Label: "second", Serial: "0b", Kind: hsm.KindPKCS11}, Err: errors.New("away: the secret reason"), Stopped: true},
			{Info: hsm.Info{Label: "third", Serial: "0c", Kind: hsm.KindSoftware}, Open: true, Retired: true},
			{Info: hsm.Info{Label: "alike"}, Err: errors.New("not open")},
			{Info: hsm.Info{Label: "alike"}, Err: errors.New("not open")},
			{Info: hsm.Info{Label: "line\n\"quoted\"", Serial: "0d"}, Open: true},
		}
	}, Ending(func() int64 { return 3 }), RotationHeld(func() int64 { return 4 }))
	w := ask(t, h, http.MethodGet, "/metrics", "")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	text := w.Body.String()
	for _, line := range []string{
		"claviger_keys_in_use_ending 3",
		"claviger_rotations_held 4",
		`claviger_build_info{version="1.2.3"} 1`,
		`claviger_token_up{kind="pkcs11",serial="0a",token="first"} 1`,
		`claviger_token_up{kind="pkcs11",serial="0b",token="second"} 0`,
		`claviger_token_stopped{kind="pkcs11",serial="0a",token="first"} 0`,
		`claviger_token_stopped{kind="pkcs11",serial="0b",token="second"} 1`,
		`claviger_token_retired{kind="pkcs11",serial="0a",token="first"} 0`,
		`claviger_token_retired{kind="software",serial="0c",token="third"} 1`,
		`claviger_token_state_since_seconds{kind="pkcs11",serial="0a",token="first"} 1.7e+09`,
		`claviger_token_state_since_seconds{kind="pkcs11",serial="0b",token="second"} 0`,
		`claviger_token_up{kind="",serial="",token="alike"} 0`,
		`claviger_token_up{kind="",serial="0d",token="line\n\"quoted\""} 1`,
		`# TYPE claviger_token_up gauge`,
	} {
		if strings.Count(text, line+"\n") != 1 {
			t.Errorf("%q stands there %d times, want once", line, strings.Count(text, line+"\n"))
		}
	}
	if !strings.Contains(text, "go_goroutines") || !strings.Contains(text, "process_") {
		t.Error("nothing of the process is told")
	}
	if strings.Contains(text, "secret reason") {
		t.Error("the reason of an error is told")
	}
}

func TestMetricsTellOfBreakGlass(t *testing.T) {
	active := false
	h := Metrics("1", func() []seal.TokenStatus { return nil }, BreakGlass(func() bool { return active }))
	for _, want := range []string{"claviger_break_glass_active 0\n", "claviger_break_glass_active 1\n"} {
		if text := ask(t, h, http.MethodGet, "/metrics", "").Body.String(); !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
		active = true
	}
}

func TestMetricsTellWhenCertificatesExpire(t *testing.T) {
	h := Metrics("1.2.3", func() []seal.TokenStatus { return nil }, Expiry(func() map[string]time.Time {
		return map[string]time.Time{"client": time.Unix(1800000000, 0), "server": time.Unix(1900000000, 0)}
	}))
	text := ask(t, h, http.MethodGet, "/metrics", "").Body.String()
	for _, line := range []string{`claviger_certificate_expiry_seconds{kind="client"} 1.8e+09`, `claviger_certificate_expiry_seconds{kind="server"} 1.9e+09`} {
		if strings.Count(text, line+"\n") != 1 {
			t.Errorf("%q stands there %d times, want once", line, strings.Count(text, line+"\n"))
		}
	}
}
