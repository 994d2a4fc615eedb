package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/revocation"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// AddTrust makes certificates of other authorities identify clients of the scope's
// domain. lists are revocation lists, PEM or DER; none when empty. An authority is
// trusted by one domain at most. It takes effect within a second on all nodes.
func (s *Service) AddTrust(ctx context.Context, sc *Scope, t Trust, lists []byte) error {
	t.Domain = sc.Domain
	return s.administer(ctx, sc, policy.ActionTrustUpdate, t.Name, func() (store.Change, error) {
		var c store.Change
		if _, err := s.store.Domain(ctx, sc.Domain); errors.Is(err, store.ErrNotFound) {
			return c, kmip.Fail(kmip.KindObjectNotFound, "no domain %q", sc.Domain)
		} else if err != nil {
			return c, err
		}
		// Its certificates may come as any client of the domain.
		if err := s.authorize(ctx, sc, policy.ActionClientAccess, policy.Resource{}); err != nil {
			return c, err
		}
		if len(lists) > 0 {
			var err error
			if t.Lists, err = parseLists(lists, t.Authorities); err != nil {
				return c, err
			}
		}
		if err := t.check(sc.Now); err != nil {
			return c, err
		}
		return c, s.planTrust(ctx, sc, &c, t)
	})
}

func (s *Service) planTrust(ctx context.Context, sc *Scope, c *store.Change, t Trust) error {
	if _, err := s.store.Record(ctx, sc.Domain, recordTrust, t.Name); err == nil {
		return kmip.Fail(kmip.KindObjectExists, "domain %q has a trust %q already", sc.Domain, t.Name)
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	all, err := s.store.Records(ctx, store.RecordQuery{Kind: recordTrust, Limit: maxTrusts})
	if err != nil {
		return err
	}
	if len(all) >= maxTrusts {
		return kmip.Fail(kmip.KindTooMany, "there are %d trusts; no more are taken", len(all))
	}
	seen, err := s.ownAuthorities(ctx)
	if err != nil {
		return err
	}
	add := func(domain, kind, key string, value any) error {
		r, err := s.sealRecord(ctx, store.Record{Domain: domain, Kind: kind, Key: key, Revision: 1, Created: sc.Now}, value)
		c.AddRecords = append(c.AddRecords, r)
		return err
	}
	stored := storedTrust{TrustSettings: t.TrustSettings}
	for _, a := range t.Authorities {
		key := anchorKey(a)
		switch r, err := s.store.Record(ctx, SystemDomain, recordAnchor, key); {
		case err == nil:
			var by storedAnchor
			if err := s.openRecord(ctx, r, &by); err != nil {
				return err
			}
			return kmip.Fail(kmip.KindObjectExists, "the authority %q is trusted already, as %q of domain %q; one authority identifies clients of one domain", a.Subject, by.Name, by.Domain)
		case !errors.Is(err, store.ErrNotFound):
			return err
		case seen[key]:
			return kmip.Fail(kmip.KindInvalidField, "the authority %q is given twice, or is one of this installation's own", a.Subject)
		}
		seen[key] = true
		stored.Authorities = append(stored.Authorities, a.Raw)
		if err := add(SystemDomain, recordAnchor, key, storedAnchor{sc.Domain, t.Name}); err != nil {
			return err
		}
	}
	if len(t.Lists) > 0 {
		stored.Lists = rand.Text()
		if err := add(sc.Domain, recordTrustCRL, t.Name, listsOf(t.Lists)); err != nil {
			return err
		}
	}
	return add(sc.Domain, recordTrust, t.Name, stored)
}

// ownAuthorities are the keys of the authorities that nobody may trust: that of the
// installation, which is trusted anyway, and those by which clients of domains make
// certificates (Certify), since they choose the names in them.
func (s *Service) ownAuthorities(ctx context.Context) (map[string]bool, error) {
	own, err := s.AuthorityCertificate(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{anchorKey(own): true}
	records, err := s.store.Records(ctx, store.RecordQuery{Kind: recordAuthority, Limit: maxRecords})
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		var stored storedAuthority
		if err := s.openRecord(ctx, r, &stored); err != nil {
			return nil, err
		}
		clear(stored.Key)
		c, err := x509.ParseCertificate(stored.Certificate)
		if err != nil {
			return nil, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
		}
		keys[anchorKey(c)] = true
	}
	return keys, nil
}

func listsOf(lists []*revocation.List) storedLists {
	var v storedLists
	for _, l := range lists {
		v.DER = append(v.DER, l.DER)
	}
	return v
}

func parseLists(b []byte, authorities []*x509.Certificate) ([]*revocation.List, error) {
	lists, err := revocation.ParseLists(b, authorities)
	if err != nil {
		return nil, kmip.Fail(kmip.KindInvalidField, "%s", err)
	}
	if len(lists) > maxLists {
		return nil, kmip.Fail(kmip.KindTooMany, "at most %d revocation lists are taken", maxLists)
	}
	return lists, nil
}

// RemoveTrust ends a trust of the scope's domain: within a second its clients are
// no longer admitted, also on connections that are open.
func (s *Service) RemoveTrust(ctx context.Context, sc *Scope, name string) error {
	return s.administer(ctx, sc, policy.ActionTrustUpdate, name, func() (store.Change, error) {
		var c store.Change
		t, r, err := s.readTrust(ctx, sc.Domain, name)
		if err != nil {
			return c, err
		}
		c.DeleteRecords = append(c.DeleteRecords, r.Ref())
		refs := []store.RecordRef{{Domain: sc.Domain, Kind: recordTrustCRL, Key: name}}
		for _, a := range t.Authorities {
			refs = append(refs, store.RecordRef{Domain: SystemDomain, Kind: recordAnchor, Key: anchorKey(a)})
		}
		for _, ref := range refs {
			switch r, err := s.store.Record(ctx, ref.Domain, ref.Kind, ref.Key); {
			case err == nil:
				c.DeleteRecords = append(c.DeleteRecords, r.Ref())
			case !errors.Is(err, store.ErrNotFound):
				return c, err
			}
		}
		return c, nil
	})
}

// Trusts lists the trusts of the scope's domain, or of all when it is empty.
func (s *Service) Trusts(ctx context.Context, sc *Scope) ([]Trust, error) {
	var list []Trust
	err := s.administer(ctx, sc, policy.ActionTrustList, "", func() (store.Change, error) {
		list = nil
		records, err := s.store.Records(ctx, store.RecordQuery{Domain: sc.Domain, Kind: recordTrust, Limit: maxTrusts})
		for _, r := range records {
			if err != nil {
				break
			}
			var t Trust
			t, err = s.openTrust(ctx, r)
			list = append(list, t)
		}
		return store.Change{}, err
	})
	return list, err
}

// SetRevocationLists gives a trust of the scope's domain new revocation lists: each
// takes the place of the one of its issuer, which must not be newer.
func (s *Service) SetRevocationLists(ctx context.Context, sc *Scope, name string, b []byte) error {
	return s.administer(ctx, sc, policy.ActionTrustUpdate, name, func() (store.Change, error) {
		var c store.Change
		t, r, err := s.readTrust(ctx, sc.Domain, name)
		if err != nil {
			return c, err
		}
		lists, err := parseLists(b, t.Authorities)
		if err != nil {
			return c, err
		}
		return c, s.planLists(ctx, sc.Now, &c, t, r, lists)
	})
}

func (s *Service) planLists(ctx context.Context, now time.Time, c *store.Change, t Trust, r store.Record, lists []*revocation.List) error {
	for _, had := range t.Lists {
		i := slices.IndexFunc(lists, func(l *revocation.List) bool { return bytes.Equal(l.Issuer, had.Issuer) })
		switch {
		case i < 0:
			lists = append(lists, had)
		case lists[i].Older(had):
			return kmip.Fail(kmip.KindInvalidField, "the revocation list is older than the one that is there, of %s", had.Made.UTC().Format(time.RFC3339))
		}
	}
	var stored storedTrust
	if err := s.openRecord(ctx, r, &stored); err != nil {
		return err
	}
	stored.CRL, stored.Lists = true, rand.Text()
	if err := s.putSingle(ctx, c, r, now, stored); err != nil {
		return err
	}
	old, err := s.store.Record(ctx, t.Domain, recordTrustCRL, t.Name)
	if errors.Is(err, store.ErrNotFound) {
		old, err = store.Record{Domain: t.Domain, Kind: recordTrustCRL, Key: t.Name}, nil
	}
	if err != nil {
		return err
	}
	return s.putSingle(ctx, c, old, now, listsOf(lists))
}

// readTrust reads a trust with its record.
func (s *Service) readTrust(ctx context.Context, domain, name string) (Trust, store.Record, error) {
	r, err := s.store.Record(ctx, domain, recordTrust, name)
	if errors.Is(err, store.ErrNotFound) {
		return Trust{}, r, kmip.Fail(kmip.KindObjectNotFound, "no trust %q in domain %q", name, domain)
	}
	if err != nil {
		return Trust{}, r, err
	}
	t, err := s.openTrust(ctx, r)
	return t, r, err
}

// openTrust reads a record of a trust, with its revocation lists.
func (s *Service) openTrust(ctx context.Context, r store.Record) (Trust, error) {
	var stored storedTrust
	if err := s.openRecord(ctx, r, &stored); err != nil {
		return Trust{}, err
	}
	t := Trust{Domain: r.Domain, Name: r.Key, Created: r.Created, TrustSettings: stored.TrustSettings}
	for _, der := range stored.Authorities {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return t, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
		}
		t.Authorities = append(t.Authorities, c)
	}
	if stored.Lists == "" {
		return t, nil
	}
	lr, err := s.store.Record(ctx, r.Domain, recordTrustCRL, r.Key)
	if err != nil {
		return t, fmt.Errorf("revocation lists of trust %s of domain %s: %w", r.Key, r.Domain, err)
	}
	var lists storedLists
	if err := s.openRecord(ctx, lr, &lists); err != nil {
		return t, err
	}
	for _, der := range lists.DER {
		l, err := revocation.ParseLists(der, t.Authorities)
		if err != nil {
			return t, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
		}
		t.Lists = append(t.Lists, l...)
	}
	return t, nil
}
