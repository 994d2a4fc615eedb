package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"slices"

	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
)

// SplitArgs are the arguments of CreateSplitKey.
type SplitArgs struct {
	Type             kmip.ObjectType
	UID              string // of the key to be split; empty: a new one
	Parts, Threshold int32
	Method           kmip.SplitKeyMethod
	PrimeField       []byte // Big Integer; nil when not given
	// Polynomial is the modulus of the fields of 256 elements, which versions of
	// the protocol choose differently.
	Polynomial kmip.SplitKeyPolynomial
	Attrs      kmip.Attributes
}

// CreateSplitKey splits a key into parts, each an object of its own (§6.1.10),
// and returns their Unique Identifiers in the order of the parts. Parts of a key
// that is there are as sensitive, and as extractable, as it is.
func (s *Service) CreateSplitKey(ctx context.Context, sc *Scope, a SplitArgs) ([]string, error) {
	var uids []string
	err := s.do(ctx, sc, "CreateSplitKey", func() (outcome, error) {
		o := outcome{uid: a.UID}
		if err := s.authorize(ctx, sc, "CreateSplitKey", policy.Resource{UID: a.UID, Type: uint32(kmip.ObjectTypeSplitKey)}); err != nil {
			return o, err
		}
		whole, err := s.toSplit(ctx, sc, a)
		if err != nil {
			return o, err
		}
		defer whole.value.Destroy()
		parts, err := s.splitParts(ctx, sc, a, whole)
		if err != nil {
			return o, err
		}
		uids = nil
		for _, p := range parts {
			uids = append(uids, p.row.UID)
		}
		o.change = s.insert(parts...)
		if a.UID == "" {
			o.uid = uids[0]
		}
		return o, nil
	})
	return uids, err
}

// toSplit is the key to be split: a managed one, or a new one.
func (s *Service) toSplit(ctx context.Context, sc *Scope, a SplitArgs) (newborn, error) {
	attrs, err := s.withDefaults(ctx, sc, kmip.ObjectTypeSplitKey, a.Attrs)
	if err != nil {
		return newborn{}, err
	}
	if err := checkCreation(attrs); err != nil {
		return newborn{}, err
	}
	if a.UID == "" {
		return s.newWhole(a, attrs)
	}
	m, err := s.load(ctx, sc, "CreateSplitKey", a.UID)
	if err != nil {
		return newborn{}, err
	}
	switch m.objectType() {
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePrivateKey, kmip.ObjectTypeSecretData:
	default:
		return newborn{}, kmip.Fail(kmip.KindObjectType, "a %s cannot be split", m.objectType())
	}
	if a.Type != m.objectType() && a.Type != kmip.ObjectTypeSplitKey {
		return newborn{}, kmip.Fail(kmip.KindObjectTypeMismatch, "Object Type is %s, the object is a %s", a.Type, m.objectType())
	}
	if !m.hasValue() {
		return newborn{}, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key")
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return newborn{}, err
	}
	if err := s.readyForUse(ctx, sc, "CreateSplitKey", m, value); err != nil {
		value.Destroy()
		return newborn{}, err
	}
	if value.Key.Material == nil {
		value.Destroy()
		return newborn{}, kmip.Fail(kmip.KindObjectType, "a key in a transparent format cannot be split")
	}
	if f := kmip.KeyFormatType(attrs.Uint32(kmip.TagKeyFormatType)); f != 0 && f != value.Key.Format {
		value.Destroy()
		return newborn{}, kmip.Fail(kmip.KindKeyFormat, "the key is in Key Format Type %s, and so are its parts", value.Key.Format)
	}
	n := newborn{value: value, algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), length: m.row.LengthBits, format: value.Key.Format}
	// The attributes of the key go before those of the request.
	attrs = slices.Clone(attrs).Remove(kmip.TagCryptographicAlgorithm, kmip.TagCryptographicLength)
	for _, tag := range []kmip.Tag{kmip.TagSensitive, kmip.TagExtractable, kmip.TagCryptographicUsageMask} {
		if v, ok := m.attrs.Get(tag); ok {
			attrs = attrs.Set(v)
		}
	}
	n.attrs = append(slices.Clip(attrs), reference(kmip.TagSplitKeyBaseLink, a.UID))
	return n, nil
}

func (s *Service) newWhole(a SplitArgs, attrs kmip.Attributes) (newborn, error) {
	if a.Type != kmip.ObjectTypeSymmetricKey && a.Type != kmip.ObjectTypeSplitKey {
		return newborn{}, kmip.Fail(kmip.KindObjectTypeMismatch, "Create Split Key makes symmetric keys; for a %s name one that is there", a.Type)
	}
	return generate(attrs, s.random)
}

// splitParts makes the records of the parts. A Name of the request is that of
// the first part: it names one object.
func (s *Service) splitParts(ctx context.Context, sc *Scope, a SplitArgs, whole newborn) ([]*managed, error) {
	model := kmip.SplitPart{Parts: a.Parts, Threshold: a.Threshold, Method: a.Method, PrimeField: a.PrimeField}
	if a.Method == kmip.SplitKeyMethodPolynomialSharingPrimeField && a.PrimeField == nil {
		return nil, kmip.Fail(kmip.KindMissingField, "Polynomial Sharing Prime Field needs a Prime Field Size")
	}
	if hasPolynomial(a.Method) {
		model.Polynomial = a.Polynomial
	}
	shares, err := sharing(&model).Split(whole.value.Key.Material.Reveal(), int(a.Parts), s.random)
	if err != nil {
		return nil, s.randomFailure(ctx, splitFailure(err))
	}
	origin := make([]byte, 16)
	_, _ = rand.Read(origin) // never fails
	parts := make([]*managed, len(shares))
	for i, share := range shares {
		part := model
		part.Identifier, part.Origin = int32(share.Identifier), origin //nolint:gosec // 1 to Parts
		part.WholeBytes = int32(whole.value.Key.Material.Len())        //nolint:gosec // bounded by the message size
		value := &kmip.Object{Type: kmip.ObjectTypeSplitKey, Split: &part, Key: &kmip.KeyBlock{
			Format: whole.format, Material: secret.New(share.Value), Algorithm: whole.algorithm, LengthBits: whole.length,
		}}
		attrs := slices.Clone(whole.attrs)
		if i > 0 {
			attrs = attrs.Remove(kmip.TagName)
		}
		parts[i], err = s.make(ctx, sc, newborn{
			typ: kmip.ObjectTypeSplitKey, attrs: attrs, value: value, algorithm: whole.algorithm, length: whole.length,
			format: whole.format, generated: whole.generated,
		})
		value.Destroy()
		if err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// reference makes one of the links of KMIP 3.0 that have no Link Type.
func reference(tag kmip.Tag, target string) kmip.Attribute {
	return kmip.NewAttribute(kmip.Item{Tag: tag, Type: kmip.TypeReference, Bytes: []byte(target)})
}

// hasPolynomial reports whether a method shares in fields of 256 elements, or
// over them.
func hasPolynomial(m kmip.SplitKeyMethod) bool {
	return m == kmip.SplitKeyMethodPolynomialSharingGF216 || m == kmip.SplitKeyMethodPolynomialSharingGF28
}

// sharing is how a key is shared that a part belongs to.
func sharing(p *kmip.SplitPart) split.Sharing {
	return split.Sharing{
		Method: split.Method(p.Method), Threshold: int(p.Threshold), Prime: primeOf(p.PrimeField), Polynomial: split.Polynomial(p.Polynomial),
	}
}

// primeOf reads a Prime Field Size; nil when it is not given or not positive.
func primeOf(b []byte) *big.Int {
	if len(b) == 0 || b[0] >= 0x80 {
		return nil
	}
	return new(big.Int).SetBytes(b)
}

// splitFailure says what is wrong with a split.
func splitFailure(err error) error {
	if errors.Is(err, split.ErrMethod) {
		return kmip.FailFrom(err, kmip.KindParametersUnsupported, "the Split Key Method is not supported")
	}
	return kmip.FailFrom(err, kmip.KindParametersMissing, "the key cannot be split so: "+err.Error())
}

// JoinArgs are the arguments of JoinSplitKey.
type JoinArgs struct {
	Type           kmip.ObjectType
	UIDs           []string
	SecretDataType kmip.SecretDataType
	Attrs          kmip.Attributes
}

// maxParts bounds the parts that are joined.
const maxParts = 1024

// JoinSplitKey makes a key of parts (§6.1.27) and returns its Unique Identifier.
// It is as sensitive, and as little extractable, as the strictest part.
func (s *Service) JoinSplitKey(ctx context.Context, sc *Scope, a JoinArgs) (string, error) {
	var uid string
	err := s.do(ctx, sc, "JoinSplitKey", func() (outcome, error) {
		var o outcome
		if err := s.authorize(ctx, sc, "JoinSplitKey", policy.Resource{Type: uint32(a.Type)}); err != nil {
			return o, err
		}
		if err := noKeyFormat(a.Attrs); err != nil {
			return o, err
		}
		attrs, err := s.withDefaults(ctx, sc, a.Type, a.Attrs)
		if err != nil {
			return o, err
		}
		if err := checkCreation(attrs); err != nil {
			return o, err
		}
		n, err := s.join(ctx, sc, a, attrs)
		if err != nil {
			return o, err
		}
		defer n.value.Destroy()
		m, err := s.make(ctx, sc, n)
		if err != nil {
			return o, err
		}
		uid = m.row.UID
		return outcome{uid: uid, change: s.insert(m)}, nil
	})
	return uid, err
}

// join computes the key that parts make.
func (s *Service) join(ctx context.Context, sc *Scope, a JoinArgs, attrs kmip.Attributes) (newborn, error) {
	var n newborn
	switch a.Type {
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePrivateKey, kmip.ObjectTypeSecretData:
	default:
		return n, kmip.Fail(kmip.KindObjectTypeMismatch, "parts are not joined to a %s", a.Type)
	}
	if len(a.UIDs) == 0 || len(a.UIDs) > maxParts {
		return n, kmip.Fail(kmip.KindInvalidField, "Join Split Key names 1 to %d parts", maxParts)
	}
	var first *kmip.Object
	var shares []split.Part
	for _, uid := range a.UIDs {
		m, value, err := s.part(ctx, sc, uid)
		if err != nil {
			return n, err
		}
		defer value.Destroy()
		if first == nil {
			first = value
			n.algorithm, n.length, n.format = kmip.CryptographicAlgorithm(m.row.Algorithm), m.row.LengthBits, value.Key.Format
		} else if !sameSplit(first, value) {
			return n, kmip.Fail(kmip.KindParametersMissing, "the objects are not parts of one split")
		}
		attrs = strictest(attrs, m.attrs)
		attrs = append(slices.Clip(attrs), reference(kmip.TagJoinedSplitKeyPartsLink, uid))
		shares = append(shares, split.Part{Identifier: int(value.Split.Identifier), Value: value.Key.Material.Reveal()})
	}
	p := first.Split
	if len(shares) < int(p.Threshold) {
		return n, kmip.Fail(kmip.KindCryptographicFailure, "%d parts are needed, there are %d", p.Threshold, len(shares))
	}
	size := int(p.WholeBytes)
	if size == 0 {
		size = int(n.length+7) / 8
	}
	whole, err := sharing(p).Join(shares, size)
	if errors.Is(err, split.ErrMethod) {
		return n, splitFailure(err)
	}
	if err != nil {
		return n, kmip.FailFrom(err, kmip.KindCryptographicFailure, "the parts cannot be joined")
	}
	n.value = &kmip.Object{Type: a.Type, Key: &kmip.KeyBlock{Format: n.format, Material: secret.New(whole), Algorithm: n.algorithm, LengthBits: n.length}}
	n.typ, n.attrs = a.Type, attrs
	if a.Type == kmip.ObjectTypeSecretData {
		n.value.SecretDataType, n.value.Key.Algorithm, n.algorithm = a.SecretDataType, 0, 0
		if a.SecretDataType == 0 {
			n.value.SecretDataType = kmip.SecretDataTypeSeed
		}
	}
	if err := checkJoined(n, attrs); err != nil {
		n.value.Destroy()
		return n, err
	}
	return n, nil
}

// checkJoined refuses attributes of a request that contradict the key, and what
// is no key of its kind.
func checkJoined(n newborn, attrs kmip.Attributes) error {
	if alg := attrs.Uint32(kmip.TagCryptographicAlgorithm); alg != 0 && alg != uint32(n.algorithm) {
		return kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm of attribute and parts differ")
	}
	if l := attrs.Int32(kmip.TagCryptographicLength); l != 0 && l != n.length {
		return kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length of attribute and parts differ")
	}
	if n.typ == kmip.ObjectTypePrivateKey {
		k := n.value.Key
		if _, err := crypto.ParsePrivate(k.Format, k.Algorithm, k.Material.Reveal(), nil); err != nil {
			return kmip.FailFrom(err, kmip.KindCryptographicFailure, "the parts do not make a private key")
		}
	}
	return nil
}

// part loads a part of a split; the caller destroys the value.
func (s *Service) part(ctx context.Context, sc *Scope, uid string) (*managed, *kmip.Object, error) {
	m, err := s.load(ctx, sc, "JoinSplitKey", uid)
	if err != nil {
		return nil, nil, err
	}
	if m.objectType() != kmip.ObjectTypeSplitKey {
		return nil, nil, kmip.Fail(kmip.KindObjectType, "a %s is no part of a split", m.objectType())
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return nil, nil, err
	}
	if err := s.unwrapForUse(ctx, sc, "JoinSplitKey", value); err != nil {
		value.Destroy()
		return nil, nil, err
	}
	if value.Split == nil || value.Key.Material == nil {
		value.Destroy()
		return nil, nil, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this part")
	}
	return m, value, nil
}

func sameSplit(a, b *kmip.Object) bool {
	p, q := a.Split, b.Split
	return p.Polynomial == q.Polynomial && p.Parts == q.Parts && p.Threshold == q.Threshold && p.Method == q.Method && bytes.Equal(p.PrimeField, q.PrimeField) &&
		bytes.Equal(p.Origin, q.Origin) && a.Key.Algorithm == b.Key.Algorithm && a.Key.LengthBits == b.Key.LengthBits
}

// strictest takes Sensitive and Extractable over from a part that is stricter.
func strictest(attrs, part kmip.Attributes) kmip.Attributes {
	if part.Bool(kmip.TagSensitive) && !attrs.Bool(kmip.TagSensitive) {
		attrs = slices.Clone(attrs).Set(kmip.Boolean(kmip.TagSensitive, true))
	}
	if extractable, ok := part.Get(kmip.TagExtractable); ok && !extractable.Bool() {
		attrs = slices.Clone(attrs).Set(kmip.Boolean(kmip.TagExtractable, false))
	}
	return attrs
}
