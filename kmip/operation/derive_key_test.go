package operation_test

import (
	"bytes"
	stdaes "crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

var (
	deriveSalt = []byte("salt of a test")
	deriveData = []byte("thirty-two bytes of data for one")
	deriveBase = bytes.Repeat([]byte{0x3c}, 32)
)

// derivation is a request to derive an AES-128 key.
func derivation(method kmip.DerivationMethod, bases []string, parameters []kmip.Item, attrs ...kmip.Item) *payload.DeriveKeyRequest {
	p := kmip.Structure(kmip.TagDerivationParameters, parameters...)
	r := &payload.DeriveKeyRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, DerivationMethod: method, DerivationParameters: &p,
		Attributes: template(append([]kmip.Item{algorithm(kmip.CryptographicAlgorithmAES), length(128), mask(kmip.CryptographicUsageMaskEncrypt)}, attrs...)...),
	}
	for _, b := range bases {
		r.UniqueIdentifier = append(r.UniqueIdentifier, ref(b))
	}
	return r
}

// derivable registers an Active key that keys may be derived from.
func (s *server) derivable(v kmip.Version, a kmip.CryptographicAlgorithm, more ...kmip.Item) string {
	s.t.Helper()
	return s.register(v, symmetric(a, deriveBase), append([]kmip.Item{s.now(), mask(kmip.CryptographicUsageMaskDeriveKey)}, more...)...)
}

func TestDeriveKeyByEveryMethodInEveryVersion(t *testing.T) {
	sha256Of := parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
	cbc := parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodNone))
	data := kmip.ByteString(kmip.TagDerivationData, deriveData)
	salt := kmip.ByteString(kmip.TagSalt, deriveSalt)
	mac := func(parts ...[]byte) []byte {
		m := hmac.New(sha256.New, deriveBase)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	iv := bytes.Repeat([]byte{7}, stdaes.BlockSize)
	encrypted := func() []byte {
		block, _ := stdaes.NewCipher(deriveBase)
		out := make([]byte, len(deriveData))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, deriveData)
		return out
	}
	stretched, _ := pbkdf2.Key(sha1.New, string(deriveBase), deriveSalt, 100, 16)
	expanded, _ := hkdf.Key(sha256.New, deriveBase, deriveSalt, string(deriveData), 16)
	hashed := sha256.Sum256(deriveBase)
	for _, c := range []struct {
		name       string
		method     kmip.DerivationMethod
		since      kmip.Version
		algorithm  kmip.CryptographicAlgorithm
		parameters []kmip.Item
		want       []byte // nil: only its length is known here
	}{
		{"PBKDF2", kmip.DerivationMethodPBKDF2, kmip.V10, kmip.CryptographicAlgorithmAES, []kmip.Item{salt, kmip.Integer(kmip.TagIterationCount, 100)}, stretched},
		{"HASH", kmip.DerivationMethodHASH, kmip.V10, kmip.CryptographicAlgorithmAES, []kmip.Item{*sha256Of}, hashed[:16]},
		{"HMAC", kmip.DerivationMethodHMAC, kmip.V10, kmip.CryptographicAlgorithmHMACSHA256, []kmip.Item{data}, mac(deriveData)[:16]},
		{"ENCRYPT", kmip.DerivationMethodENCRYPT, kmip.V10, kmip.CryptographicAlgorithmAES, []kmip.Item{*cbc, kmip.ByteString(kmip.TagInitializationVector, iv), data}, encrypted()[:16]},
		{"NIST800-108-C", kmip.DerivationMethodNIST800108C, kmip.V10, kmip.CryptographicAlgorithmHMACSHA256, []kmip.Item{data}, mac([]byte{0, 0, 0, 1}, deriveData)[:16]},
		{"NIST800-108-F", kmip.DerivationMethodNIST800108F, kmip.V10, kmip.CryptographicAlgorithmHMACSHA256, []kmip.Item{data}, nil},
		{"NIST800-108-DPI", kmip.DerivationMethodNIST800108DPI, kmip.V10, kmip.CryptographicAlgorithmHMACSHA256, []kmip.Item{data}, nil},
		{"HKDF", kmip.DerivationMethodHKDF, kmip.V20, kmip.CryptographicAlgorithmAES, []kmip.Item{salt, data}, expanded},
		{"AWS Signature Version 4", kmip.DerivationMethodAWSSignatureVersion4, kmip.V20, kmip.CryptographicAlgorithmAES, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, []byte("20260101/eu-north-1/store"))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			base := s.derivable(kmip.V14, c.algorithm)
			for _, v := range kmip.Versions {
				r := s.try(v, kmip.OperationDeriveKey, derivation(c.method, []string{base}, c.parameters))
				if v < c.since {
					if r.Status != failed {
						t.Errorf("KMIP %s has no such method", v)
					}
					continue
				}
				if r.Status != ok {
					t.Errorf("KMIP %s: %s (%s)", v, r.Reason, r.Message)
					continue
				}
				got := s.material(v, r.Payload.(*payload.DeriveKeyResponse).UniqueIdentifier)
				if len(got) != 16 || c.want != nil && !bytes.Equal(got, c.want) {
					t.Errorf("KMIP %s: derived %x, want %x", v, got, c.want)
				}
			}
		})
	}
}

// A derived key links to what it was derived from, and that to it; it is the ID
// Placeholder; it is an object like any other that the server made.
func TestDerivedKeyIsAnObjectOfItsOwn(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		base := s.derivable(v, kmip.CryptographicAlgorithmAES)
		data := s.register(v, password("derivation data"), s.now(), mask(kmip.CryptographicUsageMaskDeriveKey))
		request := derivation(kmip.DerivationMethodHMAC, []string{base, data}, []kmip.Item{*parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))},
			name("derived"), kmip.Text(kmip.TagContactInformation, "desk 5"), s.now())
		r := s.send(v, 0, batch(kmip.OperationDeriveKey, request), getItem(""), batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{}))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		uid := r.Items[0].Payload.(*payload.DeriveKeyResponse).UniqueIdentifier
		m := hmac.New(sha256.New, deriveBase)
		m.Write([]byte("derivation data"))
		if got := r.Items[1].Payload.(*payload.GetResponse); got.UniqueIdentifier != uid || !bytes.Equal(got.Object.Key.Material.Reveal(), m.Sum(nil)[:16]) {
			t.Errorf("the ID Placeholder is %s, want %s", got.UniqueIdentifier, uid)
		}
		if got := s.links(uid)[kmip.LinkTypeDerivationBaseObjectLink]; len(got) != 2 || got[0] != base || got[1] != data {
			t.Errorf("base objects %v, want %s and %s", got, base, data)
		}
		for _, b := range []string{base, data} {
			if got := s.links(b)[kmip.LinkTypeDerivedKeyLink]; len(got) != 1 || got[0] != uid {
				t.Errorf("derived keys of %s: %v, want %s", b, got, uid)
			}
		}
		a := s.attributes(kmip.V21, uid)
		if got := a.Names(); len(got) != 1 || got[0] != "derived" {
			t.Errorf("names %v", got)
		}
		for _, tag := range []kmip.Tag{kmip.TagContactInformation, kmip.TagOriginalCreationDate, kmip.TagRandomNumberGenerator, kmip.TagDigest, kmip.TagFresh} {
			if !a.Has(tag) {
				t.Errorf("a derived key has no %s", tag)
			}
		}
		if got := s.state(uid); got != kmip.StateActive {
			t.Errorf("state %s, want Active by its Activation Date", got)
		}
	})
}

func TestDeriveSecretData(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		base := s.register(v, password("a pass phrase"), s.now(), mask(kmip.CryptographicUsageMaskDeriveKey))
		r := derivation(kmip.DerivationMethodPBKDF2, []string{base}, []kmip.Item{kmip.ByteString(kmip.TagSalt, deriveSalt), kmip.Integer(kmip.TagIterationCount, 10)})
		r.ObjectType, r.Attributes = kmip.ObjectTypeSecretData, template(length(400))
		uid := one[payload.DeriveKeyResponse](s, v, kmip.OperationDeriveKey, r).UniqueIdentifier
		want, _ := pbkdf2.Key(sha1.New, "a pass phrase", deriveSalt, 10, 50)
		if got := s.get(v, uid); got.Type != kmip.ObjectTypeSecretData || !bytes.Equal(got.Key.Material.Reveal(), want) {
			t.Errorf("derived %+v", got)
		}
	})
}

// Two parties that derive from their private and each other's public key get the
// same key.
func TestDeriveKeyByAgreement(t *testing.T) {
	derive := kmip.CryptographicUsageMaskDeriveKey
	for _, c := range []struct {
		name  string
		alg   kmip.CryptographicAlgorithm
		bits  int32
		curve kmip.RecommendedCurve
	}{
		{"ECDH on P-256", kmip.CryptographicAlgorithmECDH, 256, kmip.RecommendedCurveP256},
		{"EC on P-384", kmip.CryptographicAlgorithmEC, 384, kmip.RecommendedCurveP384},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			domain := kmip.Structure(kmip.TagCryptographicDomainParameters, kmip.Enumeration(kmip.TagRecommendedCurve, c.curve))
			a := s.pair(kmip.V14, c.alg, c.bits, derive, derive, domain)
			b := s.pair(kmip.V14, c.alg, c.bits, derive, derive, domain)
			for _, v := range since(kmip.V14) {
				var got [][]byte
				for _, bases := range [][]string{
					{a.PrivateKeyUniqueIdentifier, b.PublicKeyUniqueIdentifier}, {a.PublicKeyUniqueIdentifier, b.PrivateKeyUniqueIdentifier},
				} {
					uid := one[payload.DeriveKeyResponse](s, v, kmip.OperationDeriveKey, derivation(kmip.DerivationMethodAsymmetricKey, bases, nil)).UniqueIdentifier
					got = append(got, s.material(v, uid))
				}
				if !bytes.Equal(got[0], got[1]) || len(got[0]) != 16 {
					t.Errorf("KMIP %s: %x and %x", v, got[0], got[1])
				}
			}
		})
	}
}

// The ID Placeholder stands for no base object (1.4 §4.6, 2.1 §6.1.14).
func TestDeriveKeyDoesNotReadThePlaceholder(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		r := s.send(v, 0, batch(kmip.OperationCreate, &payload.CreateRequest{
			ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(s.now(), algorithm(kmip.CryptographicAlgorithmAES), length(128), mask(kmip.CryptographicUsageMaskDeriveKey)),
		}), batch(kmip.OperationDeriveKey, derivation(kmip.DerivationMethodHASH, nil, []kmip.Item{*parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))})))
		if !equal(statuses(r), []kmip.ResultStatus{ok, failed}) || r.Items[1].Reason != kmip.ResultReasonInvalidMessage {
			t.Errorf("%+v", r.Items)
		}
		if v < kmip.V20 {
			return
		}
		named := derivation(kmip.DerivationMethodHASH, nil, []kmip.Item{*parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))})
		named.UniqueIdentifier = []kmip.Reference{{Enum: kmip.UniqueIdentifierEnumerationIDPlaceholder}}
		r = s.send(v, 0, batch(kmip.OperationCreate, &payload.CreateRequest{
			ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(s.now(), mask(kmip.CryptographicUsageMaskDeriveKey)),
		}), batch(kmip.OperationDeriveKey, named))
		if !equal(statuses(r), []kmip.ResultStatus{ok, failed}) || r.Items[1].Reason != kmip.ResultReasonInvalidField {
			t.Errorf("the ID Placeholder by its name: %+v", r.Items)
		}
		named.UniqueIdentifier = []kmip.Reference{{Enum: kmip.UniqueIdentifierEnumerationCreate}}
		r = s.send(v, 0, batch(kmip.OperationCreate, &payload.CreateRequest{
			ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(s.now(), mask(kmip.CryptographicUsageMaskDeriveKey)),
		}), batch(kmip.OperationDeriveKey, named))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
			t.Errorf("the result of Create by its name: %+v", r.Items)
		}
	})
}

func TestUndoTakesADerivedKeyAndItsLinksBack(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		base := s.derivable(v, kmip.CryptographicAlgorithmHMACSHA256)
		r := s.send(v, kmip.BatchErrorContinuationOptionUndo,
			batch(kmip.OperationDeriveKey, derivation(kmip.DerivationMethodHMAC, []string{base}, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, deriveData)})), getItem("nothing"))
		if !equal(statuses(r), []kmip.ResultStatus{undone, failed}) {
			t.Fatalf("%+v", r.Items)
		}
		if got := s.links(base); len(got) != 0 {
			t.Errorf("links afterwards: %v", got)
		}
		gone := r.Items[0].Payload.(*payload.DeriveKeyResponse).UniqueIdentifier
		if got := s.try(v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(gone)}); got.Status != failed {
			t.Error("the derived key is still there")
		}
		one[payload.DeriveKeyResponse](s, v, kmip.OperationDeriveKey, derivation(kmip.DerivationMethodHMAC, []string{base}, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, deriveData)}, name("again")))
		if op, _, outcome := s.lastRecord(); op != "DeriveKey" || outcome != "success" {
			t.Errorf("recorded %s %s", op, outcome)
		}
	})
}

// A base object that is no longer Active derives nothing; dates in the future are
// not reached yet.
func TestDeriveKeyHonoursTheDatesOfTheBase(t *testing.T) {
	s := newServer(t)
	stop := kmip.DateTime(kmip.TagProtectStopDate, s.svc.Clock.Now().Add(time.Hour))
	base := s.derivable(kmip.V21, kmip.CryptographicAlgorithmHMACSHA256, stop)
	request := func() *payload.DeriveKeyRequest {
		return derivation(kmip.DerivationMethodHMAC, []string{base}, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, deriveData)})
	}
	one[payload.DeriveKeyResponse](s, kmip.V21, kmip.OperationDeriveKey, request())
	s.svc.Clock.Advance(2 * time.Hour)
	s.fails(kmip.V21, "after Protect Stop Date", kmip.OperationDeriveKey, request(), kmip.ResultReasonWrongKeyLifecycleState)
}
