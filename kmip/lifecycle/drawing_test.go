package lifecycle

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
)

var arrow = regexp.MustCompile(`(?m)^ +(\S+) --> (\S+): (.+) \[\d+\]$`)

func TestDrawingAgreesWithTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/lifecycle.md")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]kmip.State{}
	for _, s := range states {
		byName[s.String()] = s
	}
	events := map[string]Event{}
	for _, e := range Events() {
		events[e.String()] = e
	}
	past := now.Add(-time.Hour)
	byDate := map[string]kmip.Dates{"Activation Date": {Activation: past}, "Deactivation Date": {Deactivation: past}}

	drawn := map[step]kmip.State{}
	drawnDates := map[string]bool{}
	for _, m := range arrow.FindAllStringSubmatch(string(page), -1) {
		if m[1] == "[*]" {
			if m[2] != Initial(kmip.Dates{}, now).String() {
				t.Errorf("drawn: a new object is %s", m[2])
			}
			continue
		}
		from, to := byName[m[1]], byName[m[2]]
		if from == 0 || to == 0 {
			t.Errorf("drawn: %q, which names an unknown state", m[0])
		}
		for _, cause := range strings.Split(m[3], ", ") {
			if e, ok := events[cause]; ok {
				drawn[step{from, e}] = to
				continue
			}
			d, ok := byDate[cause]
			if !ok {
				t.Errorf("drawn: unknown cause %q", cause)
				continue
			}
			drawnDates[cause] = true
			for _, s := range states {
				want := s
				if s == from {
					want = to
				}
				if got := Effective(s, d, now); got != want {
					t.Errorf("%s: %v becomes %v, drawn %v", cause, s, got, want)
				}
			}
		}
	}
	if diff := cmp.Diff(transitions, drawn, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("table and drawing differ (-table +drawing):\n%s", diff)
	}
	if !maps.Equal(drawnDates, map[string]bool{"Activation Date": true, "Deactivation Date": true}) {
		t.Errorf("dates in the drawing: %v", drawnDates)
	}
}
