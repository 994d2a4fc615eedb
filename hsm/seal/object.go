package seal

import (
	"context"
	"fmt"
	"slices"

	"github.com/claviger/claviger/hsm"
)

// PlaceObject names the token that new resident objects of a kind are made in:
// the first that is well, enrolled and hardware, by its own word or the
// operator's, and makes them. Returns hsm.ErrUnsupported if there is none.
func (r *Ring) PlaceObject(ctx context.Context, kind hsm.ObjectKind) (string, error) {
	list, err := r.enrolled(ctx)
	if err != nil {
		return "", err
	}
	none := fmt.Errorf("no token is hardware and makes objects of kind %s; if one is that does not say so, declare it with hardware = true in its configuration: %w", kind, hsm.ErrUnsupported)
	list = slices.DeleteFunc(list, func(h handle) bool {
		_, info, _ := h.get()
		return !info.Hardware && !info.Vouched
	})
	var failed error
	for _, h := range list {
		caps, err := attempt(ctx, r, h, len(list) > 1, func(ctx context.Context, h handle) (hsm.Capabilities, error) {
			return h.Capabilities(ctx)
		})
		switch {
		case err == nil && slices.Contains(caps.Objects, kind):
			return h.serial, nil
		case err == nil:
			continue
		case ctx.Err() != nil:
			return "", hsm.ContextErr(ctx)
		case isOfToken(err):
			r.blame(ctx, h, err)
		}
		failed = both(failed, h.named(err))
	}
	switch {
	case failed != nil: // a token that did not answer may make it
		return "", failed
	case !r.allOpen():
		return "", r.away()
	}
	return "", none
}

// ObjectToken returns the token with a serial number, for its resident objects.
// Returns hsm.ErrUnavailable if this node does not have it open.
func (r *Ring) ObjectToken(serial string) (hsm.ObjectToken, error) {
	for _, m := range r.members {
		if token, info, _ := m.get(); token != nil && info.Serial == serial {
			return token, nil
		}
	}
	return nil, fmt.Errorf("token %s, in which the object lives, is not open: %w", serial, hsm.ErrUnavailable)
}
