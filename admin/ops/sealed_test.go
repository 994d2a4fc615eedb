package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip/secret"
)

// node is a gate that keeps what it is given.
type node struct {
	mu    sync.Mutex
	given []string // token and value; guarded by mu
	at    []time.Time
	err   error
}

func (n *node) SealState(context.Context) SealState {
	return SealState{Sealed: true, Reason: "the PIN is missing", Wants: []Want{{Token: "hsm", What: "PIN", Needed: 1}}}
}

func (n *node) Unseal(_ context.Context, token string, value *secret.Bytes) (SealState, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at = append(n.at, time.Now())
	if n.err != nil {
		return SealState{}, n.err
	}
	n.given = append(n.given, token+"="+string(value.Reveal()))
	return SealState{}, nil
}

func ask(t *testing.T, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return w
}

// anybody lets everybody through.
func anybody(next http.Handler) http.Handler { return next }

func TestOnlyWhomTheGuardLetsThroughUnseals(t *testing.T) {
	n := &node{}
	h := Sealed(n, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	})
	for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: `{"value":"1234"}`} {
		if w := ask(t, h, method, "/api/v1/unseal", body); w.Code != http.StatusUnauthorized || len(n.given) > 0 {
			t.Errorf("%s: status %d, given %q", method, w.Code, n.given)
		}
	}
	if w := ask(t, h, http.MethodGet, "/health", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("health: status %d", w.Code)
	}
}

func TestASealedNodeServesItsHealthAndTheWayOut(t *testing.T) {
	n := &node{}
	h := Sealed(n, anybody)
	for _, c := range []struct {
		method, path string
		want         int
		says         string
	}{
		{"GET", "/health", http.StatusServiceUnavailable, "sealed\n"},
		{"GET", "/api/v1/unseal", http.StatusOK, `"sealed":true`},
		{"GET", "/api/v1/status", http.StatusServiceUnavailable, "the server is sealed"},
		{"GET", "/metrics", http.StatusServiceUnavailable, "the server is sealed"},
		{"POST", "/kmip", http.StatusServiceUnavailable, "the server is sealed"},
		{"GET", "/", http.StatusServiceUnavailable, "the server is sealed"},
		{"DELETE", "/api/v1/unseal", http.StatusServiceUnavailable, "the server is sealed"},
	} {
		w := ask(t, h, c.method, c.path, "")
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: status %d %q, want %d %q", c.method, c.path, w.Code, w.Body, c.want, c.says)
		}
		if c.want == http.StatusOK && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be kept by a cache", c.method, c.path)
		}
	}
	var s SealState
	if err := json.Unmarshal(ask(t, h, http.MethodGet, "/api/v1/unseal", "").Body.Bytes(), &s); err != nil || !s.Sealed || s.Reason != "the PIN is missing" ||
		len(s.Wants) != 1 || s.Wants[0] != (Want{Token: "hsm", What: "PIN", Needed: 1}) {
		t.Errorf("the state: %+v, %v", s, err)
	}
}

func TestUnsealTakesOneBodyAndPassesItOn(t *testing.T) {
	n := &node{}
	h := Sealed(n, anybody)
	if w := ask(t, h, http.MethodPost, "/api/v1/unseal", `{"token":"hsm","value":"1234"}`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"sealed":false`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if len(n.given) != 1 || n.given[0] != "hsm=1234" {
		t.Errorf("given: %q", n.given)
	}
	for name, body := range map[string]string{
		"nothing":          "",
		"no JSON":          "1234 is the PIN",
		"another field":    `{"value":"1234","colour":"red"}`,
		"another type":     `{"value":1234}`,
		"more than 16 KiB": `{"value":"` + strings.Repeat("x", 17<<10) + `"}`,
	} {
		w := ask(t, h, http.MethodPost, "/api/v1/unseal", body)
		if w.Code != http.StatusBadRequest || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: status %d, %s", name, w.Code, w.Header().Get("Content-Type"))
		}
		if strings.Contains(w.Body.String(), "1234") {
			t.Errorf("%s: the answer repeats what was sent: %s", name, w.Body)
		}
	}
	if len(n.given) != 1 {
		t.Errorf("given after refusals: %q", n.given)
	}
	n.err = errors.New("this is no share")
	w := ask(t, h, http.MethodPost, "/api/v1/unseal", `{"value":"secret-text"}`)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "this is no share") || strings.Contains(w.Body.String(), "secret-text") {
		t.Errorf("a refusal: status %d: %s", w.Code, w.Body)
	}
}

func TestAttemptsToUnsealComeOneAfterTheOther(t *testing.T) {
	n := &node{}
	h := Sealed(n, anybody)
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() { ask(t, h, http.MethodPost, "/api/v1/unseal", `{"value":"guess"}`) })
	}
	asking.Wait()
	if len(n.at) != 3 {
		t.Fatalf("%d attempts arrived", len(n.at))
	}
	for i := 1; i < len(n.at); i++ {
		if d := n.at[i].Sub(n.at[i-1]); d < unsealPause {
			t.Errorf("attempt %d came %v after the one before, want %v at least", i+1, d, unsealPause)
		}
	}
}
