package operation_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

var splitMethods = []struct {
	name   string
	method kmip.SplitKeyMethod
	since  kmip.Version // of the method: the operations came with 1.2
	all    bool         // all parts are needed
	prime  bool
}{
	{"XOR", kmip.SplitKeyMethodXOR, kmip.V12, true, false},
	{"Polynomial Sharing GF(2^16)", kmip.SplitKeyMethodPolynomialSharingGF216, kmip.V12, false, false},
	{"Polynomial Sharing Prime Field", kmip.SplitKeyMethodPolynomialSharingPrimeField, kmip.V12, false, true},
	{"Polynomial Sharing GF(2^8)", kmip.SplitKeyMethodPolynomialSharingGF28, kmip.V12, false, false},
}

// primeField is 2^521 - 1, as a Big Integer.
func primeField() *kmip.Item {
	b := bytes.Repeat([]byte{0xff}, 72)
	copy(b, []byte{0, 0, 0, 0, 0, 0, 1})
	return &kmip.Item{Tag: kmip.TagPrimeFieldSize, Type: kmip.TypeBigInteger, Bytes: b}
}

// splitting is a request to split a key, or a new one.
func splitting(method kmip.SplitKeyMethod, uid string, parts, threshold int32, attrs ...kmip.Item) *payload.CreateSplitKeyRequest {
	r := &payload.CreateSplitKeyRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, SplitKeyParts: &parts, SplitKeyThreshold: &threshold, SplitKeyMethod: method, Attributes: template(attrs...),
	}
	if uid != "" {
		r.UniqueIdentifier = ref(uid)
	}
	if method == kmip.SplitKeyMethodPolynomialSharingPrimeField {
		r.PrimeFieldSize = primeField()
	}
	return r
}

func joining(t kmip.ObjectType, parts []string, attrs ...kmip.Item) *payload.JoinSplitKeyRequest {
	r := &payload.JoinSplitKeyRequest{ObjectType: t, Attributes: template(attrs...)}
	for _, p := range parts {
		r.UniqueIdentifier = append(r.UniqueIdentifier, ref(p))
	}
	return r
}

func (s *server) split(v kmip.Version, r *payload.CreateSplitKeyRequest) []string {
	s.t.Helper()
	return one[payload.CreateSplitKeyResponse](s, v, kmip.OperationCreateSplitKey, r).UniqueIdentifier
}

func (s *server) join(v kmip.Version, r *payload.JoinSplitKeyRequest) string {
	s.t.Helper()
	return one[payload.JoinSplitKeyResponse](s, v, kmip.OperationJoinSplitKey, r).UniqueIdentifier
}

// Each method of each version splits a key into parts that join to it again, and
// fewer parts do not.
func TestSplitAndJoinByEveryMethodInEveryVersion(t *testing.T) {
	whole := bytes.Repeat([]byte{0xc3, 0x5a, 0x00, 0xff}, 8)
	for _, c := range splitMethods {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			key := s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, whole))
			for _, v := range since(c.since) {
				threshold := int32(3)
				if c.all {
					threshold = 4
				}
				parts := s.split(v, splitting(c.method, key, 4, threshold))
				if len(parts) != 4 {
					t.Fatalf("KMIP %s: %d parts", v, len(parts))
				}
				for i, p := range parts {
					o := s.get(v, p)
					if o.Type != kmip.ObjectTypeSplitKey || o.Split.Identifier != int32(i+1) || o.Split.Parts != 4 || o.Split.Threshold != threshold || o.Split.Method != c.method {
						t.Errorf("KMIP %s: part %d is %+v", v, i+1, o.Split)
					}
					if bytes.Equal(o.Key.Material.Reveal(), whole) {
						t.Errorf("KMIP %s: part %d is the key", v, i+1)
					}
				}
				enough := slices.Clone(parts)
				if !c.all {
					enough = []string{parts[3], parts[0], parts[2]}
				}
				if got := s.material(v, s.join(v, joining(kmip.ObjectTypeSymmetricKey, enough))); !bytes.Equal(got, whole) {
					t.Errorf("KMIP %s: joined %x", v, got)
				}
				s.fails(v, "too few parts", kmip.OperationJoinSplitKey, joining(kmip.ObjectTypeSymmetricKey, enough[1:]), kmip.ResultReasonCryptographicFailure)
			}
		})
	}
}

// Parts of an existing key have its attributes, whatever the request says, and
// tell which key they are of; the first part is the ID Placeholder.
func TestPartsOfAKeyThatIsThere(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		key := s.create(kmip.V21, s.now(), algorithm(kmip.CryptographicAlgorithmAES), length(256), mask(kmip.CryptographicUsageMaskEncrypt), kmip.Boolean(kmip.TagSensitive, true))
		request := splitting(kmip.SplitKeyMethodXOR, key, 2, 2, algorithm(kmip.CryptographicAlgorithmDES3), length(168), mask(kmip.CryptographicUsageMaskDecrypt), name("parts"), kmip.Text(kmip.TagContactInformation, "safe 3"))
		r := s.send(v, 0, batch(kmip.OperationCreateSplitKey, request), batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{}))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		parts := r.Items[0].Payload.(*payload.CreateSplitKeyResponse).UniqueIdentifier
		if got := r.Items[1].Payload.(*payload.GetAttributesResponse).UniqueIdentifier; got != parts[0] {
			t.Errorf("the ID Placeholder is %s, want the first of %v", got, parts)
		}
		for i, p := range parts {
			a := s.attributes(kmip.V30, p)
			if a.Uint32(kmip.TagCryptographicAlgorithm) != uint32(kmip.CryptographicAlgorithmAES) || a.Int32(kmip.TagCryptographicLength) != 256 ||
				a.Uint32(kmip.TagCryptographicUsageMask) != uint32(kmip.CryptographicUsageMaskEncrypt) || !a.Bool(kmip.TagSensitive) {
				t.Errorf("part %d: %s, %d bits, mask %x, sensitive %t", i+1, kmip.CryptographicAlgorithm(a.Uint32(kmip.TagCryptographicAlgorithm)),
					a.Int32(kmip.TagCryptographicLength), a.Uint32(kmip.TagCryptographicUsageMask), a.Bool(kmip.TagSensitive))
			}
			if a.Text(kmip.TagSplitKeyBaseLink) != key || a.Text(kmip.TagContactInformation) != "safe 3" || a.Int32(kmip.TagKeyPartIdentifier) != int32(i+1) || a.Int32(kmip.TagSplitKeyParts) != 2 {
				t.Errorf("part %d of 3.0: %v", i+1, a)
			}
			if named := len(a.Names()) == 1; named != (i == 0) {
				t.Errorf("part %d has the Names %v", i+1, a.Names())
			}
			s.fails(v, "get of a part of a sensitive key", kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(p)}, sensitiveIn(v))
		}
		whole := s.join(v, joining(kmip.ObjectTypeSymmetricKey, parts, name("whole")))
		a := s.attributes(kmip.V30, whole)
		if !a.Bool(kmip.TagSensitive) || len(a.Instances(kmip.AttributeID{Tag: kmip.TagJoinedSplitKeyPartsLink})) != 2 {
			t.Errorf("what was joined of sensitive parts: %v", a)
		}
	})
}

// sensitiveIn is the reason of a version for what is sensitive: 1.4 gave it one.
func sensitiveIn(v kmip.Version) kmip.ResultReason {
	if v < kmip.V14 {
		return kmip.ResultReasonPermissionDenied
	}
	return kmip.ResultReasonSensitive
}

// Without a key a new one is split: nobody ever has it whole.
func TestSplitOfANewKey(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		r := s.send(v, 0, createItem("another"), batch(kmip.OperationCreateSplitKey, splitting(kmip.SplitKeyMethodPolynomialSharingGF216, "", 3, 2,
			algorithm(kmip.CryptographicAlgorithmAES), length(192), mask(kmip.CryptographicUsageMaskDecrypt), s.now())), getItem(""))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		parts := r.Items[1].Payload.(*payload.CreateSplitKeyResponse).UniqueIdentifier
		if got := r.Items[2].Payload.(*payload.GetResponse); got.UniqueIdentifier != parts[0] || len(parts) != 3 {
			t.Errorf("the ID Placeholder is %s, want the first of %v", got.UniqueIdentifier, parts)
		}
		r = s.send(v, 0, batch(kmip.OperationJoinSplitKey, joining(kmip.ObjectTypeSymmetricKey, parts[1:])), getItem(""))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		a := r.Items[1].Payload.(*payload.GetResponse)
		b := s.material(v, s.join(v, joining(kmip.ObjectTypeSymmetricKey, parts[:2])))
		if !bytes.Equal(a.Object.Key.Material.Reveal(), b) || len(b) != 24 || a.Object.Key.Algorithm != kmip.CryptographicAlgorithmAES {
			t.Errorf("two and two parts make %x and %x", a.Object.Key.Material.Reveal(), b)
		}
		if got := s.state(parts[0]); got != kmip.StateActive {
			t.Errorf("state of a part: %s, want Active", got)
		}
		if a := s.attributes(kmip.V21, parts[0]); !a.Has(kmip.TagOriginalCreationDate) {
			t.Error("the server made the parts and they have no Original Creation Date")
		}
	})
}

func TestSplitOfPrivateKeysAndSecretData(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		pair := s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
		whole := s.material(v, pair.PrivateKeyUniqueIdentifier)
		request := splitting(kmip.SplitKeyMethodPolynomialSharingGF28, pair.PrivateKeyUniqueIdentifier, 3, 2)
		request.ObjectType = kmip.ObjectTypePrivateKey
		joined := s.join(v, joining(kmip.ObjectTypePrivateKey, s.split(v, request)[1:], s.now(), mask(kmip.CryptographicUsageMaskSign)))
		if got := s.get(v, joined); got.Type != kmip.ObjectTypePrivateKey || !bytes.Equal(got.Key.Material.Reveal(), whole) {
			t.Error("the private key is another one")
		}
		signed := one[payload.SignResponse](s, v, kmip.OperationSign, &payload.SignRequest{
			UniqueIdentifier: ref(joined), Data: payload.Data{Bytes: []byte("m")},
			CryptographicParameters: parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)),
		})
		if len(signed.SignatureData) != 256 {
			t.Errorf("a signature of %d bytes", len(signed.SignatureData))
		}

		pass := s.register(v, password("correct horse"))
		request = splitting(kmip.SplitKeyMethodPolynomialSharingPrimeField, pass, 2, 2)
		request.ObjectType = kmip.ObjectTypeSecretData
		join := joining(kmip.ObjectTypeSecretData, s.split(v, request))
		join.SecretDataType = kmip.SecretDataTypePassword
		got := s.get(v, s.join(v, join))
		if got.Type != kmip.ObjectTypeSecretData || got.SecretDataType != kmip.SecretDataTypePassword || string(got.Key.Material.Reveal()) != "correct horse" {
			t.Errorf("secret data: %+v %q", got, got.Key.Material.Reveal())
		}
	})
}

// Parts that clients made themselves are registered, and joined here.
func TestRegisteredPartsAreJoined(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		whole := bytes.Repeat([]byte{0x77}, 16)
		share := bytes.Repeat([]byte{0x1e}, 16)
		other := make([]byte, 16)
		for i := range other {
			other[i] = whole[i] ^ share[i]
		}
		var parts []string
		for i, value := range [][]byte{share, other} {
			parts = append(parts, s.register(v, &kmip.Object{
				Type: kmip.ObjectTypeSplitKey, Split: &kmip.SplitPart{Parts: 2, Identifier: int32(i + 1), Threshold: 2, Method: kmip.SplitKeyMethodXOR},
				Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(value), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128},
			}))
		}
		if got := s.material(v, s.join(v, joining(kmip.ObjectTypeSymmetricKey, parts))); !bytes.Equal(got, whole) {
			t.Errorf("joined %x, want %x", got, whole)
		}
	})
}

// KMIP 3.0 tells the polynomial of a split; the other versions have one each.
func TestPolynomialOfASplit(t *testing.T) {
	s := newServer(t)
	key := s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, bytes.Repeat([]byte{9}, 16)))
	for v, want := range map[kmip.Version]kmip.SplitKeyPolynomial{
		kmip.V12: kmip.SplitKeyPolynomialPolynomial283, kmip.V14: kmip.SplitKeyPolynomialPolynomial283,
		kmip.V20: kmip.SplitKeyPolynomialPolynomial285, kmip.V21: kmip.SplitKeyPolynomialPolynomial285, kmip.V30: kmip.SplitKeyPolynomialPolynomial285,
	} {
		part := s.split(v, splitting(kmip.SplitKeyMethodPolynomialSharingGF28, key, 2, 2))[0]
		if got := s.attributes(kmip.V30, part).Uint32(kmip.TagSplitKeyPolynomial); got != uint32(want) {
			t.Errorf("a split of KMIP %s has polynomial %d, want %d", v, got, want)
		}
	}
	part := s.split(kmip.V30, splitting(kmip.SplitKeyMethodPolynomialSharingGF28, key, 2, 2, kmip.Enumeration(kmip.TagSplitKeyPolynomial, kmip.SplitKeyPolynomialPolynomial283)))
	if got := s.attributes(kmip.V30, part[0]).Uint32(kmip.TagSplitKeyPolynomial); got != uint32(kmip.SplitKeyPolynomialPolynomial283) {
		t.Errorf("polynomial %d, another was asked for", got)
	}
	// Parts join in any version, whichever made them.
	for _, v := range since(kmip.V12) {
		if got := s.material(v, s.join(v, joining(kmip.ObjectTypeSymmetricKey, part))); !bytes.Equal(got, bytes.Repeat([]byte{9}, 16)) {
			t.Errorf("joined in KMIP %s: %x", v, got)
		}
	}
}

func TestUndoTakesPartsBack(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		r := s.send(v, kmip.BatchErrorContinuationOptionUndo,
			batch(kmip.OperationCreateSplitKey, splitting(kmip.SplitKeyMethodXOR, "", 2, 2, name("half"))), getItem(""), getItem("nothing"))
		if !equal(statuses(r), []kmip.ResultStatus{undone, undone, failed}) {
			t.Fatalf("%+v", r.Items)
		}
		if found := one[payload.LocateResponse](s, v, kmip.OperationLocate, &payload.LocateRequest{}); len(found.UniqueIdentifier) != 0 {
			t.Errorf("%d objects are left", len(found.UniqueIdentifier))
		}
		r = s.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationCreateSplitKey, splitting(kmip.SplitKeyMethodXOR, "", 2, 2, name("half"))), getItem(""))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		if op, uid, outcome := s.lastRecord(); op != "Get" || uid == "" || outcome != "success" {
			t.Errorf("recorded %s of %q: %s", op, uid, outcome)
		}
	})
}
