package seal

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/claviger/claviger/hsm"
)

// illness is what an error tells of a token. A root key that is gone from it
// matters as long as a copy is under it: an operator may have removed the old ones
// after a rotation, on another node.
func (r *Ring) illness(ctx context.Context, h handle, err error) error {
	if !errors.Is(err, hsm.ErrNotFound) {
		return err
	}
	rows, unread := r.keys.DomainKeys(ctx, "")
	if unread != nil {
		return err
	}
	needed := map[string]bool{}
	for _, k := range rows {
		if k.Token == h.serial {
			p := parsePair(k.RootKey)
			needed[p.seal], needed[p.wrap] = true, true
		}
	}
	delete(needed, "") // what a copy is under that has no wrap root key
	for _, id := range slices.Sorted(maps.Keys(needed)) {
		if _, err := h.Find(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// blame notes that a token failed, if that tells of an illness.
func (r *Ring) blame(ctx context.Context, h handle, err error) {
	if ill := r.illness(ctx, h, err); ill != nil {
		r.note(ctx, h.member, ill)
	}
}

// check asks a token how it is. What it says of root keys that nothing needs is
// remembered, so that the copies are not read for it each time.
func (r *Ring) check(ctx context.Context, h handle) error {
	err := h.Check(ctx)
	if !errors.Is(err, hsm.ErrNotFound) {
		return err
	}
	h.mu.Lock()
	known := h.unneeded == err.Error()
	h.mu.Unlock()
	if known {
		return nil
	}
	ill := r.illness(ctx, h, err)
	if ill == nil {
		h.mu.Lock()
		h.unneeded = err.Error()
		h.mu.Unlock()
		r.log.InfoContext(ctx, "a root key that nothing needs is gone from a token", "token", h.name(), "error", err)
	}
	return ill
}
