package custody

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// A database whose key is no longer Active shuts down. So an administrator does not end
// what was used a short while ago without saying that it is meant, and a Deactivation
// Date that comes near while an object is in use is warned about.

// deactivationNotice is how long before a Deactivation Date warnings begin.
const deactivationNotice = 14 * 24 * time.Hour

// endingInterval is how often a node looks for what is about to end.
const endingInterval = 10 * time.Minute

// Ending is an object that is in use and about to be deactivated.
type Ending struct {
	Domain       string
	UID          string
	Names        []string
	Deactivation time.Time
	LastUsed     time.Time
}

// window is how long after its last use an object counts as in use; 0 when no policy
// says so.
func (s *Service) window(ctx context.Context, domain string, m *managed, roles map[string]string) (time.Duration, error) {
	rules, err := s.rules(ctx, domain)
	if err != nil || len(rules.KeyPolicies) == 0 {
		return 0, err
	}
	role, known := roles[m.row.Creator]
	if !known {
		if role, err = s.creatorRole(ctx, domain, m.row.Creator); err != nil {
			return 0, err
		}
		if roles != nil {
			roles[m.row.Creator] = role
		}
	}
	return keyRulesOf(rules.KeyPolicies, groupsOf(m.attrs), role).inUse.value.Duration(), nil
}

// creatorRole is the role that the creator of an object has today; empty for one that is
// not there any more.
func (s *Service) creatorRole(ctx context.Context, domain, creator string) (string, error) {
	var role string
	var err error
	switch kind, name, _ := strings.Cut(creator, ":"); kind {
	case policy.KindClient:
		var c store.Client
		c, err = s.store.Client(ctx, domain, name)
		role = c.Role
	case policy.KindUser:
		var u store.User
		u, err = s.store.User(ctx, domain, name)
		role = u.Role
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return role, err
}

// notInUse refuses to end an object that was used within the window of its policy.
func (s *Service) notInUse(ctx context.Context, sc *Scope, m *managed) error {
	last := m.row.Counter.LastUsed
	if last.IsZero() || m.destroyed() {
		return nil
	}
	window, err := s.window(ctx, sc.Domain, m, nil)
	if err != nil || sc.Now.Sub(last) >= window {
		return err
	}
	return kmip.Fail(kmip.KindWrongState, "the object is in use: last at %s; to end it all the same, say so (--even-if-in-use)", last.Format(time.RFC3339))
}

// EndingInUse lists what is in use and is about to be deactivated by its date, in the
// domain of the scope, or in all domains when it has none.
func (s *Service) EndingInUse(ctx context.Context, sc *Scope) ([]Ending, error) {
	var list []Ending
	err := s.administer(ctx, sc, policy.ActionKeyList, "", func() (store.Change, error) {
		domains := []store.Domain{{Name: sc.Domain}}
		var err error
		if sc.Domain == "" {
			if domains, err = s.store.Domains(ctx); err != nil {
				return store.Change{}, err
			}
		} else if err := s.ruleDomain(ctx, sc.Domain); err != nil {
			return store.Change{}, err
		}
		list = nil
		for _, d := range domains {
			found, err := s.endingIn(ctx, d.Name, sc.Now)
			if err != nil {
				return store.Change{}, err
			}
			list = append(list, found...)
		}
		return store.Change{}, nil
	})
	return list, err
}

func (s *Service) endingIn(ctx context.Context, domain string, now time.Time) ([]Ending, error) {
	rules, err := s.rules(ctx, domain)
	if err != nil {
		return nil, err
	}
	watched := false
	for _, p := range rules.KeyPolicies {
		watched = watched || p.InUse != nil && *p.InUse > 0
	}
	if !watched {
		return nil, nil
	}
	var list []Ending
	roles := map[string]string{}
	q := store.Query{DeactivationFrom: now, DeactivationTo: now.Add(deactivationNotice), Limit: findPage}
	for {
		page, err := s.store.Find(ctx, domain, q)
		if err != nil {
			return nil, err
		}
		for _, row := range page {
			m, err := read(row, now)
			if err != nil || m.state != kmip.StateActive || row.Counter.LastUsed.IsZero() {
				continue
			}
			window, err := s.window(ctx, domain, m, roles)
			if errors.Is(err, errAltered) { // its creator was altered in the database, which the log says
				continue
			}
			if err != nil {
				return nil, err
			}
			if now.Sub(row.Counter.LastUsed) < window {
				list = append(list, Ending{domain, row.UID, m.attrs.Names(), m.row.Deactivation, row.Counter.LastUsed})
			}
		}
		if len(page) < findPage {
			return list, nil
		}
		last := page[len(page)-1]
		q.After = &store.Position{Initial: last.Initial, UID: last.UID}
	}
}

// WarnEnding logs what is in use and about to be deactivated, each object and date once,
// and counts it. The duties of a node call it, from one goroutine.
func (s *Service) WarnEnding(ctx context.Context) error {
	now := s.now().UTC()
	if now.Sub(s.endingAt) < endingInterval {
		return nil
	}
	domains, err := s.store.Domains(ctx)
	if err != nil {
		return err
	}
	warned := map[string]bool{}
	count := int64(0)
	for _, d := range domains {
		list, err := s.endingIn(ctx, d.Name, now)
		if err != nil {
			return err
		}
		for _, e := range list {
			count++
			key := e.Domain + "/" + e.UID + "/" + e.Deactivation.String()
			if warned[key] = true; !s.endingWarned[key] {
				s.log.WarnContext(ctx, "an object that is in use is about to be deactivated by its date", "domain", e.Domain, "uid", e.UID, "names", e.Names, "deactivation", e.Deactivation, "last_used", e.LastUsed)
			}
		}
	}
	s.endingAt, s.endingWarned = now, warned
	s.ending.Store(count)
	return nil
}

// Ending is how many objects were in use and about to be deactivated when the node
// looked last.
func (s *Service) Ending() int64 { return s.ending.Load() }
