package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestBreakGlassNeedsCodesAndNoCertificate(t *testing.T) {
	f, root := governed(t)
	var codes Codes
	root.call(http.StatusCreated, http.MethodPost, "/break-glass/setup", NewBreakGlass{Shares: 3, Threshold: 2}, &codes)
	if len(codes.Codes) != 3 {
		t.Fatalf("%d codes", len(codes.Codes))
	}
	const path = "/api/v1/break-glass/open"
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"no JSON":       {"codes", http.StatusBadRequest},
		"another field": {`{"codes":[],"role":"x"}`, http.StatusBadRequest},
		"two values":    {`{"codes":[]} {}`, http.StatusBadRequest},
		"no codes":      {`{"codes":[]}`, http.StatusBadRequest},
		"too long":      {`{"codes":["x"],"hours":25}`, http.StatusBadRequest},
		"less than now": {`{"codes":["x"],"hours":-1}`, http.StatusBadRequest},
		"a huge body":   {`{"codes":["` + strings.Repeat("a", maxOpenBody) + `"]}`, http.StatusBadRequest},
		"too few codes": {`{"codes":["` + codes.Codes[0] + `"]}`, http.StatusBadRequest},
	} {
		w := f.call(t, nil, http.MethodPost, path, c.body)
		if w.Code != c.want || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), codes.Codes[0]) {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
	body, err := json.Marshal(GivenCodes{Codes: codes.Codes[1:]})
	if err != nil {
		t.Fatal(err)
	}
	w := f.call(t, nil, http.MethodPost, path, string(body))
	var made IssuedAdministrator
	if err := json.Unmarshal(w.Body.Bytes(), &made); w.Code != http.StatusCreated || err != nil || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	glass := root.like(made)
	var s Status
	glass.call(http.StatusOK, http.MethodGet, "/status", nil, &s)
	if s.BreakGlass == nil || s.BreakGlass.Administrator != made.Administrator.Name {
		t.Errorf("status: %+v", s.BreakGlass)
	}
	var g BreakGlass
	root.call(http.StatusOK, http.MethodGet, "/break-glass", nil, &g)
	if g.Open == nil || g.Ready {
		t.Errorf("break-glass: %+v", g)
	}
	root.call(http.StatusNoContent, http.MethodPost, "/break-glass/close", nil, nil)
	glass.call(http.StatusUnauthorized, http.MethodGet, "/status", nil, nil)
	root.call(http.StatusOK, http.MethodGet, "/status", nil, &s)
	if w := f.call(t, nil, http.MethodPost, path, string(body)); w.Code != http.StatusUnauthorized {
		t.Errorf("the codes a second time: status %d: %s", w.Code, w.Body)
	}
}
