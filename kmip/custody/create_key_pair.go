package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/policy"
)

// CreateKeyPair makes a private and a public key that link to each other
// (§6.1.9). Attributes for one key take precedence over the common ones;
// multi-valued ones add up.
func (s *Service) CreateKeyPair(ctx context.Context, sc *Scope, common, private, public kmip.Attributes) (privateUID, publicUID string, err error) {
	err = s.do(ctx, sc, "CreateKeyPair", func() (outcome, error) {
		if err := s.authorize(ctx, sc, "CreateKeyPair", policy.Resource{Type: uint32(kmip.ObjectTypePrivateKey)}); err != nil {
			return outcome{}, err
		}
		common, hardware, err := s.takeStorage(ctx, sc, common)
		if err != nil {
			return outcome{}, err
		}
		own := private.Has(kmip.TagProtectionStorageMask)
		private, alone, err := s.takeStorage(ctx, sc, private)
		if err != nil {
			return outcome{}, err
		}
		if !own {
			alone = alone || hardware
		}
		forPrivate, err := s.withDefaults(ctx, sc, kmip.ObjectTypePrivateKey, merge(common, private))
		if err != nil {
			return outcome{}, err
		}
		forPublic, err := s.withDefaults(ctx, sc, kmip.ObjectTypePublicKey, merge(common, public))
		if err != nil {
			return outcome{}, err
		}
		priv, pub, where, err := s.createPair(ctx, sc, forPrivate, forPublic, alone)
		if err != nil {
			return outcome{}, err
		}
		privateUID, publicUID = priv.row.UID, pub.row.UID
		change := s.insert(priv, pub)
		settle(&change, where)
		return outcome{uid: privateUID, change: change}, nil
	})
	return privateUID, publicUID, err
}

// merge joins common attributes with those of one key.
func merge(common, own kmip.Attributes) kmip.Attributes {
	all := kmip.Attributes{}
	for _, at := range common {
		rule, _ := kmip.RuleOf(at.AttributeID)
		if rule.Multi || !slices.ContainsFunc(own, func(o kmip.Attribute) bool { return o.AttributeID == at.AttributeID }) {
			all = append(all, at)
		}
	}
	return append(all, own...)
}

// createPair makes a pair of which the private half lives in a token, or not.
func (s *Service) createPair(ctx context.Context, sc *Scope, private, public kmip.Attributes, hardware bool) (priv, pub *managed, where residence, err error) {
	for _, attrs := range []kmip.Attributes{private, public} {
		if err := checkCreation(attrs); err != nil {
			return nil, nil, where, err
		}
	}
	for _, tag := range []kmip.Tag{kmip.TagCryptographicAlgorithm, kmip.TagCryptographicLength, kmip.TagCryptographicDomainParameters} {
		a, hasA := private.Get(tag)
		b, hasB := public.Get(tag)
		if hasA && hasB && !a.Equal(b) {
			return nil, nil, where, kmip.Fail(kmip.KindAttributeValue, "%s is the same for both keys of a pair", tag.Title())
		}
		if hasA && !hasB {
			public = append(public, kmip.NewAttribute(a))
		}
		if hasB && !hasA {
			private = append(private, kmip.NewAttribute(b))
		}
	}
	alg := kmip.CryptographicAlgorithm(private.Uint32(kmip.TagCryptographicAlgorithm))
	if alg == 0 {
		alg = kmip.CryptographicAlgorithmRSA
	}
	length := private.Int32(kmip.TagCryptographicLength)
	var curve kmip.RecommendedCurve
	if d, ok := private.Get(kmip.TagCryptographicDomainParameters); ok {
		c, _ := d.Field(kmip.TagRecommendedCurve)
		curve = kmip.RecommendedCurve(c.Uint32())
	}
	if length == 0 && curve == 0 && takesLength(alg) {
		length = defaultLength(alg)
	}
	var publicKey crypto.KeyMaterial
	if hardware {
		own := slices.Clone(private).Remove(kmip.TagCryptographicAlgorithm, kmip.TagCryptographicLength)
		priv, where, publicKey, err = s.newResidentPair(ctx, sc, alg, length, curve, own)
	} else {
		priv, publicKey, err = s.newPrivateKey(ctx, sc, alg, length, curve, private)
	}
	if err != nil {
		return nil, nil, where, err
	}
	if pub, err = s.makePairKey(ctx, sc, kmip.ObjectTypePublicKey, public, alg, publicKey); err != nil {
		return nil, nil, where, err
	}
	priv.attrs = priv.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypePublicKeyLink, Target: pub.row.UID}.Item()))
	pub.attrs = pub.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypePrivateKeyLink, Target: priv.row.UID}.Item()))
	for _, m := range []*managed{priv, pub} {
		if err := s.write(ctx, m); err != nil {
			return nil, nil, where, err
		}
	}
	return priv, pub, where, nil
}

// takesLength tells which algorithms of key pairs there are in several lengths:
// the names of others say it.
func takesLength(alg kmip.CryptographicAlgorithm) bool {
	switch alg {
	case kmip.CryptographicAlgorithmRSA, kmip.CryptographicAlgorithmDSA, kmip.CryptographicAlgorithmDH,
		kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH:
		return true
	}
	return false
}

// newPrivateKey makes a private key, and the value of its public half.
func (s *Service) newPrivateKey(ctx context.Context, sc *Scope, alg kmip.CryptographicAlgorithm, length int32, curve kmip.RecommendedCurve, attrs kmip.Attributes) (*managed, crypto.KeyMaterial, error) {
	private, public, err := crypto.GenerateKeyPair(alg, length, curve, s.random)
	if err != nil {
		return nil, public, s.randomFailure(ctx, err)
	}
	m, err := s.makePairKey(ctx, sc, kmip.ObjectTypePrivateKey, attrs, alg, private)
	return m, public, err
}

func (s *Service) makePairKey(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes, alg kmip.CryptographicAlgorithm, k crypto.KeyMaterial) (*managed, error) {
	value := &kmip.Object{Type: typ, Key: &kmip.KeyBlock{Format: k.Format, Material: k.Bytes, Transparent: k.Transparent, Algorithm: alg, LengthBits: k.LengthBits}}
	defer value.Destroy()
	return s.make(ctx, sc, newborn{typ: typ, attrs: attrs, value: value, algorithm: alg, length: k.LengthBits, format: k.Format, generated: true})
}
