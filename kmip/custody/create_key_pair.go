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
		if err := s.authorize(sc, "CreateKeyPair", policy.Resource{Type: uint32(kmip.ObjectTypePrivateKey)}); err != nil {
			return outcome{}, err
		}
		forPrivate, err := s.withDefaults(ctx, sc, kmip.ObjectTypePrivateKey, merge(common, private))
		if err != nil {
			return outcome{}, err
		}
		forPublic, err := s.withDefaults(ctx, sc, kmip.ObjectTypePublicKey, merge(common, public))
		if err != nil {
			return outcome{}, err
		}
		priv, pub, err := s.createPair(ctx, sc, forPrivate, forPublic)
		if err != nil {
			return outcome{}, err
		}
		privateUID, publicUID = priv.row.UID, pub.row.UID
		return outcome{uid: privateUID, change: s.insert(priv, pub)}, nil
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

func (s *Service) createPair(ctx context.Context, sc *Scope, private, public kmip.Attributes) (priv, pub *managed, err error) {
	for _, attrs := range []kmip.Attributes{private, public} {
		if err := checkCreation(attrs); err != nil {
			return nil, nil, err
		}
	}
	for _, tag := range []kmip.Tag{kmip.TagCryptographicAlgorithm, kmip.TagCryptographicLength, kmip.TagCryptographicDomainParameters} {
		a, hasA := private.Get(tag)
		b, hasB := public.Get(tag)
		if hasA && hasB && !a.Equal(b) {
			return nil, nil, kmip.Fail(kmip.KindAttributeValue, "%s is the same for both keys of a pair", tag.Title())
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
	if length == 0 && curve == 0 {
		length = defaultLength(alg)
	}
	privateKey, publicKey, err := crypto.GenerateKeyPair(alg, length, curve)
	if err != nil {
		return nil, nil, err
	}
	if priv, err = s.makePairKey(ctx, sc, kmip.ObjectTypePrivateKey, private, alg, privateKey); err != nil {
		return nil, nil, err
	}
	if pub, err = s.makePairKey(ctx, sc, kmip.ObjectTypePublicKey, public, alg, publicKey); err != nil {
		return nil, nil, err
	}
	priv.attrs = priv.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypePublicKeyLink, Target: pub.row.UID}.Item()))
	pub.attrs = pub.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypePrivateKeyLink, Target: priv.row.UID}.Item()))
	for _, m := range []*managed{priv, pub} {
		if err := s.write(ctx, m); err != nil {
			return nil, nil, err
		}
	}
	return priv, pub, nil
}

func (s *Service) makePairKey(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes, alg kmip.CryptographicAlgorithm, k crypto.KeyMaterial) (*managed, error) {
	value := &kmip.Object{Type: typ, Key: &kmip.KeyBlock{Format: k.Format, Material: k.Bytes, Transparent: k.Transparent, Algorithm: alg, LengthBits: k.LengthBits}}
	defer value.Destroy()
	return s.make(ctx, sc, newborn{typ: typ, attrs: attrs, value: value, algorithm: alg, length: k.LengthBits, format: k.Format, generated: true})
}
