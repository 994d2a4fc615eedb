package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
)

// ReKeyKeyPair makes a replacement for a key pair, named by its private key
// (§6.1.47). The old keys keep their state and point to the new ones, which
// take over their Names.
func (s *Service) ReKeyKeyPair(ctx context.Context, sc *Scope, uid string, offset *time.Duration, common, private, public kmip.Attributes) (privateUID, publicUID string, err error) {
	return s.rekeyKeyPair(ctx, sc, uid, offset, common, private, public, nil)
}

// rekeyKeyPair is ReKeyKeyPair if guard, which may be nil, agrees with the old
// private key.
func (s *Service) rekeyKeyPair(ctx context.Context, sc *Scope, uid string, offset *time.Duration, common, private, public kmip.Attributes, guard func(*managed) error) (privateUID, publicUID string, err error) {
	err = s.do(ctx, sc, "ReKeyKeyPair", func() (outcome, error) {
		o := outcome{uid: uid}
		oldPrivate, oldPublic, err := s.loadPair(ctx, sc, uid)
		if err != nil {
			return o, err
		}
		if guard != nil {
			if err := guard(oldPrivate); err != nil {
				return o, err
			}
		}
		newPrivate, err := s.inheritHalf(ctx, sc, oldPrivate, merge(common, private), offset)
		if err != nil {
			return o, err
		}
		newPublic, err := s.inheritHalf(ctx, sc, oldPublic, merge(common, public), offset)
		if err != nil {
			return o, err
		}
		hardware, err := s.toHardware(ctx, sc, oldPrivate)
		if err != nil {
			return o, err
		}
		if hardware {
			newPrivate = withoutSecrecy(newPrivate)
		}
		priv, pub, where, err := s.createPair(ctx, sc, newPrivate, newPublic, hardware)
		if err != nil {
			return o, err
		}
		privateUID, publicUID = priv.row.UID, pub.row.UID
		o.uid = privateUID
		if o.change, err = s.replace(ctx, sc, oldPrivate, priv); err != nil {
			return o, err
		}
		other, err := s.replace(ctx, sc, oldPublic, pub)
		if err != nil {
			return o, err
		}
		o.change.Insert = append(o.change.Insert, other.Insert...)
		o.change.Update = append(o.change.Update, other.Update...)
		o.change.Take = append(o.change.Take, other.Take...)
		o.change.Release = append(o.change.Release, other.Release...)
		o.change.AddSides = append(o.change.AddSides, other.AddSides...)
		o.change.DropSides = append(o.change.DropSides, other.DropSides...)
		o.change.Counters = append(o.change.Counters, other.Counters...)
		settle(&o.change, where)
		return o, nil
	})
	return privateUID, publicUID, err
}

// loadPair loads a private key and the public key that it links to.
func (s *Service) loadPair(ctx context.Context, sc *Scope, uid string) (private, public *managed, err error) {
	if private, err = s.load(ctx, sc, "ReKeyKeyPair", uid); err != nil {
		return nil, nil, err
	}
	switch {
	case private.objectType() != kmip.ObjectTypePrivateKey:
		return nil, nil, kmip.Fail(kmip.KindObjectType, "Re-key Key Pair names a private key; this is a %s", private.objectType())
	case private.destroyed():
		return nil, nil, kmip.Fail(kmip.KindObjectDestroyed, "the key is destroyed")
	case !private.hasValue():
		return nil, nil, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key")
	}
	for _, at := range private.attrs.Instances(kmip.AttributeID{Tag: kmip.TagLink}) {
		l := kmip.LinkOf(at.Value)
		if l.Type != kmip.LinkTypePublicKeyLink {
			continue
		}
		if public, err = s.load(ctx, sc, "ReKeyKeyPair", l.Target); err != nil {
			return nil, nil, err
		}
		if public.objectType() != kmip.ObjectTypePublicKey || public.destroyed() {
			return nil, nil, kmip.Fail(kmip.KindObjectType, "the other half of the pair is no public key, or destroyed")
		}
		return private, public, nil
	}
	return nil, nil, kmip.Fail(kmip.KindObjectNotFound, "the private key has no Public Key Link")
}

// inheritHalf computes the attributes of one new key, with the link to the old.
func (s *Service) inheritHalf(ctx context.Context, sc *Scope, old *managed, attrs kmip.Attributes, offset *time.Duration) (kmip.Attributes, error) {
	if err := checkCreation(attrs); err != nil {
		return nil, err
	}
	all, err := inherit(old, attrs, offset, sc.Now)
	if err != nil {
		return nil, err
	}
	if all, err = s.withKeyPolicy(ctx, sc, old.objectType(), all, true); err != nil {
		return nil, err
	}
	return append(all, kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeReplacedObjectLink, Target: old.row.UID}.Item())), nil
}
