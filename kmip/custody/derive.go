package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// DeriveArgs are the arguments of DeriveKey.
type DeriveArgs struct {
	Type       kmip.ObjectType
	UIDs       []string // base objects
	Method     kmip.DerivationMethod
	Parameters kmip.Item // Derivation Parameters
	Attrs      kmip.Attributes
}

// maxBases bounds the objects that one key is derived from.
const maxBases = 16

// DeriveKey derives a symmetric key or secret data from managed objects
// (§6.1.14) and returns its Unique Identifier. All base objects must allow it.
func (s *Service) DeriveKey(ctx context.Context, sc *Scope, a DeriveArgs) (string, error) {
	var uid string
	err := s.do(ctx, sc, "DeriveKey", func() (outcome, error) {
		var o outcome
		if err := s.authorize(ctx, sc, "DeriveKey", policy.Resource{Type: uint32(a.Type)}); err != nil {
			return o, err
		}
		bases, err := s.bases(ctx, sc, a.UIDs)
		if err != nil {
			return o, err
		}
		m, err := s.derive(ctx, sc, a, bases)
		if err != nil {
			return o, err
		}
		uid = m.row.UID
		o.uid, o.change = uid, s.insert(m)
		return o, s.linkBack(ctx, sc, &o.change, bases, kmip.LinkTypeDerivedKeyLink, uid)
	})
	return uid, err
}

// bases loads the objects that a key is derived from.
func (s *Service) bases(ctx context.Context, sc *Scope, uids []string) ([]*managed, error) {
	if len(uids) == 0 || len(uids) > maxBases {
		return nil, kmip.Fail(kmip.KindInvalidField, "Derive Key names 1 to %d objects", maxBases)
	}
	bases := make([]*managed, len(uids))
	for i, uid := range uids {
		if slices.Contains(uids[:i], uid) {
			return nil, kmip.Fail(kmip.KindInvalidField, "an object is named twice")
		}
		m, err := s.load(ctx, sc, "DeriveKey", uid)
		if err != nil {
			return nil, err
		}
		switch m.objectType() {
		case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypeSecretData, kmip.ObjectTypePrivateKey, kmip.ObjectTypePublicKey:
		default:
			return nil, kmip.Fail(kmip.KindObjectType, "nothing can be derived from a %s", m.objectType())
		}
		if err := lifecycle.MayProtect(m.state, m.attrs.Dates(), sc.Now); err != nil {
			return nil, err
		}
		if kmip.CryptographicUsageMask(m.row.UsageMask)&(kmip.CryptographicUsageMaskDeriveKey|kmip.CryptographicUsageMaskUnrestricted) == 0 {
			return nil, kmip.Fail(kmip.KindUsageMask, "the Cryptographic Usage Mask does not allow Derive Key")
		}
		if !m.hasValue() {
			return nil, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this object")
		}
		sc.touch(m)
		bases[i] = m
	}
	return bases, nil
}

// derive computes the key and makes its record.
func (s *Service) derive(ctx context.Context, sc *Scope, a DeriveArgs, bases []*managed) (*managed, error) {
	if a.Type != kmip.ObjectTypeSymmetricKey && a.Type != kmip.ObjectTypeSecretData {
		return nil, kmip.Fail(kmip.KindObjectTypeMismatch, "Derive Key makes symmetric keys and secret data")
	}
	attrs, err := s.withDefaults(ctx, sc, a.Type, a.Attrs)
	if err != nil {
		return nil, err
	}
	if err := checkCreation(attrs); err != nil {
		return nil, err
	}
	alg := kmip.CryptographicAlgorithm(attrs.Uint32(kmip.TagCryptographicAlgorithm))
	bits := attrs.Int32(kmip.TagCryptographicLength)
	switch {
	case bits <= 0 || bits%8 != 0 || bits > maxSecretBits:
		return nil, kmip.Fail(kmip.KindMissingField, "Derive Key needs a Cryptographic Length: whole bytes, %d bits at most", maxSecretBits)
	case a.Type == kmip.ObjectTypeSymmetricKey && alg == 0:
		return nil, kmip.Fail(kmip.KindMissingField, "a derived key needs a Cryptographic Algorithm")
	}
	derived, err := s.computeDerivation(ctx, sc, a, bases, derivedBits(alg, bits))
	if err != nil {
		return nil, err
	}
	value := &kmip.Object{Type: a.Type, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: derived, Algorithm: alg, LengthBits: bits}}
	defer value.Destroy()
	if a.Type == kmip.ObjectTypeSecretData {
		value.SecretDataType, value.Key.Algorithm = kmip.SecretDataTypeSeed, 0
	}
	for _, b := range bases {
		attrs = append(slices.Clip(attrs), kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeDerivationBaseObjectLink, Target: b.row.UID}.Item()))
	}
	return s.make(ctx, sc, newborn{typ: a.Type, attrs: attrs, value: value, algorithm: value.Key.Algorithm, length: bits, format: kmip.KeyFormatTypeRaw, generated: true})
}

// derivedBits is how many bits a key takes: those of Triple DES have parity bits
// that its length may not count.
func derivedBits(alg kmip.CryptographicAlgorithm, bits int32) int32 {
	if alg == kmip.CryptographicAlgorithmDES3 && (bits == 112 || bits == 168) || alg == kmip.CryptographicAlgorithmDES && bits == 56 {
		return bits / 7 * 8
	}
	return bits
}

// computeDerivation applies the derivation method.
func (s *Service) computeDerivation(ctx context.Context, sc *Scope, a DeriveArgs, bases []*managed, bits int32) (*secret.Bytes, error) {
	r := crypto.DeriveRequest{Method: a.Method, LengthBits: bits}
	var repeated [][]byte
	for _, f := range a.Parameters.Items {
		switch f.Tag {
		case kmip.TagCryptographicParameters:
			r.Parameters = kmip.CryptographicParametersOf(f)
		case kmip.TagInitializationVector:
			r.IV = f.Bytes
		case kmip.TagDerivationData:
			repeated, r.HasData = append(repeated, f.Bytes), true
		case kmip.TagSalt:
			r.Salt = f.Bytes
		case kmip.TagIterationCount:
			r.Iterations = int32(f.Int) //nolint:gosec // an Integer has 32 bits
		}
	}
	if err := s.mayDerive(ctx, sc, a.Method, r.Parameters.HashingAlgorithm); err != nil {
		return nil, err
	}
	if a.Method == kmip.DerivationMethodAsymmetricKey {
		return s.agree(ctx, sc, bases, bits)
	}
	key, data := roles(bases)
	if len(bases) > 2 || len(bases) == 2 && data == nil {
		return nil, kmip.Fail(kmip.KindInvalidField, "the method takes one key, and secret data as derivation data")
	}
	if key.objectType() == kmip.ObjectTypePrivateKey || key.objectType() == kmip.ObjectTypePublicKey {
		return nil, kmip.Fail(kmip.KindObjectType, "%s does not derive from a %s", a.Method, key.objectType())
	}
	raw, err := s.raw(ctx, sc, "DeriveKey", key)
	if err != nil {
		return nil, err
	}
	defer raw.Destroy()
	r.Key, r.Algorithm = raw, kmip.CryptographicAlgorithm(key.row.Algorithm)
	if data != nil {
		if r.HasData {
			return nil, kmip.Fail(kmip.KindInvalidMessage, "Derivation Data is given twice: as a field and as secret data")
		}
		value, err := s.raw(ctx, sc, "DeriveKey", data)
		if err != nil {
			return nil, err
		}
		defer value.Destroy()
		repeated, r.HasData = [][]byte{value.Reveal()}, true
	}
	if _, given := a.Parameters.Field(kmip.TagCryptographicParameters); !given {
		r.Parameters = key.parameters(nil)
	}
	if len(repeated) == 1 {
		r.Data = repeated[0]
	} else {
		r.Repeated = repeated
	}
	return crypto.Derive(r)
}

// roles tells the base key from secret data that is the derivation data: of two
// objects the key is the one that is a key, or else the first.
func roles(bases []*managed) (key, data *managed) {
	key = bases[0]
	if len(bases) == 1 {
		return key, nil
	}
	other := bases[1]
	if key.objectType() == kmip.ObjectTypeSecretData && other.objectType() != kmip.ObjectTypeSecretData {
		key, other = other, key
	}
	if other.objectType() != kmip.ObjectTypeSecretData {
		return key, nil
	}
	return key, other
}

// raw reveals the bytes of a symmetric key or secret data; the caller destroys
// them.
func (s *Service) raw(ctx context.Context, sc *Scope, action string, m *managed) (*secret.Bytes, error) {
	value, err := s.reveal(ctx, m)
	if err != nil {
		return nil, err
	}
	defer value.Destroy()
	if err := s.unwrapForUse(ctx, sc, action, value); err != nil {
		return nil, err
	}
	converted, err := crypto.Convert(value.Type, value.Key, kmip.KeyFormatTypeRaw)
	if err != nil {
		return nil, err
	}
	return converted.Bytes, nil
}

// agree computes the shared secret of a private and a public key.
func (s *Service) agree(ctx context.Context, sc *Scope, bases []*managed, bits int32) (*secret.Bytes, error) {
	if len(bases) != 2 {
		return nil, kmip.Fail(kmip.KindInvalidField, "the method takes a private and a public key")
	}
	private, public := bases[0], bases[1]
	if private.objectType() == kmip.ObjectTypePublicKey {
		private, public = public, private
	}
	if private.objectType() != kmip.ObjectTypePrivateKey || public.objectType() != kmip.ObjectTypePublicKey {
		return nil, kmip.Fail(kmip.KindObjectType, "the method takes a private and a public key")
	}
	inputs := make([]crypto.KeyInput, 2)
	for i, m := range []*managed{private, public} {
		value, err := s.reveal(ctx, m)
		if err != nil {
			return nil, err
		}
		defer value.Destroy()
		if err := s.readyForUse(ctx, sc, "DeriveKey", m, value); err != nil {
			return nil, err
		}
		inputs[i] = keyInput(m, value)
	}
	shared, err := crypto.Agree(inputs[0], inputs[1])
	if err != nil {
		return nil, err
	}
	defer shared.Destroy()
	if int(bits/8) > shared.Len() {
		return nil, kmip.Fail(kmip.KindCryptographicFailure, "the shared secret has %d bits, %d are asked for", 8*shared.Len(), bits)
	}
	return secret.Copy(shared.Reveal()[:bits/8]), nil
}

// keyInput brings a revealed key into the form of package crypto; it uses the
// memory of the value.
func keyInput(m *managed, value *kmip.Object) crypto.KeyInput {
	return crypto.KeyInput{
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Format: value.Key.Format,
		Material: value.Key.Material, Transparent: value.Key.Transparent,
	}
}

// linkBack plans that objects link to one that was made of them. An object that
// has all the Links that it may have gets no more.
func (s *Service) linkBack(ctx context.Context, sc *Scope, c *store.Change, from []*managed, t kmip.LinkType, target string) error {
	for _, m := range from {
		if len(m.attrs.Instances(kmip.AttributeID{Tag: kmip.TagLink})) >= maxInstances {
			continue
		}
		before := &managed{row: m.row, attrs: slices.Clone(m.attrs)}
		m.attrs = m.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: t, Target: target}.Item()))
		row, err := s.update(ctx, sc, m, false)
		if err != nil {
			return err
		}
		c.Update = append(c.Update, row)
		diff(c, before, m)
	}
	return nil
}
