package seal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
)

// hardware is a token that is hardware and makes objects of some kinds.
type hardware struct {
	*breakable
	kinds []hsm.ObjectKind
}

func (h hardware) Info(ctx context.Context) (hsm.Info, error) {
	info, err := h.Token.Info(ctx)
	info.Hardware = true
	return info, err
}

func (h hardware) Capabilities(ctx context.Context) (hsm.Capabilities, error) {
	if err := h.ready(ctx); err != nil {
		return hsm.Capabilities{}, err
	}
	caps, err := h.Token.Capabilities(ctx)
	caps.Objects = h.kinds
	return caps, err
}

func TestAnObjectIsPlacedWhereItsKindIsMade(t *testing.T) {
	software := newBreakable(t)
	a := hardware{newBreakable(t), []hsm.ObjectKind{hsm.ObjectAES}}
	b := hardware{newBreakable(t), []hsm.ObjectKind{hsm.ObjectAES, hsm.ObjectEC}}
	r := ringOf(t, &sealtest.Keys{}, seal.Options{}, software, a, b)
	for _, tc := range []struct {
		name string
		kind hsm.ObjectKind
		away *breakable
		in   hsm.Token
		want error
	}{
		{name: "the preferred one makes it", kind: hsm.ObjectAES, in: a},
		{name: "only the second makes it", kind: hsm.ObjectEC, in: b},
		{name: "none makes it", kind: hsm.ObjectRSA, want: hsm.ErrUnsupported},
		{name: "the preferred one is away", kind: hsm.ObjectAES, away: a.breakable, in: b},
		{name: "the one that makes it is away", kind: hsm.ObjectEC, away: b.breakable, want: hsm.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.away != nil {
				tc.away.fail(errAway)
				defer r.Tend(t.Context())
				defer tc.away.mend()
			}
			got, err := r.PlaceObject(t.Context(), tc.kind)
			if !errors.Is(err, tc.want) {
				t.Fatalf("PlaceObject = %v, want %v", err, tc.want)
			}
			if tc.in != nil && got != serial(t, tc.in) {
				t.Errorf("placed in %s, want %s", got, serial(t, tc.in))
			}
		})
	}
}

func TestATokenThatIsNotOpenYetMayMakeTheKind(t *testing.T) {
	a := hardware{newBreakable(t), []hsm.ObjectKind{hsm.ObjectAES}}
	keys := &sealtest.Keys{}
	ringOf(t, keys, seal.Options{}, a)
	r := seal.New([]seal.Member{seal.Opened(a), {Name: "b", Open: func(context.Context) (hsm.Token, error) { return nil, errAway }}}, keys, seal.Options{})
	defer r.Close()
	r.Tend(t.Context())
	if _, err := r.PlaceObject(t.Context(), hsm.ObjectEC); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("PlaceObject = %v, want ErrUnavailable", err)
	}
}
