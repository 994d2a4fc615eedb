package custody_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// keepsRecords is before a store: it remembers the records that were added.
type keepsRecords struct {
	store.Store
	mu    sync.Mutex
	added []store.Record // guarded by mu
}

func (k *keepsRecords) wrap(s store.Store) store.Store { k.Store = s; return k }

func (k *keepsRecords) Commit(ctx context.Context, c store.Change) error {
	k.mu.Lock()
	k.added = append(k.added, c.AddRecords...)
	k.mu.Unlock()
	return k.Store.Commit(ctx, c)
}

// announced are the records that say that a key leaves the token.
func (k *keepsRecords) announced() []store.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []store.Record
	for _, r := range k.added {
		if r.Kind == "resident" {
			list = append(list, r)
		}
	}
	return list
}

func TestAnAnnouncementThatIsPutBackRemovesNoKeyInUse(t *testing.T) {
	t.Parallel()
	ecb := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB}
	for name, prepare := range map[string]func(t *testing.T, s *service.Service, uid string){
		"while it is Active": func(*testing.T, *service.Service, string) {},
		"while its destruction is pending": func(t *testing.T, s *service.Service, uid string) {
			rule(t, s, "", custody.DestructionRule{Days: 7})
			if err := s.Revoke(t.Context(), s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeCessationOfOperation}, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if err := s.Destroy(t.Context(), s.Client("default"), uid); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &keepsRecords{}
			s := service.With(t, service.Options{Hardware: true, Store: k.wrap})
			uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
			prepare(t, s, uid)
			list := k.announced()
			if len(list) != 1 {
				t.Fatalf("%d keys were announced", len(list))
			}
			if err := s.Store.Commit(t.Context(), store.Change{AddRecords: list}); err != nil {
				t.Fatal(err)
			}
			s.Clock.Advance(11 * time.Minute)
			tend(t, s)
			within(t, "the record is gone", func() bool { return len(removals(t, s)) == 0 })
			if n := inToken(t, s); n != 1 {
				t.Fatalf("%d keys are in the token", n)
			}
			if name == "while it is Active" {
				if _, err := s.Encrypt(t.Context(), s.Client("default"), uid, custody.CipherArgs{Parameters: ecb, Data: make([]byte, 16)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestWhatLeavesATokenIsInTheAudit(t *testing.T) {
	t.Parallel()
	s := hardware(t)
	uid, err := s.Create(t.Context(), s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	tend(t, s)
	within(t, "the key leaves the token", func() bool { return inToken(t, s) == 0 && len(removals(t, s)) == 0 })
	list, err := s.Audit(t.Context(), s.Administrator(""), store.AuditQuery{Operation: custody.ActionTokenRemove, UID: uid, Limit: 10})
	if err != nil || len(list) != 1 || list[0].Domain != "default" {
		t.Errorf("audit: %+v, %v", list, err)
	}
}
