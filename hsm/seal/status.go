package seal

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/hsm"
)

// TokenStatus is how a token of the ring is.
type TokenStatus struct {
	hsm.Info // Label is the configured name as long as the token was never open
	Open     bool
	Err      error     // nil when it is well
	Since    time.Time // when it became so; zero: from the start
	Stopped  bool      // its PIN was refused, or logins had no answer: nothing more is tried until Retry
	Retired  bool
	Unfit    bool // a root key that is unfit was used, which was accepted
}

// Tokens tells how the tokens are, in the order of preference, from memory.
func (r *Ring) Tokens() []TokenStatus {
	retired := *r.retired.Load()
	list := make([]TokenStatus, 0, len(r.members))
	for _, m := range r.members {
		m.mu.Lock()
		s := TokenStatus{Info: m.info, Open: m.token != nil, Err: m.ill, Since: m.since, Unfit: m.unfit, Stopped: m.stopped || errors.Is(m.ill, hsm.ErrPIN)}
		if !s.Open && s.Err == nil {
			s.Err = errNoToken
		}
		if s.Label == "" {
			s.Label = m.Name
		}
		m.mu.Unlock()
		s.Retired = retired[s.Serial]
		list = append(list, s)
	}
	return list
}

// RootKey is a root key of a token with what is under it.
type RootKey struct {
	hsm.Key
	Copies  int // of domain keys
	Current bool
	Ours    bool  // the installation has made it
	Unfit   error // why it is no fit root key; used all the same if that is accepted
}

// TokenRoots is what a token holds.
type TokenRoots struct {
	TokenStatus
	hsm.Capabilities
	Enrolled bool
	Copies   int // of domain keys
	Missing  int // generations of which it has none
	Keys     []RootKey
}

// Roots asks the tokens for their root keys, and counts what is under each. A
// token that does not answer is listed with the reason.
func (r *Ring) Roots(ctx context.Context) ([]TokenRoots, error) {
	rows, err := r.keys.DomainKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	generations := map[ref]bool{}
	for _, k := range rows {
		generations[ref{k.Domain, k.Generation}] = true
	}
	var list []TokenRoots
	for _, s := range r.Tokens() {
		t := TokenRoots{TokenStatus: s}
		under := map[string]int{}
		for _, k := range rows {
			if k.Token != s.Serial || s.Serial == "" {
				continue
			}
			t.Copies++
			t.Enrolled = t.Enrolled || k.Domain == System
			p := parsePair(k.RootKey)
			under[p.seal]++
			if k.mode() == ModeDirect {
				under[p.wrap]++
			}
		}
		t.Missing = len(generations) - t.Copies
		if s.Open {
			if err := r.describeRoots(ctx, &t, under); err != nil {
				t.Err = err
			}
		}
		list = append(list, t)
	}
	return list, nil
}

func (r *Ring) describeRoots(ctx context.Context, t *TokenRoots, under map[string]int) error {
	h, err := r.find(t.Serial)
	if err != nil {
		return err
	}
	if t.Capabilities, err = h.Capabilities(ctx); err != nil {
		return err
	}
	keys, err := h.Keys(ctx, hsm.AnyPurpose)
	if err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b hsm.Key) int {
		return cmp.Or(strings.Compare(string(a.Purpose), string(b.Purpose)), strings.Compare(a.ID, b.ID))
	})
	current, _ := r.currentRoot(ctx, h) // keys that are gone or unfit show in the list
	for _, k := range keys {
		ours, err := r.keys.KnowsRoot(ctx, t.Serial, k.ID)
		if err != nil {
			return err
		}
		t.Keys = append(t.Keys, RootKey{Ours: ours, Key: k, Copies: under[k.ID], Current: k.ID == current.seal || k.ID == current.wrap, Unfit: k.Fit()})
	}
	return nil
}

// GenerationStatus is how a generation of a domain's key is kept.
type GenerationStatus struct {
	Generation
	Mode   Mode
	Tokens []string // serial numbers of those that hold a copy, sorted
}

// GenerationsOf describes the generations of a domain, oldest first.
func (r *Ring) GenerationsOf(ctx context.Context, domain string) ([]GenerationStatus, error) {
	all, err := r.keys.Generations(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.keys.DomainKeys(ctx, domain)
	if err != nil {
		return nil, err
	}
	var list []GenerationStatus
	for _, g := range all {
		if g.Domain != domain {
			continue
		}
		s := GenerationStatus{Generation: g}
		for _, k := range rows {
			if k.Generation == g.Number {
				s.Mode = k.mode()
				s.Tokens = append(s.Tokens, k.Token)
			}
		}
		slices.SortFunc(s.Tokens, strings.Compare)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b GenerationStatus) int { return int(a.Number - b.Number) })
	return list, nil
}
