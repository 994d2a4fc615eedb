package seal

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

const domainKeyBytes = 32

// maxDomainBytes bounds the name of a domain.
const maxDomainBytes = 255

// EnsureDomain makes generation 1 of a domain's key if the domain has none, in
// the mode of new generations when mode is empty. When nodes race, the one whose
// AddGeneration fails uses the other's key.
// Returns ErrNotEnrolled if the domain has keys for other tokens only.
func (r *Ring) EnsureDomain(ctx context.Context, domain string, mode Mode) error {
	generation, err := r.Current(ctx, domain)
	if errors.Is(err, hsm.ErrNotFound) {
		generation = 1
		if err = r.addGeneration(ctx, domain, generation, mode); err != nil {
			return fmt.Errorf("make the key of domain %q: %w", domain, err)
		}
		// Whatever is kept now, ours or another node's, must open before it is used.
		err = r.Refresh(ctx)
	}
	if err != nil {
		return err
	}
	_, err = r.key(ctx, domain, generation)
	return err
}

// EnsureGeneration makes a generation of a domain's key, in the mode of new
// generations when mode is empty, unless it is there already. It becomes the
// current one if it is the newest.
func (r *Ring) EnsureGeneration(ctx context.Context, domain string, number int32, mode Mode) error {
	if err := r.addGeneration(ctx, domain, number, mode); err != nil {
		return fmt.Errorf("make generation %d of the key of domain %q: %w", number, domain, err)
	}
	if err := r.Refresh(ctx); err != nil {
		return err
	}
	_, err := r.key(ctx, domain, number)
	return err
}

// Current returns the newest generation of a domain. Returns hsm.ErrNotFound if
// the domain has no key.
func (r *Ring) Current(ctx context.Context, domain string) (int32, error) {
	if domain == "" || len(domain) > maxDomainBytes {
		return 0, fmt.Errorf("domain with a name of %d bytes: %w", len(domain), hsm.ErrNotFound)
	}
	for fresh := false; ; fresh = true {
		t := r.opened.Load()
		switch g, ok := t.lookup(domain); {
		case t == nil:
			return 0, hsm.ErrClosed
		case ok:
			return g, nil
		case fresh:
			return 0, fmt.Errorf("domain %q has no key: %w", domain, hsm.ErrNotFound)
		}
		if err := r.Refresh(ctx); err != nil {
			return 0, fmt.Errorf("read the keys of domain %q: %w", domain, err)
		}
	}
}

func (t *table) lookup(domain string) (int32, bool) {
	if t == nil {
		return 0, false
	}
	g, ok := t.current[domain]
	return g, ok
}

func (t *table) lookupKey(at ref) (*domainKey, bool) {
	if t == nil {
		return nil, false
	}
	k, ok := t.keys[at]
	return k, ok
}

// Refresh reads which generations there are and which tokens are retired: other
// nodes make new ones. Keys of generations that are gone are dropped.
func (r *Ring) Refresh(ctx context.Context) error {
	generations, err := r.keys.Generations(ctx)
	if err != nil {
		return err
	}
	retired, err := r.keys.Retired(ctx)
	if err != nil {
		return err
	}
	set := make(map[string]bool, len(retired))
	for _, serial := range retired {
		set[serial] = true
	}
	r.retired.Store(&set)
	return r.change(func(t *table) {
		for _, g := range generations {
			if g.Gone {
				at := ref{g.Domain, g.Number}
				if k, ok := t.keys[at]; ok {
					k.destroy()
					delete(t.keys, at)
				}
			} else if t.current[g.Domain] < g.Number {
				t.current[g.Domain] = g.Number
			}
		}
	})
}

// copies reads the copies of one generation.
func (r *Ring) copies(ctx context.Context, at ref) ([]DomainKey, error) {
	all, err := r.keys.DomainKeys(ctx, at.domain)
	if err != nil {
		return nil, fmt.Errorf("read the keys of domain %q: %w", at.domain, err)
	}
	var rows []DomainKey
	for _, k := range all {
		if k.Generation == at.generation && k.Domain == at.domain {
			rows = append(rows, k)
		}
	}
	return rows, nil
}

// addGeneration makes a domain key and keeps it with a copy for each token that
// is well and enrolled. It is no error if another node was first.
func (r *Ring) addGeneration(ctx context.Context, domain string, generation int32, mode Mode) error {
	if mode == "" {
		mode = r.mode
	}
	list, err := r.enrolled(ctx)
	if err != nil {
		return err
	}
	value := secret.New(make([]byte, domainKeyBytes))
	defer value.Destroy()
	if _, err := io.ReadFull(r.random, value.Reveal()); err != nil {
		return fmt.Errorf("random numbers: %w", err)
	}
	at := ref{domain, generation}
	check, err := derive(at, value, "check")
	if err != nil {
		return err
	}
	var copies []DomainKey
	var failed error
	for _, h := range list {
		k, err := attempt(ctx, r, h, len(list) > 1, func(ctx context.Context, h handle) (DomainKey, error) {
			return r.wrapFor(ctx, h, at, mode, value)
		})
		if err != nil {
			if isOfToken(err) {
				r.blame(ctx, h, err)
			}
			failed = both(failed, fmt.Errorf("%s: %w", h.name(), err))
			continue // Complete makes the copy when the token is well
		}
		copies = append(copies, k)
	}
	if len(copies) == 0 {
		if failed == nil {
			failed = r.away()
		}
		return failed
	}
	err = r.keys.AddGeneration(ctx, check.Reveal(), copies)
	if err != nil && !errors.Is(err, ErrKeyExists) {
		return fmt.Errorf("keep: %w", err)
	}
	return nil
}

// enrolled are the handles of the tokens that hold a copy of the installation's
// own key: all, before there is one.
func (r *Ring) enrolled(ctx context.Context) ([]handle, error) {
	rows, err := r.keys.DomainKeys(ctx, System)
	if err != nil {
		return nil, fmt.Errorf("read the keys of domain %q: %w", System, err)
	}
	if len(rows) == 0 {
		return r.handles(nil), nil
	}
	has := map[string]bool{}
	for _, k := range rows {
		has[k.Token] = true
	}
	list := r.handles(func(serial string) bool { return has[serial] })
	if len(list) == 0 && r.allOpen() {
		return nil, ErrNotEnrolled
	}
	return list, nil
}

func (r *Ring) allOpen() bool {
	for _, m := range r.members {
		if token, _, _ := m.get(); token == nil {
			return false
		}
	}
	return true
}

// key returns an opened domain key, opening it if need be.
func (r *Ring) key(ctx context.Context, domain string, generation int32) (*domainKey, error) {
	t := r.opened.Load()
	if t == nil {
		return nil, hsm.ErrClosed
	}
	if k, ok := t.keys[ref{domain, generation}]; ok {
		return k, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	flight := strconv.Itoa(int(generation)) + " " + domain
	result := r.opening.DoChan(flight, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
		defer cancel()
		k, err := r.open(ctx, ref{domain, generation})
		if err != nil {
			return nil, err
		}
		return r.remember(ref{domain, generation}, k)
	})
	select {
	case <-ctx.Done():
		return nil, hsm.ContextErr(ctx)
	case res := <-result:
		if res.Err != nil {
			return nil, fmt.Errorf("open the key of domain %q, generation %d: %w", domain, generation, res.Err)
		}
		return res.Val.(*domainKey), nil
	}
}

// open opens a domain key by any token that holds a copy.
func (r *Ring) open(ctx context.Context, at ref) (*domainKey, error) {
	rows, list, err := r.holders(ctx, at)
	if err != nil {
		return nil, err
	}
	k, err := each(ctx, r, list, notIntegrity, func(ctx context.Context, h handle) (*domainKey, error) {
		row := rows[h.serial]
		if row.mode() == ModeDirect {
			return r.openDirect(ctx, h, at, rows)
		}
		value, err := r.openCopy(ctx, h, row)
		if err != nil {
			return nil, err
		}
		defer value.Destroy()
		return newDomainKey(at, value)
	})
	if err != nil {
		return nil, err
	}
	if err := r.checkValue(ctx, k); err != nil {
		k.destroy()
		return nil, err
	}
	return k, nil
}

// reopen opens a domain key anew, because its copies may have changed.
func (r *Ring) reopen(ctx context.Context, at ref) (*domainKey, error) {
	k, err := r.open(ctx, at)
	if err != nil {
		return nil, err
	}
	if before, ok := r.opened.Load().lookupKey(at); ok {
		k.seals.Store(before.seals.Load()) // the key is the same
	}
	r.forget(at)
	return r.remember(at, k)
}

// holders returns the copies of a generation by token, and the tokens that are
// here and hold one.
func (r *Ring) holders(ctx context.Context, at ref) (map[string]DomainKey, []handle, error) {
	list, err := r.copies(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("there is none: %w", hsm.ErrNotFound)
	}
	rows := make(map[string]DomainKey, len(list))
	for _, k := range list {
		rows[k.Token] = k
	}
	handles := r.handles(func(serial string) bool { _, ok := rows[serial]; return ok })
	if len(handles) == 0 && r.allOpen() {
		return nil, nil, ErrNotEnrolled
	}
	return rows, handles, nil
}

// checkValue compares an opened key with the one that the generation was made
// with: all copies hold the same key.
func (r *Ring) checkValue(ctx context.Context, k *domainKey) error {
	want, err := r.keys.CheckValue(ctx, k.at.domain, k.at.generation)
	if err != nil {
		return err
	}
	if want != nil && subtle.ConstantTimeCompare(want, k.check[:]) != 1 {
		return fmt.Errorf("the copy holds another key than the generation was made with: %w", hsm.ErrIntegrity)
	}
	return nil
}
