package custody

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// trustTable is what this node knows of the authorities that are trusted.
type trustTable struct {
	reading sync.Mutex // one refresh at a time

	mu sync.Mutex
	// All are guarded by mu; what they point to does not change.
	now    *trusted
	due    time.Time // when it is to be read again
	read   time.Time // when it was read last
	failed error     // why that failed last; nil when it did not
}

// trusted is a state of trust.
type trusted struct {
	trusts   map[store.RecordRef]*Trust
	anchors  map[string]*Trust // by the fingerprint of the authority
	external *x509.CertPool
	all      *x509.CertPool // with the installation's own authority
}

// How old what is known of trust may be: while the store can be asked, and while it
// cannot.
const (
	trustTTL   = time.Second
	trustBound = 30 * time.Second
	trustRead  = 3 * time.Second // for one question
)

// trusted returns the state of trust, as of a second ago at most; while the store
// cannot be asked the last one, for half a minute.
func (s *Service) trusted(ctx context.Context) (*trusted, error) {
	if t, err := s.trusts.current(s.now()); t != nil || err != nil {
		return t, err
	}
	s.trusts.reading.Lock()
	defer s.trusts.reading.Unlock()
	if t, err := s.trusts.current(s.now()); t != nil || err != nil {
		return t, err
	}
	begun := s.now()
	s.trusts.mu.Lock()
	last := s.trusts.now
	s.trusts.mu.Unlock()
	read, cancel := context.WithTimeout(context.WithoutCancel(ctx), trustRead) // others wait for it, too
	defer cancel()
	t, err := s.readTrusted(read, last)
	s.trusts.mu.Lock()
	defer s.trusts.mu.Unlock()
	s.trusts.due = s.now().Add(trustTTL)
	if err != nil {
		s.trusts.failed = s.translate(ctx, err)
		if last == nil || begun.Sub(s.trusts.read) > trustBound {
			return nil, s.trusts.failed
		}
		return last, nil
	}
	s.trusts.now, s.trusts.read, s.trusts.failed = t, begun, nil
	return t, nil
}

// current is what is known and need not be read again; nil when it must be.
func (t *trustTable) current(now time.Time) (*trusted, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !now.Before(t.due):
		return nil, nil
	case t.failed != nil && (t.now == nil || now.Sub(t.read) > trustBound):
		return nil, t.failed
	}
	return t.now, nil
}

// expire makes the next question be asked of the store.
func (t *trustTable) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = time.Time{}
}

// readTrusted reads the records of trusts, and opens those that last does not have.
// It returns last itself when nothing has changed.
func (s *Service) readTrusted(ctx context.Context, last *trusted) (*trusted, error) {
	records, err := s.store.Records(ctx, store.RecordQuery{Kind: recordTrust, Limit: maxTrusts})
	if err != nil {
		return nil, err
	}
	if last != nil && len(records) == len(last.trusts) {
		same := true
		for _, r := range records {
			_, ok := last.trusts[r.Ref()]
			same = same && ok
		}
		if same {
			return last, nil
		}
	}
	t := &trusted{trusts: map[store.RecordRef]*Trust{}, anchors: map[string]*Trust{}, external: x509.NewCertPool(), all: x509.NewCertPool()}
	own, err := s.AuthorityCertificate(ctx)
	if err != nil {
		return nil, err
	}
	t.all.AddCert(own)
	for _, r := range records {
		trust := (*Trust)(nil)
		if last != nil {
			trust = last.trusts[r.Ref()]
		}
		if trust == nil {
			opened, err := s.openTrust(ctx, r)
			if err != nil { // one that is damaged does not take the others along
				s.log.ErrorContext(ctx, "a trust cannot be read and is not used", "domain", r.Domain, "trust", r.Key, "error", err)
				continue
			}
			trust = &opened
		}
		t.trusts[r.Ref()] = trust
		for _, a := range trust.Authorities {
			t.anchors[FingerprintOf(a)] = trust
			t.external.AddCert(a)
			t.all.AddCert(a)
		}
	}
	return t, nil
}

// ClientAuthorities are the authorities of which TLS takes certificates of clients.
// The result is the same one as long as they are. Returns KindUnavailable when the
// store cannot be asked for longer than half a minute.
func (s *Service) ClientAuthorities(ctx context.Context) (*x509.CertPool, error) {
	t, err := s.trusted(ctx)
	if err != nil {
		return nil, err
	}
	return t.all, nil
}

// findExternal finds the client that a certificate of another authority means. It
// verifies the chain itself: TLS may have done so when other authorities were
// trusted.
func (s *Service) findExternal(ctx context.Context, p Presented, fingerprint []byte) (*clientIdentity, error) {
	t, err := s.trusted(ctx)
	if err != nil {
		return nil, err
	}
	unknown := kmip.Fail(kmip.KindNotAuthenticated, "the certificate belongs to no client")
	if len(t.anchors) == 0 {
		return nil, unknown
	}
	cert, intermediates := p.Certificates[0], x509.NewCertPool()
	for _, c := range p.Certificates[1:] {
		intermediates.AddCert(c)
	}
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: t.external, Intermediates: intermediates, CurrentTime: s.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, unknown
	}
	trust, chain := t.shortest(chains)
	if trust == nil {
		return nil, kmip.Fail(kmip.KindNotAuthenticated, "the certificate is one of authorities that several domains trust; one alone must be meant")
	}
	c, err := s.meant(ctx, trust, cert)
	if err != nil {
		return nil, err
	}
	k, err := s.identityOf(ctx, c, false, cert, fingerprint)
	if err != nil {
		return nil, err
	}
	if trust.NeedEKU && len(cert.ExtKeyUsage) == 0 {
		k.refused = kmip.Fail(kmip.KindNotAuthenticated, "the certificate does not say that it is for the authentication of TLS clients (extended key usage)")
		return k, nil
	}
	k.again, k.refused = s.checkRevocation(ctx, trust, chain)
	for _, a := range chain[1:] {
		if k.again.IsZero() || a.NotAfter.Before(k.again) {
			k.again = a.NotAfter
		}
	}
	return k, nil
}

// shortest picks the trust that the chains lead to, and the shortest chain to it;
// nil when they lead to several domains.
func (t *trusted) shortest(chains [][]*x509.Certificate) (*Trust, []*x509.Certificate) {
	var trust *Trust
	var best []*x509.Certificate
	for _, chain := range chains {
		found := t.anchors[FingerprintOf(chain[len(chain)-1])]
		switch {
		case found == nil:
		case trust != nil && trust.Domain != found.Domain:
			return nil, nil
		case trust == nil || len(chain) < len(best):
			trust, best = found, chain
		}
	}
	return trust, best
}

// meant finds the client of a domain that a certificate means.
func (s *Service) meant(ctx context.Context, t *Trust, cert *x509.Certificate) (store.Client, error) {
	var last ClientIdentity
	for _, i := range identitiesIn(cert, t.Map) {
		name, err := s.owner(ctx, t.Domain, i)
		if err != nil {
			return store.Client{}, err
		}
		if name != "" {
			return s.store.Client(ctx, t.Domain, name)
		}
		last = i
	}
	none := kmip.Fail(kmip.KindNotAuthenticated, "the certificate belongs to no client of the domain")
	if last.Kind != IdentityName || !nameForm.MatchString(last.Value) {
		return store.Client{}, none
	}
	c, err := s.store.Client(ctx, t.Domain, last.Value)
	if errors.Is(err, store.ErrNotFound) {
		return c, none
	}
	if err != nil {
		return c, err
	}
	settings, _, err := s.settingsOf(ctx, c.Domain, c.Name)
	if err == nil && len(settings.Identities) > 0 { // it is known by these only
		err = none
	}
	return c, err
}
