package custody_test

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/testenv/service"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged of certificates since the last time.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	var list []string
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, "a certificate") {
			list = append(list, line)
		}
	}
	return list
}

func TestCertificatesThatExpireAreToldOnceADay(t *testing.T) {
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &lines{}
			s := service.With(t, service.Options{Postgres: postgres, Log: slog.NewTextHandler(log, nil)})
			const day = 24 * time.Hour
			start := s.Clock.Now()
			newClient(t, s, "array")
			newClient(t, s, "renewed")
			newClient(t, s, "gone")
			if err := s.RevokeClient(t.Context(), s.Administrator("default"), "gone"); err != nil {
				t.Fatal(err)
			}
			at := func(left time.Duration) {
				t.Helper()
				s.Clock.Advance(start.Add(pki.LeafLifetime - left).Sub(s.Clock.Now()))
				if err := s.CheckExpiry(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			at(60 * day)
			if told := log.take(); len(told) != 0 {
				t.Errorf("60 days before: %q", told)
			}
			next := map[string]time.Time{}
			for _, e := range s.ExpiringCertificates() {
				if _, ok := next[e.Kind]; !ok {
					next[e.Kind] = e.NotAfter
				}
			}
			if len(next) != 3 || next[custody.ExpiryClient].Sub(start) != pki.LeafLifetime || next[custody.ExpiryAuthority].Sub(start) < 9*365*day {
				t.Errorf("next of each kind: %v", next)
			}
			if _, err := s.IssueCertificate(t.Context(), s.Administrator("default"), "renewed"); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct {
				left        time.Duration
				level, text string // of the client's; nothing is told when empty
			}{
				{29*day + time.Hour, "INFO", "within 30 days"},
				{29 * day, "", ""},
				{28 * day, "INFO", "within 30 days"},
				{13 * day, "WARN", "within 14 days"},
				{6 * day, "WARN", "within 7 days"},
				{12 * time.Hour, "ERROR", "within a day"},
				{-13 * time.Hour, "ERROR", "has expired"},
				{-8 * day, "", ""},
			} {
				at(step.left)
				told := log.take()
				var client []string
				for _, line := range told {
					if strings.Contains(line, "kind=client") {
						client = append(client, line)
					}
				}
				if step.text == "" {
					if len(client) != 0 {
						t.Errorf("%v before: %q", step.left, client)
					}
					continue
				}
				if len(client) != 1 || len(told) != 2 || !strings.Contains(client[0], "level="+step.level) || !strings.Contains(client[0], step.text) || !strings.Contains(client[0], "name=array") {
					t.Errorf("%v before: %q", step.left, told)
				}
			}
		})
	}
}

func TestTheEndsOfOtherAuthoritiesAndOfTheNodeAreWatched(t *testing.T) {
	s := service.New(t)
	ca := newExternal(t, s, "CA", nil)
	trust(t, s, "default", custody.Trust{Name: "corporate", Authorities: []*x509.Certificate{ca.cert}}, nil)
	end := s.Clock.Now().Add(10 * 24 * time.Hour)
	s.WatchNodeCertificate(func() time.Time { return end })
	if err := s.CheckExpiry(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range s.ExpiringCertificates() {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); got != "server administrator trust authority" {
		t.Errorf("soonest first: %s", got)
	}
}
