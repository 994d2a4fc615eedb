package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/revocation"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Kinds of records of trust.
const (
	// recordTrust is an authority of others whose certificates are accepted for
	// clients of the domain; the key is its name there.
	recordTrust = "trust"
	// recordTrustCRL are its revocation lists; the key is the same.
	recordTrustCRL = "trust.crl"
	// recordAnchor says which domain trusts an authority: one at most. It belongs to
	// the system domain; the key is the SHA-256 of the authority's public key.
	recordAnchor = "trust.anchor"
)

// Fields of certificates that say who a client is, in the order in which they are
// looked at.
const (
	MapURI   = "san-uri"
	MapDNS   = "san-dns"
	MapEmail = "san-email"
	MapName  = "cn"
)

// Maps lists them.
var Maps = []string{MapURI, MapDNS, MapEmail, MapName}

// What is done about OCSP.
const (
	OCSPNone    = "none"
	OCSPCheck   = "check"   // what is revoked is refused; no answer is no objection
	OCSPRequire = "require" // what is not known to be good is refused
)

// Trust is an authority, or several, of others whose certificates identify clients
// of a domain.
type Trust struct {
	Domain, Name string
	Authorities  []*x509.Certificate
	Created      time.Time

	TrustSettings
	// Lists are its revocation lists.
	Lists []*revocation.List
}

// TrustSettings say how certificates of other authorities are taken.
type TrustSettings struct {
	// Map are the fields that say who a client is; all when empty.
	Map []string `json:"map,omitempty"`
	// CRL: certificates must not be on a revocation list, which is uploaded, or
	// fetched from CRLURL. Without one that is current everything is refused,
	// unless StaleCRL.
	CRL      bool   `json:"crl,omitempty"`
	CRLURL   string `json:"crl_url,omitempty"`
	StaleCRL bool   `json:"stale_crl,omitempty"`
	OCSP     string `json:"ocsp,omitempty"`
	OCSPURL  string `json:"ocsp_url,omitempty"`
	// NeedEKU: certificates say that they are for the authentication of TLS
	// clients; else those that say nothing are taken too.
	NeedEKU bool `json:"need_eku,omitempty"`
}

// storedTrust is the form that the record keeps.
type storedTrust struct {
	Authorities [][]byte `json:"authorities"` // DER
	TrustSettings
	// Lists changes with the record of the revocation lists; empty without one.
	Lists string `json:"lists,omitempty"`
}

type storedLists struct {
	DER [][]byte `json:"der"`
}

type storedAnchor struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
}

// Bounds of trust.
const (
	maxTrusts      = 500 // in the installation
	maxAuthorities = 16  // of one
	maxLists       = 16
)

func anchorKey(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// ParseAuthorities reads certificates of authorities in PEM form.
func ParseAuthorities(text []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, kmip.Fail(kmip.KindInvalidField, "a PEM block %q is no certificate", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, kmip.Fail(kmip.KindInvalidField, "a certificate is not X.509")
		}
		list = append(list, c)
	}
	if len(list) == 0 || len(list) > maxAuthorities {
		return nil, kmip.Fail(kmip.KindInvalidField, "give 1 to %d certificates of authorities in PEM form", maxAuthorities)
	}
	return list, nil
}

func (t *Trust) check(now time.Time) error {
	if err := checkName("trust", t.Name); err != nil {
		return err
	}
	for _, c := range t.Authorities {
		switch {
		case !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
			return kmip.Fail(kmip.KindInvalidField, "the certificate of %q is not one of an authority", c.Subject)
		case now.After(c.NotAfter):
			return kmip.Fail(kmip.KindInvalidField, "the certificate of %q has expired", c.Subject)
		}
	}
	for _, m := range t.Map {
		if !slices.Contains(Maps, m) {
			return kmip.Fail(kmip.KindInvalidField, "no field %q says who a client is; there are %v", m, Maps)
		}
	}
	if t.OCSP == "" {
		t.OCSP = OCSPNone
	}
	switch {
	case t.OCSP != OCSPNone && t.OCSP != OCSPCheck && t.OCSP != OCSPRequire:
		return kmip.Fail(kmip.KindInvalidField, "OCSP is %s, %s or %s", OCSPNone, OCSPCheck, OCSPRequire)
	case (t.OCSP != OCSPNone) != (t.OCSPURL != ""):
		return kmip.Fail(kmip.KindInvalidField, "OCSP needs the address of the responder, and an address needs OCSP; the one in certificates is never asked")
	}
	for _, u := range []string{t.CRLURL, t.OCSPURL} {
		if u == "" {
			continue
		}
		if err := revocation.CheckURL(u); err != nil {
			return kmip.Fail(kmip.KindInvalidField, "%s", err)
		}
	}
	t.CRL = t.CRL || t.CRLURL != "" || len(t.Lists) > 0
	if t.StaleCRL && !t.CRL {
		return kmip.Fail(kmip.KindInvalidField, "what to do with old revocation lists is said without any")
	}
	return nil
}

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
