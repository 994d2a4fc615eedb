package custody

import (
	"context"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/revocation"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// checkRevocation refuses a certificate that is revoked, or of which that cannot be
// told where it must be. It returns when to look again; zero when nothing changes
// by itself.
func (s *Service) checkRevocation(ctx context.Context, t *Trust, chain []*x509.Certificate) (time.Time, error) {
	again, err := s.checkLists(t, chain)
	if err != nil || t.OCSP == OCSPNone || t.OCSP == "" || len(chain) < 2 {
		return again, err
	}
	next, err := s.checkOCSP(ctx, t, chain[0], chain[1])
	if !next.IsZero() && (again.IsZero() || next.Before(again)) {
		again = next
	}
	return again, err
}

// checkLists holds every certificate below the authority against the list of its
// issuer.
func (s *Service) checkLists(t *Trust, chain []*x509.Certificate) (again time.Time, err error) {
	if !t.CRL {
		return again, nil
	}
	now := s.now()
	for i, cert := range chain[:len(chain)-1] {
		issuer := chain[i+1]
		at := slices.IndexFunc(t.Lists, func(l *revocation.List) bool { return l.Of(issuer) })
		if at >= 0 && t.Lists[at].Revokes(cert) { // also by a list that is old
			return again, kmip.Fail(kmip.KindNotAuthenticated, "the certificate is revoked by its authority")
		}
		if t.StaleCRL {
			continue
		}
		if at < 0 || !t.Lists[at].Fresh(now) {
			return again, kmip.Fail(kmip.KindNotAuthenticated, "there is no current revocation list of the certificate's authority; an administrator must provide one")
		}
		if next := t.Lists[at].Next; again.IsZero() || next.Before(again) {
			again = next
		}
	}
	return again, nil
}

// Intervals and bounds of OCSP.
const (
	ocspWait    = 3 * time.Second  // for the first answer about a certificate
	ocspRetry   = 10 * time.Second // after no answer
	ocspAtOnce  = 8                // questions at a time
	maxOCSP     = 100_000
	ocspRefresh = 2 // part of an answer's time after which it is asked for again
)

// ocspTable remembers what responders have said.
type ocspTable struct {
	once  sync.Once
	slots chan struct{}

	mu    sync.Mutex
	known map[string]*ocspEntry // by trust and certificate; guarded by mu
}

// ocspEntry is what is known of a certificate; guarded by ocspTable.mu.
type ocspEntry struct {
	told    bool // a responder has answered at least once
	revoked bool
	until   time.Time     // when the answer is no longer good
	next    time.Time     // when to ask again
	asking  chan struct{} // closed when the question that is being asked is over; nil while none is
}

// checkOCSP refuses a certificate that its responder calls revoked. The responder
// is asked in the background, and waited for only when nothing is known yet.
func (s *Service) checkOCSP(ctx context.Context, t *Trust, cert, issuer *x509.Certificate) (time.Time, error) {
	e, asking := s.ocsp.look(t, cert, s.now(), func(key string) { s.askOCSP(t, cert, issuer, key) })
	if asking != nil && !e.told {
		timer := time.NewTimer(ocspWait)
		defer timer.Stop()
		select {
		case <-asking:
		case <-timer.C:
		case <-ctx.Done():
		}
		e, _ = s.ocsp.look(t, cert, s.now(), nil)
	}
	now := s.now()
	switch current := e.told && now.Before(e.until); {
	case e.told && e.revoked: // a responder that falls silent does not make it good
		return e.next, kmip.Fail(kmip.KindNotAuthenticated, "the certificate is revoked by its authority")
	case !current && t.OCSP == OCSPRequire:
		return e.next, kmip.Fail(kmip.KindNotAuthenticated, "the authority's responder does not tell whether the certificate is good; try again later")
	}
	if e.next.IsZero() || !now.Before(e.next) {
		return now.Add(identityTTL), nil // an answer is on its way
	}
	return e.next, nil
}

// look returns what is known, and begins to ask when it is time to.
func (o *ocspTable) look(t *Trust, cert *x509.Certificate, now time.Time, ask func(key string)) (ocspEntry, chan struct{}) {
	o.once.Do(func() { o.slots = make(chan struct{}, ocspAtOnce) })
	key := t.Domain + "/" + t.Name + "/" + t.OCSPURL + "/" + FingerprintOf(cert)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxOCSP {
		o.known = map[string]*ocspEntry{}
	}
	e, ok := o.known[key]
	if !ok {
		e = &ocspEntry{}
		o.known[key] = e
	}
	if ask != nil && e.asking == nil && !now.Before(e.next) {
		e.asking = make(chan struct{})
		go ask(key)
	}
	return *e, e.asking
}

// askOCSP asks the responder and notes what it says.
func (s *Service) askOCSP(t *Trust, cert, issuer *x509.Certificate, key string) {
	s.ocsp.slots <- struct{}{}
	a, err := revocation.Ask(context.Background(), t.OCSPURL, cert, issuer, s.now())
	<-s.ocsp.slots
	if err != nil {
		s.log.Warn("a responder does not tell whether a certificate is good", "domain", t.Domain, "trust", t.Name, "responder", t.OCSPURL, "error", err)
	}
	now := s.now()
	s.ocsp.mu.Lock()
	defer s.ocsp.mu.Unlock()
	e, ok := s.ocsp.known[key]
	if !ok {
		return // forgotten meanwhile
	}
	if err != nil {
		e.next = now.Add(ocspRetry)
	} else {
		e.told, e.revoked, e.until = true, a.Revoked, a.Until
		e.next = now.Add(max(ocspRetry, a.Until.Sub(now)/ocspRefresh))
	}
	close(e.asking)
	e.asking = nil
}

// Intervals at which revocation lists are fetched.
const (
	crlInterval = 15 * time.Minute
	crlRetry    = time.Minute
)

// crlTable says when this node fetches revocation lists.
type crlTable struct {
	mu   sync.Mutex
	next map[string]time.Time // by trust; guarded by mu
}

// FetchRevocationLists fetches those whose time has come from where operators say
// that they are, and keeps them for all nodes when they are newer.
func (s *Service) FetchRevocationLists(ctx context.Context) {
	t, err := s.trusted(ctx)
	if err != nil {
		return // the store; it is tried again
	}
	for _, trust := range t.trusts {
		if trust.CRLURL == "" || !s.crls.due(trust, s.now()) {
			continue
		}
		wait := crlInterval
		if err := s.fetchList(ctx, trust); err != nil && ctx.Err() == nil {
			wait = crlRetry
			s.log.WarnContext(ctx, "a revocation list could not be fetched; it will be tried again", "domain", trust.Domain, "trust", trust.Name, "from", trust.CRLURL, "error", err)
		}
		s.crls.set(trust, s.now().Add(wait))
	}
}

func (c *crlTable) key(t *Trust) string { return t.Domain + "/" + t.Name + "/" + t.CRLURL }

func (c *crlTable) due(t *Trust, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !now.Before(c.next[c.key(t)])
}

func (c *crlTable) set(t *Trust, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil || len(c.next) > 2*maxTrusts {
		c.next = map[string]time.Time{}
	}
	c.next[c.key(t)] = next
}

func (s *Service) fetchList(ctx context.Context, trust *Trust) error {
	b, err := revocation.FetchList(ctx, trust.CRLURL)
	if err != nil {
		return err
	}
	t, r, err := s.readTrust(ctx, trust.Domain, trust.Name)
	if err != nil {
		return err
	}
	lists, err := revocation.ParseLists(b, t.Authorities)
	if err != nil {
		return err
	}
	newer := false
	for _, l := range lists {
		at := slices.IndexFunc(t.Lists, func(had *revocation.List) bool { return string(had.Issuer) == string(l.Issuer) })
		newer = newer || at < 0 || t.Lists[at].Older(l)
	}
	if !newer {
		return nil
	}
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "revocation lists"}}, t.Domain, "system", "", "")
	var c store.Change
	if err := s.planLists(ctx, sc.Now, &c, t, r, lists); err != nil {
		return err
	}
	c.Audit = append(c.Audit, s.entry(sc, "trust.crl", t.Name, nil))
	return sc.commit(ctx, c)
}
