package custody

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/claviger/claviger/store"
)

// Kinds of certificates whose end is watched.
const (
	ExpiryClient        = "client"
	ExpiryAdministrator = "administrator"
	ExpiryAuthority     = "authority" // the installation's own
	ExpiryTrust         = "trust"     // an authority of others
	ExpiryServer        = "server"    // of this node
)

// Expiring is a certificate and its end.
type Expiring struct {
	Kind     string
	Domain   string // "" where it belongs to no domain
	Name     string
	NotAfter time.Time
}

// Bounds of what is watched.
const (
	expiryNotice   = 30 * 24 * time.Hour // before the end
	expiryAfter    = 7 * 24 * time.Hour  // for which an end that is over is told
	expiryInterval = time.Hour
	maxExpiring    = 1000
)

// expiryTable is what this node knows of the ends of certificates.
type expiryTable struct {
	mu sync.Mutex
	// All are guarded by mu.
	list []Expiring           // soonest first; of each kind the next one, and all that are to be told
	due  time.Time            // when to look again
	told map[Expiring]float64 // how many days were left when it was told last
	node func() time.Time     // end of this node's certificate; nil when nobody watches it
}

// ExpiringCertificates are, soonest first, those that end within 30 days or did so
// within the last 7, and of each kind the next one, as of an hour ago at most. Of a
// client that has several the one that lasts longest counts. It asks nobody.
func (s *Service) ExpiringCertificates() []Expiring {
	s.expiry.mu.Lock()
	defer s.expiry.mu.Unlock()
	return slices.Clone(s.expiry.list)
}

// tendExpiry looks once an hour for certificates that end, and tells of each once a
// day.
func (s *Service) tendExpiry(ctx context.Context) {
	now := s.now()
	s.expiry.mu.Lock()
	due := !now.Before(s.expiry.due)
	s.expiry.mu.Unlock()
	if !due {
		return
	}
	if err := s.CheckExpiry(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "the ends of certificates could not be read; it will be tried again", "error", err)
	}
}

// CheckExpiry reads the ends of certificates now, and logs those that are near: each
// once a day, the nearer the louder.
func (s *Service) CheckExpiry(ctx context.Context) error {
	now := s.now()
	list, err := s.readExpiry(ctx, now)
	if err != nil {
		return s.translate(ctx, err)
	}
	for _, e := range s.expiry.update(list, now) {
		left := e.NotAfter.Sub(now)
		level, text := slog.LevelInfo, "a certificate expires within 30 days"
		switch {
		case left <= 0:
			level, text = slog.LevelError, "a certificate has expired"
		case left <= 24*time.Hour:
			level, text = slog.LevelError, "a certificate expires within a day"
		case left <= 7*24*time.Hour:
			level, text = slog.LevelWarn, "a certificate expires within 7 days"
		case left <= 14*24*time.Hour:
			level, text = slog.LevelWarn, "a certificate expires within 14 days"
		}
		s.log.LogAttrs(ctx, level, text, slog.String("kind", e.Kind), slog.String("domain", e.Domain), slog.String("name", e.Name), slog.Time("until", e.NotAfter)) //nolint:sloglint // one of the texts above
	}
	return nil
}

// update keeps the list and returns what is to be told.
func (t *expiryTable) update(list []Expiring, now time.Time) []Expiring {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list, t.due = list, now.Add(expiryInterval)
	told := map[Expiring]float64{}
	var tell []Expiring
	for _, e := range list {
		left := e.NotAfter.Sub(now)
		if left > expiryNotice || left < -expiryAfter {
			continue
		}
		days := left.Hours() / 24
		if last, ok := t.told[e]; ok && last-days < 1 {
			told[e] = last
			continue
		}
		told[e] = days
		tell = append(tell, e)
	}
	t.told = told
	return tell
}

// readExpiry reads the ends of certificates, soonest first.
func (s *Service) readExpiry(ctx context.Context, now time.Time) ([]Expiring, error) {
	from, soon := now.Add(-expiryAfter), now.Add(expiryNotice)
	var list []Expiring
	clients, err := s.store.Expiring(ctx, from, soon, maxExpiring)
	if err == nil && len(clients) == 0 {
		clients, err = s.store.Expiring(ctx, soon, now.Add(100*365*24*time.Hour), 1)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		list = append(list, Expiring{ExpiryClient, c.Domain, c.Client, c.NotAfter})
	}
	admins, err := s.store.Administrators(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range admins {
		if a.Revoked.IsZero() && !a.NotAfter.Before(from) {
			list = append(list, Expiring{ExpiryAdministrator, "", a.Name, a.NotAfter})
		}
	}
	own, err := s.AuthorityCertificate(ctx)
	if err != nil {
		return nil, err
	}
	list = append(list, Expiring{ExpiryAuthority, "", own.Subject.CommonName, own.NotAfter})
	records, err := s.store.Records(ctx, store.RecordQuery{Kind: recordTrust, Limit: maxTrusts})
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		t, err := s.openTrust(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, a := range t.Authorities {
			list = append(list, Expiring{ExpiryTrust, t.Domain, t.Name, a.NotAfter})
		}
	}
	if node := s.nodeCertificateEnd(); !node.IsZero() {
		list = append(list, Expiring{ExpiryServer, "", "this node", node})
	}
	slices.SortStableFunc(list, func(a, b Expiring) int { return a.NotAfter.Compare(b.NotAfter) })
	return list, nil
}

func (s *Service) nodeCertificateEnd() time.Time {
	s.expiry.mu.Lock()
	f := s.expiry.node
	s.expiry.mu.Unlock()
	if f == nil {
		return time.Time{}
	}
	return f()
}

// WatchNodeCertificate has the end of this node's certificate watched, too.
func (s *Service) WatchNodeCertificate(end func() time.Time) {
	s.expiry.mu.Lock()
	defer s.expiry.mu.Unlock()
	s.expiry.node = end
}
