package seal

import (
	"context"
	"fmt"
	"slices"

	"github.com/claviger/claviger/hsm"
)

// PlaceObject names the token that new resident objects of a kind are made in:
// the first that is well, enrolled and hardware, by its own word or the
// operator's. Returns hsm.ErrUnsupported if there is none.
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
	if len(list) == 0 && r.allOpen() {
		return "", none
	}
	return each(ctx, r, list, anyAnswer, func(ctx context.Context, h handle) (string, error) {
		caps, err := h.Capabilities(ctx)
		if err == nil && !slices.Contains(caps.Objects, kind) {
			err = none
		}
		return h.serial, err
	})
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
