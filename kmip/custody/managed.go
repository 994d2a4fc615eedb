package custody

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// managed is an object that has been loaded and authenticated, with its
// attributes in memory. State, Fresh and the count of Usage Limits are not
// among attrs: they are computed (see view).
type managed struct {
	row   store.Object
	attrs kmip.Attributes
	// state is the effective state at the time of the scope.
	state kmip.State
	// lives is the token that a new object lives in; empty for every other.
	lives string
}

func (m *managed) objectType() kmip.ObjectType { return kmip.ObjectType(m.row.Type) }

func (m *managed) resource() policy.Resource {
	r := policy.Resource{
		UID: m.row.UID, Type: m.row.Type, State: uint32(m.state), Algorithm: m.row.Algorithm,
		LengthBits: m.row.LengthBits, UsageMask: m.row.UsageMask, Creator: m.row.Creator, Names: m.attrs.Names(),
	}
	for i := range m.attrs {
		if t := m.attrs[i].Tag; t == kmip.TagObjectGroup || t == kmip.TagGroupLink { // by name, or by identifier (KMIP 3.0)
			r.Groups = append(r.Groups, m.attrs[i].Value.Text())
		}
	}
	return r
}

func (m *managed) destroyed() bool {
	return m.state == kmip.StateDestroyed || m.state == kmip.StateDestroyedCompromised
}

// binding is what the sealed material is bound to.
func binding(row store.Object) seal.Binding {
	return seal.Binding{UID: row.UID, ObjectType: row.Type, Algorithm: row.Algorithm, LengthBits: row.LengthBits, MaterialVersion: row.MaterialVersion}
}

// macMessage is what the MAC of a row covers.
func macMessage(row store.Object) []byte {
	b := make([]byte, 0, len(row.Attributes)+192)
	b = append(b, "claviger object 1\x00"...)
	b = appendTexts(b, row.Domain, row.UID, row.Creator)
	b = binary.BigEndian.AppendUint32(b, row.Type)
	b = binary.BigEndian.AppendUint32(b, uint32(row.State))
	b = binary.BigEndian.AppendUint64(b, uint64(row.Initial.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(row.Revision))        //nolint:gosec // bits
	b = binary.BigEndian.AppendUint32(b, uint32(row.Generation))      //nolint:gosec // bits
	b = binary.BigEndian.AppendUint32(b, uint32(row.MaterialVersion)) //nolint:gosec // bits
	sum := sha256.Sum256(row.Material)
	b = append(b, sum[:]...)
	return append(b, row.Attributes...)
}

// appendTexts writes texts so that none can be read as part of another.
func appendTexts(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // short
		b = append(b, s...)
	}
	return b
}

// load reads an object, authenticates it, and asks policy whether the caller
// may do action with it. An object that the caller may not know of is one that
// is not there.
func (s *Service) load(ctx context.Context, sc *Scope, action, uid string) (*managed, error) {
	row, err := sc.reader.Object(ctx, uid)
	if errors.Is(err, store.ErrNotFound) {
		// The same question to policy as for an object that is there.
		if err := s.authorize(ctx, sc, action, policy.Resource{UID: uid}); err != nil {
			return nil, err
		}
		return nil, kmip.Fail(kmip.KindObjectNotFound, "no object has this Unique Identifier")
	}
	if err != nil {
		return nil, err
	}
	m, err := s.authenticate(ctx, sc, row)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, sc, action, m.resource()); err != nil {
		return nil, s.hidden(ctx, sc, action, uid, err)
	}
	if m.archived() && !touchesArchived[action] {
		return nil, kmip.Fail(kmip.KindObjectArchived, "the object is archived; recover it first")
	}
	return m, nil
}

// hidden returns what somebody is told who may not do something with an object
// that is there: the same as if it were not.
func (s *Service) hidden(ctx context.Context, sc *Scope, action, uid string, refusal error) error {
	var d *denial
	if !errors.As(refusal, &d) {
		return refusal
	}
	absent := *sc // what was asked last stays what was refused
	err := s.authorize(ctx, &absent, action, policy.Resource{UID: uid})
	switch {
	case err == nil:
		return kmip.FailFrom(d, kmip.KindObjectNotFound, "no object has this Unique Identifier")
	case errors.As(err, new(*denial)):
		return refusal // it reads the same, and says which rule refused
	}
	return err
}

// archived reports whether the object was moved to archival storage (§6.1.4).
func (m *managed) archived() bool { return m.attrs.Has(kmip.TagArchiveDate) }

// touchesArchived are the actions on an object that is archived; Locate finds
// it when asked to.
var touchesArchived = map[string]bool{
	"Recover": true, "Obliterate": true, policy.ActionKeyShow: true, policy.ActionKeyRevoke: true, policy.ActionKeyDestroy: true,
	policy.ActionKeyRestore: true,
}

// authenticate checks the MAC of a row that carries its material, and reads it.
func (s *Service) authenticate(ctx context.Context, sc *Scope, row store.Object) (*managed, error) {
	if err := s.sealer.VerifyMAC(ctx, sc.Domain, row.Generation, macMessage(row), row.MAC); err != nil {
		return nil, sealFailure(err, row.UID)
	}
	m, err := read(row, sc.Now)
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindIntegrity, "the stored object is damaged")
	}
	return m, nil
}

// read decodes a row; what it finds in columns it takes from the canonical
// attributes again.
func read(row store.Object, now time.Time) (*managed, error) {
	attrs, err := kmip.ParseAttributes(row.Attributes)
	if err != nil {
		return nil, err
	}
	m := &managed{row: row, attrs: attrs}
	m.state = lifecycle.Effective(kmip.State(row.State), attrs.Dates(), now)
	m.columns()
	return m, nil
}

// columns computes the columns that queries use from the attributes.
func (m *managed) columns() {
	a := m.attrs
	m.row.Algorithm = a.Uint32(kmip.TagCryptographicAlgorithm)
	m.row.LengthBits = a.Int32(kmip.TagCryptographicLength)
	m.row.UsageMask = a.Uint32(kmip.TagCryptographicUsageMask)
	m.row.Group = a.Text(kmip.TagObjectGroup)
	d := a.Dates()
	m.row.Activation, m.row.Deactivation = d.Activation, d.Deactivation
	m.row.Destroyed = a.Time(kmip.TagDestroyDate)
}

// write encodes the object for the store: columns, canonical attributes,
// effective state, MAC. The row keeps its material.
func (s *Service) write(ctx context.Context, m *managed) error {
	m.columns()
	m.row.State = store.State(m.state)
	m.row.Attributes = m.attrs.AppendCanonical(nil)
	mac, err := s.sealer.MAC(ctx, m.row.Domain, m.row.Generation, macMessage(m.row))
	if err != nil {
		return sealFailure(err, m.row.UID)
	}
	m.row.MAC = mac
	return nil
}

// update plans the update of a loaded object; touch sets Last Change Date. The
// material in the store stays unless the material version has changed.
func (s *Service) update(ctx context.Context, sc *Scope, m *managed, touch bool) (store.Object, error) {
	if touch {
		m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagLastChangeDate, sc.Now))
	}
	m.row.Revision = sc.revision(m.row)
	if err := s.write(ctx, m); err != nil {
		return store.Object{}, err
	}
	row := m.row
	row.Material = nil // the store keeps what it has, or drops it under a new material version
	return row, nil
}

// sealMaterial seals the value of an object into its row.
func (s *Service) sealMaterial(ctx context.Context, m *managed, o *kmip.Object) error {
	generation, err := s.sealer.Current(ctx, m.row.Domain)
	if err != nil {
		return sealFailure(err, m.row.UID)
	}
	m.columns()
	m.row.Generation = generation
	if !o.HasValue() && o.Key == nil {
		return nil
	}
	plain := secret.New(kmip.AppendItem(nil, o.Item()))
	defer plain.Destroy()
	m.row.Material, err = s.sealer.SealAt(ctx, m.row.Domain, generation, binding(m.row), plain)
	if err != nil {
		return sealFailure(err, m.row.UID)
	}
	return nil
}

// reveal unseals the value of an object; the caller destroys it.
func (s *Service) reveal(ctx context.Context, m *managed) (*kmip.Object, error) {
	if m.resident() {
		return nil, kmip.Fail(kmip.KindNotExtractable, "the key lives in a token, never leaves it, and cannot be used in this way there")
	}
	return s.unseal(ctx, m)
}

// unseal is reveal also for what stands in the place of a resident key.
func (s *Service) unseal(ctx context.Context, m *managed) (*kmip.Object, error) {
	if m.destroyed() {
		return nil, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
	}
	if m.row.Material == nil {
		return nil, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this object")
	}
	plain, err := s.sealer.Open(ctx, m.row.Domain, m.row.Generation, binding(m.row), m.row.Material)
	if err != nil {
		return nil, sealFailure(err, m.row.UID)
	}
	defer plain.Destroy()
	item, _, err := kmip.ParseItem(plain.Reveal())
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindIntegrity, "the stored object is damaged")
	}
	o, err := kmip.ObjectOf(item)
	if err != nil {
		return nil, kmip.FailFrom(err, kmip.KindIntegrity, "the stored object is damaged")
	}
	return o, nil
}

// sealFailure tells tampering from a root of trust that is away, and names the
// object for the log.
func sealFailure(err error, uid string) error {
	if errors.Is(err, hsm.ErrIntegrity) {
		return kmip.FailFrom(err, kmip.KindIntegrity, "the stored object "+uid+" does not authenticate")
	}
	return fmt.Errorf("object %s: %w", uid, err)
}

func isUnavailable(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrPIN) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
