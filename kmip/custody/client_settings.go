package custody

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordClient is how a client may come; the key is its name. Without one it may
// come at any time, from anywhere, as often as it likes.
const recordClient = "client"

// ClientSettings say how a client may come. The zero value restricts nothing.
type ClientSettings struct {
	Disabled bool `json:"disabled,omitempty"`
	// Expires is when the client is no longer admitted; zero: never.
	Expires time.Time `json:"expires,omitzero"`
	// Sources are the networks that it may come from; none: any.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// Rate is how many items of requests a node takes from it in a second, on
	// average, and Burst how many at once; Rate 0: any number.
	Rate  float64 `json:"rate,omitempty"`
	Burst int     `json:"burst,omitempty"`
	// Connections is how many a node keeps open for it; 0: any number.
	Connections int `json:"connections,omitempty"`
	// Credential: its certificate alone is not enough.
	Credential bool `json:"credential,omitempty"`
	// Identities are what certificates of other authorities say of it.
	Identities []ClientIdentity `json:"identities,omitempty"`
}

// Bounds of settings.
const (
	maxSources     = 256
	maxRate        = 1_000_000
	maxConnections = 1_000_000
)

// ClientChange says what of the settings becomes other than it is; nil leaves it.
type ClientChange struct {
	Disabled    *bool
	Expires     *time.Time
	Sources     *[]netip.Prefix
	Rate        *float64
	Burst       *int // 0: twice the rate
	Connections *int
	Credential  *bool
}

// apply returns the settings after the change.
func (c ClientChange) apply(s ClientSettings) (ClientSettings, error) {
	set(&s.Disabled, c.Disabled)
	set(&s.Expires, c.Expires)
	set(&s.Sources, c.Sources)
	set(&s.Rate, c.Rate)
	set(&s.Connections, c.Connections)
	set(&s.Credential, c.Credential)
	switch {
	case c.Burst != nil && *c.Burst > 0:
		s.Burst = *c.Burst
	case c.Burst != nil, c.Rate != nil:
		s.Burst = max(1, int(2*s.Rate))
	}
	if s.Rate == 0 {
		s.Burst = 0
	}
	switch {
	case len(s.Sources) > maxSources:
		return s, kmip.Fail(kmip.KindTooMany, "a client has at most %d source networks", maxSources)
	case s.Rate < 0 || s.Rate > maxRate || s.Rate != 0 && s.Rate < 0.01:
		return s, kmip.Fail(kmip.KindInvalidField, "a rate is 0 for none, or 0.01 to %d items of requests per second", maxRate)
	case s.Burst < 0 || s.Burst > 2*maxRate:
		return s, kmip.Fail(kmip.KindInvalidField, "a burst is 1 to %d items", 2*maxRate)
	case s.Connections < 0 || s.Connections > maxConnections:
		return s, kmip.Fail(kmip.KindInvalidField, "a connection limit is 0 for none, or 1 to %d", maxConnections)
	}
	for i, p := range s.Sources {
		if !p.IsValid() {
			return s, kmip.Fail(kmip.KindInvalidField, "a source is a network such as 192.0.2.0/24 or 2001:db8::/32")
		}
		s.Sources[i] = p.Masked()
	}
	s.Expires = s.Expires.UTC().Truncate(time.Microsecond)
	return s, nil
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// settingsOf reads the settings of a client; those of no record are the zero value.
func (s *Service) settingsOf(ctx context.Context, domain, name string) (ClientSettings, store.Record, error) {
	var v ClientSettings
	r, err := s.store.Record(ctx, domain, recordClient, name)
	if errors.Is(err, store.ErrNotFound) {
		return v, store.Record{Domain: domain, Kind: recordClient, Key: name}, nil
	}
	if err != nil {
		return v, r, err
	}
	return v, r, s.openRecord(ctx, r, &v)
}

// SetClient changes how a client of the scope's domain may come. It takes effect
// within a second on all nodes, also on connections that are open.
func (s *Service) SetClient(ctx context.Context, sc *Scope, name string, change ClientChange) (ClientSettings, error) {
	var after ClientSettings
	err := s.administer(ctx, sc, policy.ActionClientUpdate, name, func() (store.Change, error) {
		var c store.Change
		if _, err := s.client(ctx, sc.Domain, name); err != nil {
			return c, err
		}
		before, r, err := s.settingsOf(ctx, sc.Domain, name)
		if err != nil {
			return c, err
		}
		if after, err = change.apply(before); err != nil {
			return c, err
		}
		return c, s.putSingle(ctx, &c, r, sc.Now, after)
	})
	return after, err
}

// client reads a client of a domain.
func (s *Service) client(ctx context.Context, domain, name string) (store.Client, error) {
	return clientIn(ctx, s.store, domain, name)
}

// anyClient is client, also for one that was altered in the database: whoever it is,
// it can be revoked.
func (s *Service) anyClient(ctx context.Context, domain, name string) (store.Client, error) {
	return clientIn(ctx, s.store.Store, domain, name)
}

func clientIn(ctx context.Context, r store.Registry, domain, name string) (store.Client, error) {
	c, err := r.Client(ctx, domain, name)
	if errors.Is(err, store.ErrNotFound) {
		return c, kmip.Fail(kmip.KindObjectNotFound, "no client %q in domain %q", name, domain)
	}
	return c, err
}

// unrevoked reads a client that is not revoked.
func (s *Service) unrevoked(ctx context.Context, domain, name string) (store.Client, error) {
	c, err := s.client(ctx, domain, name)
	if err == nil && !c.Revoked.IsZero() {
		err = kmip.Fail(kmip.KindWrongState, "client %q of domain %q is revoked, for good; make another client", name, domain)
	}
	return c, err
}

// ClientDetails is all that is kept of a client.
type ClientDetails struct {
	Client       store.Client
	Settings     ClientSettings
	Certificates []store.Certificate // oldest first, revoked and expired ones too
}

// ShowClient reads a client of the scope's domain.
func (s *Service) ShowClient(ctx context.Context, sc *Scope, name string) (ClientDetails, error) {
	var d ClientDetails
	err := s.administer(ctx, sc, policy.ActionClientList, name, func() (store.Change, error) {
		var err error
		if d.Client, err = s.client(ctx, sc.Domain, name); err != nil {
			return store.Change{}, err
		}
		if d.Settings, _, err = s.settingsOf(ctx, sc.Domain, name); err != nil {
			return store.Change{}, err
		}
		d.Certificates, err = s.store.Certificates(ctx, sc.Domain, name)
		return store.Change{}, err
	})
	return d, err
}

// ListClients lists the clients of the scope's domain, or of all when it is empty,
// with their settings and certificates.
func (s *Service) ListClients(ctx context.Context, sc *Scope) ([]ClientDetails, error) {
	var list []ClientDetails
	err := s.administer(ctx, sc, policy.ActionClientList, "", func() (store.Change, error) {
		var err error
		list, err = s.listClients(ctx, sc.Domain)
		return store.Change{}, err
	})
	return list, err
}

func (s *Service) listClients(ctx context.Context, domain string) ([]ClientDetails, error) {
	clients, err := s.store.Clients(ctx, domain)
	if err != nil {
		return nil, err
	}
	type member struct{ domain, name string }
	list, at := make([]ClientDetails, len(clients)), make(map[member]int, len(clients))
	for i, c := range clients {
		list[i].Client = c
		at[member{c.Domain, c.Name}] = i
	}
	certificates, err := s.store.Certificates(ctx, domain, "")
	if err != nil {
		return nil, err
	}
	for _, c := range certificates {
		if i, ok := at[member{c.Domain, c.Client}]; ok {
			list[i].Certificates = append(list[i].Certificates, c)
		}
	}
	records, err := s.store.Records(ctx, store.RecordQuery{Domain: domain, Kind: recordClient, Limit: maxRecords})
	if err != nil {
		return nil, err
	}
	read := make(map[member]store.Record, len(records))
	for _, r := range records {
		read[member{r.Domain, r.Key}] = r
	}
	for i, c := range clients {
		if r, ok := read[member{c.Domain, c.Name}]; ok {
			err = s.openRecord(ctx, r, &list[i].Settings)
		} else if len(records) == maxRecords {
			list[i].Settings, _, err = s.settingsOf(ctx, c.Domain, c.Name)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// maxRecords is how many records one question to the store can give.
const maxRecords = 1000
