package seal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip/secret"
)

// Progress is told how many of how many have been done.
type Progress func(done, total int)

// Enroll makes the root keys of a token if need be and wraps the domain keys that
// it lacks for it, opened by other tokens. Each copy is opened and compared before
// it is kept. It is safe to repeat, and goes on where it was interrupted.
func (r *Ring) Enroll(ctx context.Context, serial string, progress Progress) error {
	h, err := r.find(serial)
	if err != nil {
		return err
	}
	if _, err := r.ensureRoot(ctx, h); err != nil {
		return fmt.Errorf("enrol %s: %w", h.name(), err)
	}
	return r.complete(ctx, h, progress)
}

// Complete makes the copies that enrolled tokens lack because they were away when
// a key was made.
func (r *Ring) Complete(ctx context.Context) error {
	list, err := r.enrolled(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, h := range list {
		if _, _, ill := h.get(); ill != nil {
			continue
		}
		failed = both(failed, r.complete(ctx, h, func(int, int) {}))
	}
	return failed
}

// complete makes the copies that a token lacks, that of the installation's own key
// first: it is what makes the token an enrolled one.
func (r *Ring) complete(ctx context.Context, h handle, progress Progress) error {
	rows, err := r.keys.DomainKeys(ctx, "")
	if err != nil {
		return err
	}
	has := map[ref]bool{}
	modes := map[ref]Mode{}
	for _, k := range rows {
		at := ref{k.Domain, k.Generation}
		modes[at] = k.mode()
		has[at] = has[at] || k.Token == h.serial
	}
	all := byImportance(modes)
	total, done := len(all), 0
	for _, at := range all {
		if !has[at] {
			if err := r.addCopy(ctx, h, at, modes[at]); err != nil {
				return fmt.Errorf("domain %q, generation %d, for %s: %w", at.domain, at.generation, h.name(), err)
			}
		}
		done++
		progress(done, total)
	}
	return nil
}

// byImportance sorts generations: those of the installation's own key first, the
// newest of them before all.
func byImportance(set map[ref]Mode) []ref {
	var all []ref
	for at := range set {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b ref) int {
		switch {
		case (a.domain == System) != (b.domain == System):
			if a.domain == System {
				return -1
			}
			return 1
		case a.domain != b.domain:
			return strings.Compare(a.domain, b.domain)
		}
		return int(b.generation - a.generation)
	})
	return all
}

func (r *Ring) addCopy(ctx context.Context, h handle, at ref, mode Mode) error {
	value, err := r.value(ctx, at, func(serial string) bool { return serial != h.serial })
	if err != nil {
		return err
	}
	defer value.Destroy()
	k, err := r.wrapFor(ctx, h, at, mode, value)
	if err != nil {
		return err
	}
	if err := r.keys.AddCopy(ctx, k); err != nil && !errors.Is(err, ErrKeyExists) {
		return fmt.Errorf("keep: %w", err)
	}
	return nil
}

// value opens a whole domain key, to wrap it anew, by one of the tokens; the
// caller destroys it.
func (r *Ring) value(ctx context.Context, at ref, among func(serial string) bool) (*secret.Bytes, error) {
	rows, list, err := r.holders(ctx, at)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(h handle) bool { return !among(h.serial) })
	return each(ctx, r, list, notIntegrity, func(ctx context.Context, h handle) (*secret.Bytes, error) {
		opened, err := r.openCopy(ctx, h, rows[h.serial])
		if err != nil {
			return nil, err
		}
		check, err := derive(at, opened, "check")
		if err == nil {
			err = r.checkValue(ctx, &domainKey{at: at, check: [sha256.Size]byte(check.Reveal())})
		}
		if err != nil {
			opened.Destroy()
			return nil, err
		}
		return opened, nil
	})
}

// Verify opens every copy that a token holds, as it is opened in use, and returns
// how many there are. It fails with the first that does not open.
func (r *Ring) Verify(ctx context.Context, serial string, progress Progress) (int, error) {
	h, err := r.find(serial)
	if err != nil {
		return 0, err
	}
	rows, err := r.keys.DomainKeys(ctx, "")
	if err != nil {
		return 0, err
	}
	rows = slices.DeleteFunc(rows, func(k DomainKey) bool { return k.Token != serial })
	for i, k := range rows {
		at := ref{k.Domain, k.Generation}
		if err := r.verifyCopy(ctx, h, at, k); err != nil {
			return i, fmt.Errorf("domain %q, generation %d, in %s: %w", k.Domain, k.Generation, h.name(), err)
		}
		progress(i+1, len(rows))
	}
	return len(rows), nil
}

func (r *Ring) verifyCopy(ctx context.Context, h handle, at ref, k DomainKey) error {
	opened, err := r.openCopy(ctx, h, k)
	if err != nil {
		return err
	}
	defer opened.Destroy()
	dk, err := newDomainKey(at, opened)
	if err != nil {
		return err
	}
	defer dk.destroy()
	if err := r.checkValue(ctx, dk); err != nil || k.mode() != ModeDirect {
		return err
	}
	held, err := r.proveDirect(ctx, h, k)
	if err != nil {
		return err
	}
	held.mac.Destroy()
	return nil
}
