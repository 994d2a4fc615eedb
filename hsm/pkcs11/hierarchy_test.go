//go:build cgo

package pkcs11

import (
	"errors"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/hsm/seal/sealtest"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
)

func TestHierarchyOnAToken(t *testing.T) {
	s, keys, ctx := testenv.SoftHSM(t), &sealtest.Keys{}, t.Context()
	b := seal.Binding{UID: "a", ObjectType: 2, LengthBits: 256}
	token := opened(t, config(s))
	r := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
	for range 2 {
		if err := r.Prepare(ctx); err != nil {
			t.Fatalf("Prepare: %v", err)
		}
		if err := r.EnsureDomain(ctx, "d", ""); err != nil {
			t.Fatalf("EnsureDomain: %v", err)
		}
	}
	g, sealed, err := r.Seal(ctx, "d", b, secret.Copy([]byte("kept")))
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	r.Close()
	_ = token.Close()

	token = opened(t, config(s))
	r = seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{})
	defer r.Close()
	if err := r.Check(); err != nil {
		t.Errorf("Check after a restart: %v", err)
	}
	plain, err := r.Open(ctx, "d", g, b, sealed)
	if err != nil || string(plain.Reveal()) != "kept" {
		t.Errorf("Open after a restart: %v", err)
	}
	keys.Change(func(k *seal.DomainKey) { k.Wrapped[len(k.Wrapped)-1] ^= 1 })
	if _, err := seal.New([]seal.Member{seal.Opened(token)}, keys, seal.Options{}).Open(ctx, "d", g, b, sealed); !errors.Is(err, hsm.ErrIntegrity) {
		t.Errorf("Open with a changed domain key = %v, want ErrIntegrity", err)
	}
}
