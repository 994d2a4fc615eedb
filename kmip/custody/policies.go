package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

const (
	// policyInterval is how often a node looks whether policies have changed.
	policyInterval = 400 * time.Millisecond
	// policyTTL is how old a request takes policies that nobody looked after.
	policyTTL = 900 * time.Millisecond
	// policyBound is how long the last known policies hold while the store cannot be
	// read; after that everything is denied.
	policyBound = 15 * time.Minute
	// policyReadTimeout bounds one look at the store.
	policyReadTimeout = 2 * time.Second
)

// settingPolicyEpoch has another value after every change of a policy.
const settingPolicyEpoch = "policy.epoch"

// policyTable holds the policies in force. Requests only read it.
type policyTable struct {
	set    atomic.Pointer[policy.Set]
	read   atomic.Int64 // when the store was last read, Unix nanoseconds; 0 before
	looked atomic.Int64 // when it was last tried
	mu     sync.Mutex
	epoch  []byte // guarded by mu
	failed bool   // the last try; guarded by mu
}

// policies returns what is in force. It reads the store only if that has not been
// done for longer than policyTTL, one request at a time: the others go on with
// what there is.
func (s *Service) policies(ctx context.Context) (*policy.Set, error) {
	t := &s.policyTable
	age := func(at *atomic.Int64) time.Duration { return s.now().Sub(time.Unix(0, at.Load())) }
	if set := t.set.Load(); set == nil || age(&t.looked) > policyTTL || age(&t.looked) < 0 {
		if err := s.refreshPolicies(ctx, set == nil, policyTTL); err != nil && set == nil {
			return nil, err
		}
	}
	if age(&t.read) > policyBound {
		return nil, kmip.Fail(kmip.KindUnavailable, "the policies could not be read for %s; nothing is permitted until they can", policyBound)
	}
	return t.set.Load(), nil
}

// refreshPolicies reads what has changed. Unless it must, it leaves the work to
// whoever is at it already, and what was looked at within fresh as it is.
func (s *Service) refreshPolicies(ctx context.Context, must bool, fresh time.Duration) error {
	t := &s.policyTable
	if !t.mu.TryLock() {
		if !must {
			return nil
		}
		t.mu.Lock()
	}
	defer t.mu.Unlock()
	now := s.now()
	if since := now.Sub(time.Unix(0, t.looked.Load())); t.set.Load() != nil && since >= 0 && since < fresh {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), policyReadTimeout)
	defer cancel()
	err := s.readPolicies(ctx)
	t.looked.Store(now.UnixNano())
	if err == nil {
		t.read.Store(now.UnixNano())
	} else if !t.failed {
		s.log.ErrorContext(ctx, "policies cannot be read; the last known ones hold", "for", policyBound.String(), "error", err)
	}
	t.failed = err != nil
	return err
}

// readPolicies reads all documents anew if one has changed. The caller holds mu.
func (s *Service) readPolicies(ctx context.Context) error {
	t := &s.policyTable
	epoch, err := s.store.Setting(ctx, settingPolicyEpoch)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if t.set.Load() != nil && bytes.Equal(epoch, t.epoch) {
		return nil
	}
	records, err := s.policyRecords(ctx)
	if err != nil {
		return err
	}
	var installation *policy.Compiled
	domains, broken := map[string]*policy.Compiled{}, map[string]string{}
	for _, r := range records {
		c, err := s.compileStored(ctx, r)
		switch {
		case err != nil && isUnavailable(err), errors.Is(err, hsm.ErrClosed), errors.Is(err, hsm.ErrNotFound):
			return err // it can be read later
		case err != nil:
			s.log.ErrorContext(ctx, "a stored policy cannot be used; its domain is denied everything", "domain", r.Domain, "error", err)
			broken[r.Domain] = "the stored policy of the domain is damaged"
		case r.Domain == SystemDomain:
			installation = c
		default:
			domains[r.Domain] = c
		}
	}
	set := policy.NewSet(installation, domains)
	for d, why := range broken {
		if d == SystemDomain {
			return fmt.Errorf("policy of the installation: %s", why)
		}
		set = set.Broken(d, why)
	}
	t.set.Store(set)
	t.epoch = epoch
	return nil
}

// policyRecords reads the documents of all domains.
func (s *Service) policyRecords(ctx context.Context) ([]store.Record, error) {
	q := store.RecordQuery{Kind: recordPolicy, Limit: 1000}
	var all []store.Record
	for {
		page, err := s.store.Records(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < q.Limit {
			return all, nil
		}
		q.After = page[len(page)-1].Position()
	}
}

func (s *Service) compileStored(ctx context.Context, r store.Record) (*policy.Compiled, error) {
	var p storedPolicy
	if err := s.openRecord(ctx, r, &p); err != nil {
		return nil, err
	}
	return policy.Compile(p.document(r.Domain))
}

// policiesChanged makes a change of policies known to all nodes.
func policiesChanged(c *store.Change) {
	epoch := make([]byte, 16)
	_, _ = rand.Read(epoch) // never fails
	c.PutSettings = append(c.PutSettings, store.Setting{Name: settingPolicyEpoch, Value: epoch})
}

// watchPolicies keeps the policies fresh until ctx ends, so that no request waits
// for the store.
func (s *Service) watchPolicies(ctx context.Context) {
	t := time.NewTicker(policyInterval)
	defer t.Stop()
	for {
		_ = s.refreshPolicies(ctx, false, 0) // logged, and tried again
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// denial is why policy refused, for the audit and the operator; clients are not
// told.
type denial struct{ reason string }

func (d *denial) Error() string { return d.reason }

// judge asks policy about one principal.
func (s *Service) judge(ctx context.Context, r policy.Request) (policy.Decision, error) {
	if s.decide != nil {
		return s.decide(r), nil
	}
	set, err := s.policies(ctx)
	if err != nil {
		return policy.Decision{}, err
	}
	return set.Decide(r), nil
}
