package api

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/kmip/secret"

	"github.com/claviger/claviger/testenv/service"
)

// problemBody is what a refusal says.
type problemBody struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func TestWhatTheKeyHierarchyRefuses(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		method, path, body string
		want               int
		kind, says         string
	}{
		"enrol what is not there":           {"POST", "/root/enroll", `{"token":"nowhere"}`, 404, "object-not-found", "no token \"nowhere\" open"},
		"rotate what is not there":          {"POST", "/root/rotate", `{"token":"nowhere"}`, 404, "object-not-found", "nowhere"},
		"retire what is not there":          {"POST", "/root/retire", `{"token":"nowhere"}`, 404, "object-not-found", "serial number"},
		"retire the only token":             {"POST", "/root/retire", `{"token":"claviger"}`, 409, "wrong-lifecycle-state", "enrol one first"},
		"reinstate what is in use":          {"POST", "/root/reinstate", `{"token":"claviger"}`, 409, "wrong-lifecycle-state", "not retired"},
		"forget what is in use":             {"POST", "/root/forget", `{"token":"claviger"}`, 409, "wrong-lifecycle-state", "retire it first"},
		"remove a root key of no token":     {"POST", "/root/remove-key", `{"token":"nowhere","key":"00"}`, 404, "object-not-found", "nowhere"},
		"remove a root key that is not":     {"POST", "/root/remove-key", `{"token":"claviger","key":"00"}`, 404, "object-not-found", "00"},
		"retire without a token":            {"POST", "/root/retire", `{}`, 422, "", "validation"},
		"retire the token without a name":   {"POST", "/root/retire", `{"token":""}`, 422, "", "validation"},
		"remove a root key without its key": {"POST", "/root/remove-key", `{"token":"claviger"}`, 422, "", "validation"},
		"show no job":                       {"GET", "/jobs/nothing", ``, 404, "object-not-found", `no job "nothing"`},
		"pause no job":                      {"POST", "/jobs/nothing/pause", ``, 404, "object-not-found", `no job "nothing"`},
		"resume no job":                     {"POST", "/jobs/nothing/resume", ``, 404, "object-not-found", `no job "nothing"`},
		"rotate the key of no domain":       {"POST", "/domains/nowhere/rotate-key", `{}`, 404, "object-not-found", `no domain "nowhere"`},
		"rotate into no mode":               {"POST", "/domains/default/rotate-key", `{"mode":"sideways"}`, 422, "", "validation"},
		"generations of no domain":          {"GET", "/domains/nowhere/generations", ``, 404, "object-not-found", `no domain "nowhere"`},
		"protect no domain":                 {"POST", "/domains/nowhere/protect", `{"protection":"hardware"}`, 404, "object-not-found", `no domain "nowhere"`},
		"protect by nothing":                {"POST", "/domains/default/protect", `{"protection":"paper"}`, 422, "", "validation"},
		"a domain in no mode":               {"POST", "/domains", `{"name":"x","mode":"sideways"}`, 422, "", "validation"},
	} {
		t.Run(name, func(t *testing.T) {
			p := as[problemBody](t, f, c.want, c.method, "/api/v1"+c.path, c.body)
			if c.kind != "" && p.Type != "urn:claviger:"+c.kind {
				t.Errorf("type %q, want %q", p.Type, c.kind)
			}
			if !strings.Contains(p.Detail, c.says) {
				t.Errorf("it says %q, want %q in it", p.Detail, c.says)
			}
		})
	}
}

// ended waits for the end of a job.
func ended(t *testing.T, f *fixture, id string) Job {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		j := as[Job](t, f, http.StatusOK, http.MethodGet, "/api/v1/jobs/"+id, "")
		if j.Ended != nil {
			return j
		}
		if time.Now().After(end) {
			t.Fatalf("the job does not end: %+v", j)
		}
	}
}

func TestARotationThroughTheInterface(t *testing.T) {
	f := newFixture(t)
	j := as[Job](t, f, http.StatusAccepted, http.MethodPost, "/api/v1/domains/default/rotate-key", `{"mode":"direct"}`)
	if j.State != "running" || j.Kind != "domain.rotate-key" || j.Domain != "default" || j.From != 1 || j.To != 2 || j.By == "" {
		t.Errorf("the job that was begun: %+v", j)
	}
	if j := ended(t, f, j.ID); j.State != "done" || j.Left != 0 {
		t.Errorf("the job at its end: %+v", j)
	}
	if got := as[Generations](t, f, http.StatusOK, http.MethodGet, "/api/v1/domains/default/generations", "").Generations; len(got) != 2 ||
		got[0].State != "destroyed" || len(got[0].Tokens) != 0 || got[1].State != "current" || got[1].Mode != "direct" || len(got[1].Tokens) != 1 {
		t.Errorf("generations: %+v", got)
	}
	root := as[Job](t, f, http.StatusAccepted, http.MethodPost, "/api/v1/root/rotate", `{"token":"claviger"}`)
	if j := ended(t, f, root.ID); j.State != "done" || j.Root == "" || j.Token == "" {
		t.Errorf("the job at its end: %+v", j)
	}
	if jobs := as[Jobs](t, f, http.StatusOK, http.MethodGet, "/api/v1/jobs", "").Jobs; len(jobs) != 2 || jobs[0].ID != j.ID || jobs[1].ID != root.ID {
		t.Errorf("jobs: %+v, want the two, oldest first", jobs)
	}
	states := map[string]int{}
	var unused string
	tokens := as[Roots](t, f, http.StatusOK, http.MethodGet, "/api/v1/root", "").Tokens
	if len(tokens) != 1 || !tokens[0].Enrolled || tokens[0].Hardware || tokens[0].Kind != "software" || tokens[0].Missing != 0 || tokens[0].Seal == "" {
		t.Fatalf("tokens: %+v", tokens)
	}
	for _, k := range tokens[0].Keys {
		states[k.State]++
		if k.State == "unused" {
			unused = k.ID
		}
	}
	if states["current"] != 2 || states["unused"] != 2 {
		t.Errorf("root keys by state: %v, want 2 that are current and 2 that are unused", states)
	}
	for _, k := range tokens[0].Keys {
		if k.State == "current" {
			as[problemBody](t, f, http.StatusConflict, http.MethodPost, "/api/v1/root/remove-key", `{"token":"claviger","key":"`+k.ID+`"}`)
		}
	}
	as[any](t, f, http.StatusNoContent, http.MethodPost, "/api/v1/root/remove-key", `{"token":"claviger","key":"`+unused+`"}`)
	as[problemBody](t, f, http.StatusNotFound, http.MethodPost, "/api/v1/root/remove-key", `{"token":"claviger","key":"`+unused+`"}`)
	as[any](t, f, http.StatusNoContent, http.MethodPost, "/api/v1/root/retry", "")
}

func TestADomainInItsModeAndProtection(t *testing.T) {
	soft := newFixture(t)
	as[problemBody](t, soft, http.StatusConflict, http.MethodPost, "/api/v1/domains", `{"name":"one","protection":"hardware"}`)
	as[problemBody](t, soft, http.StatusConflict, http.MethodPost, "/api/v1/domains/default/protect", `{"protection":"hardware"}`)
	as[problemBody](t, soft, http.StatusNotFound, http.MethodGet, "/api/v1/domains/one/generations", "") // it was not made
	f := fixtureOf(t, service.Options{Hardware: true})
	as[Domain](t, f, http.StatusCreated, http.MethodPost, "/api/v1/domains", `{"name":"one","mode":"direct","protection":"hardware"}`)
	if g := as[Generations](t, f, http.StatusOK, http.MethodGet, "/api/v1/domains/one/generations", "").Generations; len(g) != 1 || g[0].Mode != "direct" || g[0].State != "current" {
		t.Errorf("generations: %+v", g)
	}
	as[any](t, f, http.StatusNoContent, http.MethodPost, "/api/v1/domains/one/protect", `{"protection":"software"}`)
	as[Generations](t, f, http.StatusOK, http.MethodGet, "/api/v1/domains/system/generations", "")
}

func TestMetricsAreForAdministrators(t *testing.T) {
	f := newFixture(t)
	handler := New(Config{
		Custody: f.Service.Service, Health: func(context.Context) error { return nil }, Now: f.Clock.Now,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) }),
	})
	with := &fixture{Service: f.Service, handler: handler}
	for name, c := range map[string]struct {
		cert *x509.Certificate
		want int
	}{"nobody": {nil, http.StatusUnauthorized}, "a client": {f.client, http.StatusUnauthorized}, "an administrator": {f.admin, http.StatusOK}} {
		w := with.call(t, c.cert, http.MethodGet, "/metrics", "")
		if w.Code != c.want || strings.Contains(w.Body.String(), "metrics") != (c.want == http.StatusOK) {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
	if w := f.call(t, f.admin, http.MethodGet, "/metrics", ""); w.Code != http.StatusNotFound {
		t.Errorf("without metrics: status %d", w.Code)
	}
}

// still is a gate that nothing waits behind.
type still struct{ tried int }

func (*still) SealState(context.Context) ops.SealState { return ops.SealState{Reason: "of the inside"} }

func (s *still) Unseal(context.Context, string, *secret.Bytes) (ops.SealState, error) {
	s.tried++
	return ops.SealState{}, nil
}

// A node that serves knows administrators; one that is sealed does not, and asks
// for the secret only. Whoever may make a node try again may lock a token, by a PIN
// that is wrong.
func TestUnsealingANodeThatServesIsForAdministrators(t *testing.T) {
	f := newFixture(t)
	gate := &still{}
	with := &fixture{Service: f.Service, handler: New(Config{
		Custody: f.Service.Service, Health: func(context.Context) error { return nil }, Now: f.Clock.Now, Gate: gate, Log: slog.New(slog.DiscardHandler),
	})}
	for name, cert := range map[string]*x509.Certificate{"nobody": nil, "a client": f.client} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w := with.call(t, cert, method, "/api/v1/unseal", `{"value":"guess"}`)
			if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "of the inside") {
				t.Errorf("%s by %s: status %d: %s", method, name, w.Code, w.Body)
			}
		}
	}
	if gate.tried != 0 {
		t.Errorf("it was tried %d times", gate.tried)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if w := with.call(t, f.admin, method, "/api/v1/unseal", `{}`); w.Code != http.StatusOK {
			t.Errorf("%s by an administrator: status %d: %s", method, w.Code, w.Body)
		}
	}
	if gate.tried != 1 {
		t.Errorf("it was tried %d times, want once by the administrator", gate.tried)
	}
}
