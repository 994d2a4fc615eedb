package custody

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// domainRules are what the keys of a domain must be like, how long they live and
// how they end. A value that was read is never changed.
type domainRules struct {
	Destruction destructionRules `json:"destruction,omitzero"`
	Quota       Quota            `json:"quota,omitzero"`
	Suite       SuiteRules       `json:"suite,omitzero"`
	KeyPolicies []KeyPolicy      `json:"key_policies,omitempty"`
}

// Rules are read again after a second. While the store cannot be reached the last
// known ones hold for a while.
const (
	rulesTTL   = time.Second
	rulesBound = 30 * time.Second
)

// rulesCache remembers the rules of domains: every request asks. The zero value is
// ready.
type rulesCache struct {
	domains sync.Map // name → *knownRules
}

type knownRules struct {
	mu   sync.Mutex // held while the rules are read
	last atomic.Pointer[readRules]
}

type readRules struct {
	domainRules
	suites
	at time.Time // when the read began
}

// rules returns those of a domain, at most a second old: of memory but for one read
// a second. They must not be changed.
func (s *Service) rules(ctx context.Context, domain string) (*readRules, error) {
	found, ok := s.known.domains.Load(domain)
	if !ok {
		found, _ = s.known.domains.LoadOrStore(domain, &knownRules{})
	}
	k, _ := found.(*knownRules)
	if r := k.last.Load(); r != nil && s.fresh(r, rulesTTL) {
		return r, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.last.Load()
	if last != nil && s.fresh(last, rulesTTL) {
		return last, nil
	}
	r := &readRules{at: s.now()}
	if _, err := s.singleRecord(ctx, domain, recordRules, &r.domainRules); err != nil {
		if last != nil && isUnavailable(err) && s.fresh(last, rulesBound) {
			return last, nil
		}
		return nil, err
	}
	var err error
	if r.suites, err = r.Suite.compiled(s.fips); err != nil {
		return nil, err
	}
	k.last.Store(r)
	return r, nil
}

// fresh reports whether rules were read not longer ago than d; a clock that was set
// back makes them old.
func (s *Service) fresh(r *readRules, d time.Duration) bool {
	age := s.now().Sub(r.at)
	return age >= 0 && age < d
}

// forget makes the next request of this node read the rules of a domain again.
func (c *rulesCache) forget(domain string) {
	if found, ok := c.domains.Load(domain); ok {
		k, _ := found.(*knownRules)
		k.mu.Lock() // a read that began before the change may not be kept after it
		defer k.mu.Unlock()
		k.last.Store(nil)
	}
}

// ruleDomain refuses domains that have no objects of clients.
func (s *Service) ruleDomain(ctx context.Context, domain string) error {
	_, err := s.store.Domain(ctx, domain)
	if errors.Is(err, store.ErrNotFound) {
		return kmip.Fail(kmip.KindObjectNotFound, "there is no domain %q", domain)
	}
	return err
}

// setRules changes the rules of the domain of the scope. change returns what the
// audit shall say.
func (s *Service) setRules(ctx context.Context, sc *Scope, action string, change func(*domainRules) (detail string, err error)) error {
	err := s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: sc.Domain}
		if err := s.authorizeNone(ctx, sc, action); err != nil {
			return o, err
		}
		if err := s.ruleDomain(ctx, sc.Domain); err != nil {
			return o, err
		}
		var rules domainRules
		r, err := s.singleRecord(ctx, sc.Domain, recordRules, &rules)
		if err != nil {
			return o, err
		}
		if o.detail, err = change(&rules); err != nil {
			return o, err
		}
		o.detail = printable(o.detail)
		return o, s.putSingle(ctx, &o.change, r, sc.Now, rules)
	})
	s.known.forget(sc.Domain)
	return err
}

// showRules reads the rules of the domain of the scope for an administrator.
func (s *Service) showRules(ctx context.Context, sc *Scope, action string) (domainRules, error) {
	var rules domainRules
	err := s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: sc.Domain}
		if err := s.authorizeNone(ctx, sc, action); err != nil {
			return o, err
		}
		if err := s.ruleDomain(ctx, sc.Domain); err != nil {
			return o, err
		}
		_, err := s.singleRecord(ctx, sc.Domain, recordRules, &rules)
		return o, err
	})
	return rules, err
}
