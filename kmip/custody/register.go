package custody

import (
	"context"
	"errors"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Register takes an object over (§6.1.43) and returns its Unique Identifier.
// The object stays the caller's.
func (s *Service) Register(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes, value *kmip.Object) (string, error) {
	var uid string
	err := s.do(ctx, sc, "Register", func() (outcome, error) {
		if err := s.authorize(ctx, sc, "Register", policy.Resource{Type: uint32(typ)}); err != nil {
			return outcome{}, err
		}
		if value == nil {
			return outcome{}, kmip.Fail(kmip.KindMissingField, "Register needs an object")
		}
		if value.Type != typ {
			return outcome{}, kmip.Fail(kmip.KindObjectTypeMismatch, "Object Type is %s, the object is a %s", typ, value.Type)
		}
		if err := noKeyFormat(attrs); err != nil {
			return outcome{}, err
		}
		given, err := s.withDefaults(ctx, sc, typ, attrs)
		if err != nil {
			return outcome{}, err
		}
		n, err := s.inspect(ctx, sc, typ, given, value)
		if err != nil {
			return outcome{}, err
		}
		if err := checkCreation(n.attrs); err != nil {
			return outcome{}, err
		}
		m, err := s.make(ctx, sc, n)
		if err != nil {
			return outcome{}, err
		}
		uid = m.row.UID
		return outcome{uid: uid, change: s.insert(m)}, nil
	})
	return uid, err
}

// inspect finds algorithm, length and format of a registered object: from its
// key block, its attributes and its value, which must not contradict each other.
func (s *Service) inspect(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes, value *kmip.Object) (newborn, error) {
	n := newborn{typ: typ, attrs: attrs, value: value}
	switch typ {
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePrivateKey, kmip.ObjectTypePublicKey, kmip.ObjectTypeSecretData:
	case kmip.ObjectTypePGPKey:
	case kmip.ObjectTypeSplitKey:
		if err := checkSplitPart(value.Split); err != nil {
			return n, err
		}
	case kmip.ObjectTypeCertificate:
		return inspectCertificate(n)
	case kmip.ObjectTypeCertificateRequest:
		info, err := crypto.ParseRequest(value.RequestType, value.RequestValue)
		if err != nil {
			return n, kmip.FailFrom(err, kmip.KindCSR, "the certificate request cannot be used")
		}
		destroyMaterial(&info.PublicKey)
		n.algorithm, n.length, n.format = info.Algorithm, info.Bits, kmip.KeyFormatTypePKCS10
		return n, nil
	case kmip.ObjectTypeOpaqueObject:
		n.format = kmip.KeyFormatTypeOpaque
		return n, nil
	case kmip.ObjectTypeTemplate:
		return n, checkTemplate(attrs, value.Template)
	default:
		return n, kmip.Fail(kmip.KindObjectType, "objects of type %s cannot be registered here", typ)
	}
	k := value.Key
	if k == nil {
		return n, kmip.Fail(kmip.KindMissingField, "a key needs a Key Block")
	}
	if len(attrs)+len(k.Attributes) > maxAttributes {
		return n, kmip.Fail(kmip.KindTooMany, "an object has at most %d attributes", maxAttributes)
	}
	n.attrs = withInner(n.attrs, k.Attributes)
	n.format, n.algorithm, n.length = k.Format, k.Algorithm, k.LengthBits
	if a := kmip.CryptographicAlgorithm(attrs.Uint32(kmip.TagCryptographicAlgorithm)); a != 0 {
		if n.algorithm != 0 && n.algorithm != a {
			return n, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm of attribute and Key Block differ")
		}
		n.algorithm = a
	}
	if l := attrs.Int32(kmip.TagCryptographicLength); l != 0 {
		if n.length != 0 && n.length != l {
			return n, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length of attribute and Key Block differ")
		}
		n.length = l
	}
	switch {
	case !value.HasValue():
		return n, nil
	case k.Wrapping != nil:
		return n, s.linkWrapping(ctx, sc, &n, k)
	case k.Format == kmip.KeyFormatTypePKCS12 && typ == kmip.ObjectTypePrivateKey:
		return n, s.inspectContainer(ctx, sc, &n, k)
	}
	return n, measure(&n, k)
}

// inspectCertificate finds what a certificate says, which attributes must not
// contradict.
func inspectCertificate(n newborn) (newborn, error) {
	if t, ok := n.attrs.Get(kmip.TagCertificateType); ok && t.Uint32() != uint32(n.value.CertificateType) {
		return n, kmip.Fail(kmip.KindAttributeValue, "Certificate Type of attribute and certificate differ")
	}
	info, err := crypto.InspectCertificate(n.value.CertificateValue)
	if err != nil && n.value.CertificateType == kmip.CertificateTypeX509 {
		return n, err
	}
	n.algorithm, n.length, n.format = info.PublicKeyAlgorithm, info.PublicKeyBits, kmip.KeyFormatTypeX509
	if a := n.attrs.Uint32(kmip.TagCryptographicAlgorithm); a != 0 && n.algorithm != 0 && a != uint32(n.algorithm) {
		return n, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm and certificate differ")
	}
	if l := n.attrs.Int32(kmip.TagCryptographicLength); l != 0 && n.length != 0 && l != n.length {
		return n, kmip.Fail(kmip.KindAttributeValue, "Cryptographic Length and certificate differ")
	}
	return n, nil
}

// linkWrapping links a key that arrives wrapped to the managed key that it is
// wrapped under (§6.1.43), where there is one.
func (s *Service) linkWrapping(ctx context.Context, sc *Scope, n *newborn, k *kmip.KeyBlock) error {
	w, err := readWrapping(*k.Wrapping)
	if err != nil || w.encryption == nil || len(linked(n.attrs, kmip.LinkTypeWrappingKeyLink)) > 0 {
		return nil //nolint:nilerr // a key that this server cannot unwrap is kept as it is
	}
	if _, err := sc.reader.Object(ctx, w.encryption.uid); errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	link := kmip.LinkValue{Type: kmip.LinkTypeWrappingKeyLink, Target: w.encryption.uid}
	n.attrs = append(slices.Clone(n.attrs), kmip.NewAttribute(link.Item()))
	return nil
}

// checkSplitPart refuses a Split Key that cannot be a part of anything (§2.8).
func checkSplitPart(p *kmip.SplitPart) error {
	switch {
	case p == nil:
		return kmip.Fail(kmip.KindMissingField, "a Split Key says which part it is")
	case p.Parts < 2 || p.Threshold < 1 || p.Threshold > p.Parts || p.Identifier < 1 || p.Identifier > p.Parts:
		return kmip.Fail(kmip.KindInvalidField, "a Split Key has 2 parts or more, a threshold and an identifier of 1 to the number of parts")
	case p.Method == kmip.SplitKeyMethodPolynomialSharingPrimeField && p.PrimeField == nil:
		return kmip.Fail(kmip.KindMissingField, "Polynomial Sharing Prime Field needs a Prime Field Size")
	}
	return nil
}

// measure reads length and algorithm off the key where the client gave none,
// and refuses a value that cannot be what it is said to be.
func measure(n *newborn, k *kmip.KeyBlock) error {
	switch n.typ {
	case kmip.ObjectTypePGPKey:
		return inspectPGP(n, k)
	case kmip.ObjectTypeSplitKey: // a part says nothing of the whole
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypeSecretData:
		if k.Material != nil && n.length == 0 {
			n.length = int32(k.Material.Len()) * 8 //nolint:gosec // bounded by the message size
		}
		if n.typ == kmip.ObjectTypeSymmetricKey && k.Format == kmip.KeyFormatTypeRaw {
			return checkSymmetric(n, k)
		}
	default:
		alg, length := crypto.Inspect(n.typ, k)
		if n.algorithm == 0 {
			n.algorithm = alg
		}
		if n.length == 0 {
			n.length = length
		}
	}
	return nil
}

// inspectPGP reads algorithm, length and signatures off a PGP key (§2.4). A key
// that is not understood is kept as it is: it is an opaque blob to the server.
func inspectPGP(n *newborn, k *kmip.KeyBlock) error {
	if k.Material == nil {
		return kmip.Fail(kmip.KindInvalidField, "a PGP key is a byte string")
	}
	info, err := crypto.InspectPGP(k.Material.Reveal())
	if err != nil {
		return nil //nolint:nilerr // documented
	}
	if n.algorithm == 0 {
		n.algorithm = info.Algorithm
	}
	if n.length == 0 {
		n.length = info.Bits
	}
	n.signatures = info.Signatures
	return nil
}

// checkSymmetric compares the bytes of a raw key with its length in bits.
// Triple DES counts 7 of 8 bits, in the words of some clients.
func checkSymmetric(n *newborn, k *kmip.KeyBlock) error {
	bits := int32(k.Material.Len()) * 8 //nolint:gosec // bounded by the message size
	if bits == 0 {
		return kmip.Fail(kmip.KindInvalidField, "the key is empty")
	}
	des := n.algorithm == kmip.CryptographicAlgorithmDES3 || n.algorithm == kmip.CryptographicAlgorithmDES
	if n.length != bits && (!des || n.length != bits/8*7) {
		return kmip.Fail(kmip.KindAttributeValue, "the key has %d bits, Cryptographic Length says %d", bits, n.length)
	}
	return nil
}

// withInner joins the attributes of a request with those inside its Key Value
// that do not repeat one of them.
func withInner(given, inner kmip.Attributes) kmip.Attributes {
	all := slices.Clone(given)
	for _, at := range inner {
		if !slices.ContainsFunc(given, func(g kmip.Attribute) bool { return g.AttributeID == at.AttributeID && g.Value.Equal(at.Value) }) {
			all = append(all, at)
		}
	}
	return all
}
