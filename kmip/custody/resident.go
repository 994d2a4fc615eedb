package custody

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// An object may live in a token: its Protection Storage Mask is Hardware then, and
// what the store keeps, sealed, in the place of the key is where that is. The key
// never leaves the token; the record, its lifecycle and its attributes are as of
// any other object.
//
// The token cannot take part in a transaction. So a record says beforehand what
// will be made there, which goes with the commit of the object; and a record of
// the same kind is added by the commit that destroys an object. What such a record
// names, and its object does not, is removed from the token after a while.

// Residence is where keys of resident objects live. *seal.Ring is one.
type Residence interface {
	// PlaceObject names the token for a new object.
	PlaceObject(ctx context.Context, kind hsm.ObjectKind) (string, error)
	// ObjectToken returns the token with a serial number.
	ObjectToken(serial string) (hsm.ObjectToken, error)
}

// Storages lists where objects can live: in software, and in hardware if a token
// that is open is hardware, by its own word or the operator's.
func (s *Service) Storages() []kmip.ProtectionStorageMask {
	list := []kmip.ProtectionStorageMask{kmip.ProtectionStorageMaskSoftware}
	for _, t := range s.sealer.Tokens() {
		if t.Open && !t.Retired && (t.Hardware || t.Vouched) {
			return append(list, kmip.ProtectionStorageMaskHardware)
		}
	}
	return list
}

// NeedHardware refuses unless objects can live in hardware.
func (s *Service) NeedHardware() error {
	if slices.Contains(s.Storages(), kmip.ProtectionStorageMaskHardware) {
		return nil
	}
	return kmip.Fail(kmip.KindWrongState, "no token of this server is hardware; if one is that does not say so, declare it with hardware = true in its configuration")
}

// recordResident names what is to be removed from a token; the key is token/id.
const recordResident = "resident"

// residentGrace is how long something that is being made in a token is left alone.
const residentGrace = 10 * time.Minute

// residence is where a key is: what is sealed in the place of its material.
type residence struct {
	Token  string         `json:"token"` // serial number
	ID     string         `json:"id"`
	Kind   hsm.ObjectKind `json:"kind"`
	Public []byte         `json:"public,omitempty"` // SubjectPublicKeyInfo
}

func (r residence) key() string { return r.Token + "/" + r.ID }

// resident reports whether the object lives in a token.
func (m *managed) resident() bool {
	return m.attrs.Uint32(kmip.TagProtectionStorageMask)&uint32(kmip.ProtectionStorageMaskHardware) != 0
}

// recordProtection says that the keys of a domain live in tokens.
const recordProtection = "protection"

type storedProtection struct {
	Hardware bool `json:"hardware"`
}

// SetDomainProtection makes new keys of a domain live in tokens, whatever clients
// ask for, or leaves that to clients.
func (s *Service) SetDomainProtection(ctx context.Context, sc *Scope, domain string, hardware bool) error {
	return s.administer(ctx, sc, policy.ActionDomainProtect, domain, func() (store.Change, error) {
		if err := s.checkDomain(ctx, domain); err != nil {
			return store.Change{}, err
		}
		if hardware {
			if err := s.NeedHardware(); err != nil {
				return store.Change{}, err
			}
		}
		var was storedProtection
		r, err := s.singleRecord(ctx, domain, recordProtection, &was)
		if err != nil {
			return store.Change{}, err
		}
		var value any
		if hardware {
			value = storedProtection{Hardware: true}
		}
		var c store.Change
		err = s.putSingle(ctx, &c, r, sc.Now, value)
		s.standings.forget(domain)
		return c, err
	})
}

// takeStorage takes the storage that is asked for out of attributes, and tells
// whether the new object is to live in a token.
func (s *Service) takeStorage(ctx context.Context, sc *Scope, attrs kmip.Attributes) (kmip.Attributes, bool, error) {
	asked, given := attrs.Get(kmip.TagProtectionStorageMask)
	st, err := s.standing(ctx, sc.Domain)
	if err != nil {
		return nil, false, err
	}
	hardware := st.hardware || given && asked.Uint32()&uint32(kmip.ProtectionStorageMaskHardware) != 0
	if given {
		attrs = append(kmip.Attributes{}, attrs...).Remove(kmip.TagProtectionStorageMask)
		if st.hardware && asked.Uint32()&uint32(kmip.ProtectionStorageMaskHardware) == 0 {
			return nil, false, kmip.Fail(kmip.KindStorageMask, "the keys of this domain live in hardware")
		}
	}
	if hardware && sc.undoable() {
		return nil, false, errNoUndoInToken
	}
	return attrs, hardware, nil
}

var errNoUndoInToken = kmip.Fail(kmip.KindBatchRefused, "making a key in a token cannot be undone")

func livesInTokens(typ kmip.ObjectType) bool {
	return typ == kmip.ObjectTypeSymmetricKey || typ == kmip.ObjectTypePrivateKey
}

// toHardware reports whether the replacement of a key is to live in a token: that
// of one that does, and every one in a domain whose keys live there.
func (s *Service) toHardware(ctx context.Context, sc *Scope, old *managed) (bool, error) {
	st, err := s.standing(ctx, sc.Domain)
	if err != nil {
		return false, err
	}
	hardware := old.resident() || st.hardware
	if hardware && sc.undoable() {
		return false, errNoUndoInToken
	}
	return hardware, nil
}

// withoutSecrecy leaves out what a replacement inherits of a key that did not live
// in a token.
func withoutSecrecy(attrs kmip.Attributes) kmip.Attributes {
	return slices.Clone(attrs).Remove(kmip.TagSensitive, kmip.TagExtractable)
}

// newResident makes a key in a token, and the object that stands for it.
func (s *Service) newResident(ctx context.Context, sc *Scope, n newborn, spec hsm.ObjectSpec) (*managed, residence, error) {
	if v, ok := n.attrs.Get(kmip.TagExtractable); ok && v.Bool() {
		return nil, residence{}, kmip.Fail(kmip.KindAttributeValue, "a key that lives in hardware is not extractable")
	}
	if v, ok := n.attrs.Get(kmip.TagSensitive); ok && !v.Bool() {
		return nil, residence{}, kmip.Fail(kmip.KindAttributeValue, "a key that lives in hardware is sensitive")
	}
	where := residence{Kind: spec.Kind}
	var err error
	if where.Token, err = s.sealer.PlaceObject(ctx, spec.Kind); err != nil {
		return nil, where, residentFailure(err)
	}
	token, err := s.sealer.ObjectToken(where.Token)
	if err != nil {
		return nil, where, err
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	where.ID = hex.EncodeToString(id)
	uid, err := uuid.NewV7()
	if err != nil {
		return nil, where, err
	}
	n.uid = uid.String()
	if err := s.announceResident(ctx, sc, n.uid, where); err != nil {
		return nil, where, err
	}
	spec.ID = where.ID
	made, err := token.GenerateObject(ctx, spec)
	if err != nil {
		return nil, where, residentFailure(err)
	}
	where.Public = made.Public
	plain, err := json.Marshal(where)
	if err != nil {
		return nil, where, err
	}
	n.attrs = append(kmip.Attributes{}, n.attrs...).Set(kmip.Boolean(kmip.TagSensitive, true)).Set(kmip.Boolean(kmip.TagExtractable, false))
	n.resident, n.generated = true, true
	n.value = &kmip.Object{Type: n.typ, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeOpaque, Material: secret.New(plain), Algorithm: n.algorithm, LengthBits: n.length}}
	m, err := s.make(ctx, sc, n)
	if err == nil {
		m.lives = where.Token
	}
	return m, where, err
}

// residentFailure tells a client what the token cannot do.
func residentFailure(err error) error {
	if errors.Is(err, hsm.ErrUnsupported) {
		return kmip.FailFrom(err, kmip.KindStorageMask, "no hardware token here makes or uses such a key")
	}
	return err
}

// announceResident writes down that something will be made in a token.
func (s *Service) announceResident(ctx context.Context, sc *Scope, uid string, where residence) error {
	r, err := s.residentRecord(ctx, sc, sc.Domain, uid, where, residentGrace)
	if err != nil {
		return err
	}
	return s.store.Commit(ctx, store.Change{AddRecords: []store.Record{r}})
}

// residentRecord says that the key of an object is to be removed from a token after a
// while, unless the object has it then. It does not expire by itself: a duty removes it.
func (s *Service) residentRecord(ctx context.Context, sc *Scope, domain, uid string, where residence, after time.Duration) (store.Record, error) {
	r := store.Record{Domain: SystemDomain, Kind: recordResident, Key: where.key(), Revision: 1, Created: sc.Now}
	return s.sealRecord(ctx, r, removal{domain, uid, where, sc.Now.Add(after)})
}

type removal struct {
	Domain string    `json:"domain"`
	UID    string    `json:"uid"`
	Where  residence `json:"where"`
	After  time.Time `json:"after"`
}

// settle plans that an object has what was announced.
func settle(c *store.Change, where residence) {
	if where.Token == "" {
		return // the object does not live in a token
	}
	c.DeleteRecords = append(c.DeleteRecords, store.RecordRef{Domain: SystemDomain, Kind: recordResident, Key: where.key(), Revision: 1})
}

// whereabouts opens what the store keeps of a resident object.
func (s *Service) whereabouts(ctx context.Context, m *managed) (residence, error) {
	var where residence
	value, err := s.unseal(ctx, m)
	if err != nil {
		return where, err
	}
	defer value.Destroy()
	if value.Key == nil || value.Key.Format != kmip.KeyFormatTypeOpaque {
		return where, kmip.Fail(kmip.KindIntegrity, "the stored object is damaged")
	}
	if err := json.Unmarshal(value.Key.Material.Reveal(), &where); err != nil {
		return where, kmip.FailFrom(err, kmip.KindIntegrity, "the stored object is damaged")
	}
	return where, nil
}

// residents counts objects that live in a token, up to one for each domain, and those
// whose destruction is pending.
func (s *Service) residents(ctx context.Context, serial string) (int, error) {
	domains, err := s.store.Domains(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range domains {
		found, err := s.store.Find(ctx, d.Name, store.Query{Sides: []store.Side{{Kind: store.SideToken, Value: serial}}, Limit: 1})
		if err != nil {
			return 0, err
		}
		n += len(found)
	}
	pending, err := s.pendingIn(ctx, serial)
	return n + pending, err
}
