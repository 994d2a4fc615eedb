package custody

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Quota bounds what a domain may have.
type Quota struct {
	Objects int64 `json:"objects,omitempty"` // that are not destroyed; 0: no bound
}

// How long a node counts by itself what it adds, before it counts in the store
// again: what other nodes add meanwhile can exceed a quota by as much.
const (
	quotaTTL     = 10 * time.Second
	quotaNearTTL = time.Second // within a twentieth of the bound
)

// quotaTable remembers how many objects domains with a quota have.
type quotaTable struct {
	domains sync.Map // name → *domainUse
}

type domainUse struct {
	mu   sync.Mutex
	live int64     // guarded by mu
	at   time.Time // when it was counted; guarded by mu
}

// withinQuota refuses to add objects to a domain that has as many as it may. Objects
// of a batch that is undone, and of a change that fails, count until the next time
// that the store is asked.
func (s *Service) withinQuota(ctx context.Context, sc *Scope, adds int) error {
	if adds == 0 || sc.Domain == "" || sc.Domain == SystemDomain {
		return nil
	}
	return s.takeQuota(ctx, sc.Domain, int64(adds), int64(adds))
}

// takeQuota counts what is added, if there is room for n objects.
func (s *Service) takeQuota(ctx context.Context, domain string, n, adds int64) error {
	rules, err := s.rules(ctx, domain)
	if err != nil || rules.Quota.Objects == 0 {
		return err
	}
	most := rules.Quota.Objects
	found, _ := s.quotas.domains.LoadOrStore(domain, &domainUse{})
	u, _ := found.(*domainUse)
	u.mu.Lock()
	defer u.mu.Unlock()
	ttl := quotaTTL
	if u.live+n > most-most/20 {
		ttl = quotaNearTTL
	}
	if age := s.now().Sub(u.at); age < 0 || age >= ttl {
		counts, err := s.store.Count(ctx, domain)
		if err != nil {
			return err
		}
		u.live, u.at = 0, s.now()
		for state, c := range counts {
			if st := kmip.State(state); st != kmip.StateDestroyed && st != kmip.StateDestroyedCompromised {
				u.live += c
			}
		}
	}
	if u.live+n > most {
		return kmip.Fail(kmip.KindPermissionDenied, "the domain has %d of at most %d objects; destroy what is not needed, or ask an administrator for a higher quota", u.live, most)
	}
	u.live += adds
	return nil
}

// SetQuota bounds what the domain of the scope may have. What is there already stays.
func (s *Service) SetQuota(ctx context.Context, sc *Scope, q Quota) error {
	return s.setRules(ctx, sc, policy.ActionDomainQuota, func(r *domainRules) (string, error) {
		if q.Objects < 0 {
			return "", kmip.Fail(kmip.KindInvalidField, "a quota is not negative; 0 takes it away")
		}
		r.Quota = q
		return fmt.Sprintf("objects: %d", q.Objects), nil
	})
}

// Usage is what a domain has, and may have.
type Usage struct {
	Objects map[kmip.State]int64
	Quota   Quota
}

// DomainUsage counts the objects of the domain of the scope.
func (s *Service) DomainUsage(ctx context.Context, sc *Scope) (Usage, error) {
	u := Usage{Objects: map[kmip.State]int64{}}
	err := s.administer(ctx, sc, policy.ActionDomainList, sc.Domain, func() (store.Change, error) {
		if err := s.ruleDomain(ctx, sc.Domain); err != nil {
			return store.Change{}, err
		}
		var rules domainRules
		if _, err := s.singleRecord(ctx, sc.Domain, recordRules, &rules); err != nil {
			return store.Change{}, err
		}
		u.Quota = rules.Quota
		counts, err := s.store.Count(ctx, sc.Domain)
		for state, n := range counts {
			u.Objects[kmip.State(state)] = n
		}
		return store.Change{}, err
	})
	return u, err
}
