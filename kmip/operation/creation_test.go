package operation_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
)

func format(f kmip.KeyFormatType) kmip.Item { return kmip.Enumeration(kmip.TagKeyFormatType, f) }

// From KMIP 2.0 keys are made in the Key Format Type that the client asks for, or
// in the default of their kind (2.1 §4.26).
func TestKeyFormatTypeAtCreation(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		for _, c := range []struct {
			name            string
			alg             kmip.CryptographicAlgorithm
			bits            int32
			asked           kmip.KeyFormatType // of the private key
			private, public kmip.KeyFormatType // that they get
		}{
			{"RSA", kmip.CryptographicAlgorithmRSA, 2048, 0, kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypePKCS1},
			{"RSA as PKCS#8", kmip.CryptographicAlgorithmRSA, 2048, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypePKCS1},
			{"RSA, transparent", kmip.CryptographicAlgorithmRSA, 2048, kmip.KeyFormatTypeTransparentRSAPrivateKey, kmip.KeyFormatTypeTransparentRSAPrivateKey, kmip.KeyFormatTypePKCS1},
			{"EC", kmip.CryptographicAlgorithmEC, 256, 0, kmip.KeyFormatTypeTransparentECPrivateKey, kmip.KeyFormatTypeTransparentECPublicKey},
			{"EC as ECPrivateKey", kmip.CryptographicAlgorithmEC, 256, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeTransparentECPublicKey},
		} {
			r := &payload.CreateKeyPairRequest{CommonAttributes: template(algorithm(c.alg), length(c.bits)), PrivateKeyAttributes: template(mask(kmip.CryptographicUsageMaskSign)), PublicKeyAttributes: template(mask(kmip.CryptographicUsageMaskVerify))}
			if c.asked != 0 {
				r.PrivateKeyAttributes.Attributes = r.PrivateKeyAttributes.Attributes.Set(format(c.asked))
			}
			pair := one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, r)
			for uid, want := range map[string]kmip.KeyFormatType{pair.PrivateKeyUniqueIdentifier: c.private, pair.PublicKeyUniqueIdentifier: c.public} {
				got := s.get(v, uid)
				if told := kmip.KeyFormatType(s.attributes(v, uid).Uint32(kmip.TagKeyFormatType)); got.Key.Format != want || told != want {
					t.Errorf("%s: a %s in %s, its attribute says %s; want %s", c.name, got.Type, got.Key.Format, told, want)
				}
			}
		}
		uid := s.create(v, append(items(aes()), format(kmip.KeyFormatTypeTransparentSymmetricKey))...)
		if got := s.get(v, uid).Key; got.Format != kmip.KeyFormatTypeTransparentSymmetricKey || got.Transparent == nil {
			t.Errorf("a symmetric key in %s", got.Format)
		}
		fresh := one[payload.ReKeyResponse](s, v, kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: ref(uid), Attributes: template(format(kmip.KeyFormatTypeTransparentSymmetricKey))}).UniqueIdentifier
		if got := s.get(v, fresh).Key.Format; got != kmip.KeyFormatTypeTransparentSymmetricKey {
			t.Errorf("a replacement in %s", got)
		}
		base := s.derivable(v, kmip.CryptographicAlgorithmHMACSHA256)
		derived := one[payload.DeriveKeyResponse](s, v, kmip.OperationDeriveKey, derivation(kmip.DerivationMethodHMAC, []string{base}, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, deriveData)}, format(kmip.KeyFormatTypeTransparentSymmetricKey))).UniqueIdentifier
		if got := s.get(v, derived).Key.Format; got != kmip.KeyFormatTypeTransparentSymmetricKey {
			t.Errorf("a derived key in %s", got)
		}
		s.fails(v, "a format that is none of such keys", kmip.OperationCreate, &payload.CreateRequest{
			ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(format(kmip.KeyFormatTypePKCS8)),
		}, kmip.ResultReasonKeyFormatTypeNotSupported)
	})
}

// What the server made has the digest of its value, in the format that it has and
// in the default format of its kind (2.1 §4.21, §4.26); that of the server's own
// encoding where the format is a structure.
func TestDigestsInTwoFormats(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		pair := one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
			CommonAttributes:     template(algorithm(kmip.CryptographicAlgorithmRSA), length(2048)),
			PrivateKeyAttributes: template(mask(kmip.CryptographicUsageMaskSign), format(kmip.KeyFormatTypePKCS8)), PublicKeyAttributes: template(mask(kmip.CryptographicUsageMaskVerify)),
		})
		transparent := s.create(v, append(items(aes()), format(kmip.KeyFormatTypeTransparentSymmetricKey))...)
		for uid, formats := range map[string][]kmip.KeyFormatType{
			pair.PrivateKeyUniqueIdentifier: {kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypePKCS1}, pair.PublicKeyUniqueIdentifier: {kmip.KeyFormatTypePKCS1},
			transparent: {kmip.KeyFormatTypeTransparentSymmetricKey, kmip.KeyFormatTypeRaw}, s.create(v, items(aes())...): {kmip.KeyFormatTypeRaw},
		} {
			digests := map[kmip.KeyFormatType]string{}
			for _, at := range s.attributes(v, uid).Instances(kmip.AttributeID{Tag: kmip.TagDigest}) {
				f, _ := at.Value.Field(kmip.TagKeyFormatType)
				d, _ := at.Value.Field(kmip.TagDigestValue)
				digests[kmip.KeyFormatType(f.Uint32())] = string(d.Bytes)
			}
			if len(digests) != len(formats) {
				t.Errorf("digests of %d formats, want %v", len(digests), formats)
			}
			for _, f := range formats {
				k := one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid), KeyFormatType: f}).Object.Key
				data := []byte(nil)
				if k.Transparent != nil {
					data = wire.Append(nil, k.Transparent.WithTag(kmip.TagKeyMaterial))
				} else {
					data = k.Material.Reveal()
				}
				if sum := sha256.Sum256(data); digests[f] != string(sum[:]) {
					t.Errorf("digest of %s: %x, want %x", f, digests[f], sum)
				}
			}
		}
	})
}

// A client may say which Random Number Generator is to make its key (1.3 §3.44):
// one that the server has, or the request fails.
func TestRandomNumberGeneratorAtCreation(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		generator := func(items ...kmip.Item) kmip.Item { return kmip.Structure(kmip.TagRandomNumberGenerator, items...) }
		drbg := kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmDRBG)
		told, _ := s.attributes(v, s.create(v, items(aes())...)).Get(kmip.TagRandomNumberGenerator)
		if len(told.Items) == 0 {
			t.Fatal("a key that the server made has no Random Number Generator")
		}
		for what, c := range map[string]struct {
			asked []kmip.Item
			ok    bool
		}{
			"what the server told": {[]kmip.Item{told}, true}, "a part of it": {[]kmip.Item{generator(drbg)}, true},
			"unspecified":          {[]kmip.Item{generator(kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmUnspecified))}, true},
			"another":              {[]kmip.Item{generator(kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmANSIX931))}, false},
			"a part of another":    {[]kmip.Item{generator(drbg, kmip.Enumeration(kmip.TagDRBGAlgorithm, kmip.DRBGAlgorithmHash))}, false},
			"several, one of ours": {[]kmip.Item{generator(kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmANSIX931)), told}, true},
			"several, none of ours": {[]kmip.Item{
				generator(kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmANSIX931)), generator(kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmFIPS1862)),
			}, false},
		} {
			r := s.try(v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(c.asked...)})
			if (r.Status == ok) != c.ok {
				t.Errorf("%s: %s %s (%s)", what, r.Status, r.Reason, r.Message)
				continue
			}
			if !c.ok {
				want := kmip.ResultReasonInvalidField
				if v >= kmip.V20 {
					want = kmip.ResultReasonInvalidAttributeValue
				}
				if r.Reason != want {
					t.Errorf("%s: %s, want %s", what, r.Reason, want)
				}
				continue
			}
			got := s.attributes(v, r.Payload.(*payload.CreateResponse).UniqueIdentifier).Instances(kmip.AttributeID{Tag: kmip.TagRandomNumberGenerator})
			if len(got) != 1 || !got[0].Value.Equal(told) {
				t.Errorf("%s: the key has %v, want %v", what, got, told)
			}
		}
		// What a client registers it may say itself, once.
		own := generator(kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmANSIX931))
		uid := s.register(v, symmetric(kmip.CryptographicAlgorithmAES, innerKey), own)
		if got, _ := s.attributes(v, uid).Get(kmip.TagRandomNumberGenerator); !got.Equal(own) {
			t.Errorf("a registered key has %v", got)
		}
		if r := s.try(v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(own, told), Object: symmetric(kmip.CryptographicAlgorithmAES, innerKey)}); r.Status != failed {
			t.Error("a key was registered that two generators made")
		}
		late := s.register(v, symmetric(kmip.CryptographicAlgorithmAES, innerKey))
		one[payload.AddAttributeResponse](s, v, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(late), NewAttribute: attribute(own)})
		if r := s.try(v, kmip.OperationDeleteAttribute, &payload.DeleteAttributeRequest{UniqueIdentifier: ref(late), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagRandomNumberGenerator}}}); r.Status != failed {
			t.Error("a Random Number Generator was deleted")
		}
	})
}

// Deactivate (3.0) ends the life of a key now or later, and keeps the reason.
func TestDeactivate(t *testing.T) {
	s := newServer(t)
	v := kmip.V30
	reason := &payload.DeactivationReason{DeactivationReasonCode: kmip.DeactivationReasonCodeUsageLimit, DeactivationMessage: "closed"}
	uid := s.create(v, items(aes(s.now()))...)
	one[payload.DeactivateResponse](s, v, kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref(uid), DeactivationReason: reason})
	a := s.attributes(v, uid)
	told, _ := a.Get(kmip.TagDeactivationReason)
	code, _ := told.Field(kmip.TagDeactivationReasonCode)
	if s.state(uid) != kmip.StateDeactivated || !a.Time(kmip.TagDeactivationDate).Equal(s.svc.Clock.Now()) || code.Uint32() != uint32(kmip.DeactivationReasonCodeUsageLimit) {
		t.Errorf("state %s, since %s, reason %d", s.state(uid), a.Time(kmip.TagDeactivationDate), code.Uint32())
	}
	s.fails(v, "twice", kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref(uid)}, kmip.ResultReasonWrongKeyLifecycleState)
	s.fails(v, "of a key that is not Active", kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref(s.create(v, items(aes())...))}, kmip.ResultReasonWrongKeyLifecycleState)
	s.fails(v, "of nothing", kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref("nothing")}, kmip.ResultReasonObjectNotFound)
	later := s.create(v, items(aes(s.now()))...)
	one[payload.DeactivateResponse](s, v, kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref(later), DeactivationDate: s.svc.Clock.Now().Add(time.Hour)})
	if got := s.state(later); got != kmip.StateActive {
		t.Errorf("state %s before its date", got)
	}
	s.svc.Clock.Advance(2 * time.Hour)
	if got := s.state(later); got != kmip.StateDeactivated {
		t.Errorf("state %s after its date", got)
	}
	archived := s.create(v, items(aes(s.now()))...)
	s.archive(archived)
	s.fails(v, "of an archived key", kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref(archived)}, kmip.ResultReasonObjectArchived)
	undone1 := s.create(v, items(aes(s.now()))...)
	r := s.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationDeactivate, &payload.DeactivateRequest{UniqueIdentifier: ref(undone1)}), getItem("nothing"))
	if !equal(statuses(r), []kmip.ResultStatus{undone, failed}) || s.state(undone1) != kmip.StateActive {
		t.Errorf("%v, state %s", statuses(r), s.state(undone1))
	}
}
