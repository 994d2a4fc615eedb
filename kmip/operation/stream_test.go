package operation_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// portions are the data of the tests, as clients send them: the first and the
// last may be empty.
var portions = [][]byte{[]byte("the first portion, "), {}, []byte("another one that is longer than a block or two, "), []byte("the last")}

func whole() []byte { return bytes.Join(portions, nil) }

// keys are the keys of the streaming tests.
type streamKeys struct {
	cipher, mac, private, public string
}

func (s *server) streamKeys() streamKeys {
	s.t.Helper()
	pair := s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
	return streamKeys{
		cipher:  s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, innerKey), s.now(), mask(kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt)),
		mac:     s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmHMACSHA256, macMaterial), s.now(), mask(kmip.CryptographicUsageMaskMACGenerate|kmip.CryptographicUsageMaskMACVerify)),
		private: pair.PrivateKeyUniqueIdentifier, public: pair.PublicKeyUniqueIdentifier,
	}
}

// parts sends the portions one after another: the first with the Init Indicator,
// the last with the Final Indicator, those after the first with the Correlation
// Value of the answer to the first.
func parts[Resp any](s *server, v kmip.Version, op kmip.Operation, request func(data []byte, correlation []byte, first, last *bool) any, correlation func(*Resp) []byte) []*Resp {
	s.t.Helper()
	var all []*Resp
	var c []byte
	for i, p := range portions {
		var first, last *bool
		if i == 0 {
			first = ptr(true)
		}
		if i == len(portions)-1 {
			last = ptr(true)
		}
		r := one[Resp](s, v, op, request(p, c, first, last))
		switch got := correlation(r); {
		case last == nil && len(got) == 0:
			s.t.Fatalf("%s in KMIP %s: part %d has no Correlation Value", op, v, i)
		case last != nil && got != nil:
			s.t.Errorf("%s in KMIP %s: the last part has a Correlation Value", op, v)
		default:
			c = got
		}
		all = append(all, r)
	}
	return all
}

func TestEncryptAndDecryptInParts(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		k := s.streamKeys()
		for _, c := range []struct {
			name       string
			parameters *kmip.Item
			since      kmip.Version
		}{
			{"CBC", parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5), kmip.Boolean(kmip.TagRandomIV, true)), kmip.V13},
			{"CTR", parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCTR), kmip.Boolean(kmip.TagRandomIV, true)), kmip.V13},
			{"GCM", parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Boolean(kmip.TagRandomIV, true), kmip.Integer(kmip.TagTagLength, 16)), kmip.V14},
		} {
			if v < c.since {
				continue
			}
			aad := []byte(nil)
			if c.name == "GCM" {
				aad = []byte("header")
			}
			var out, iv, tag []byte
			for i, r := range parts(s, v, kmip.OperationEncrypt, func(data, correlation []byte, first, last *bool) any {
				r := &payload.EncryptRequest{Data: payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last}
				if first != nil {
					r.UniqueIdentifier, r.CryptographicParameters, r.AuthenticatedEncryptionAdditionalData = ref(k.cipher), c.parameters, aad
				}
				return r
			}, func(r *payload.EncryptResponse) []byte { return r.CorrelationValue }) {
				if r.UniqueIdentifier != k.cipher {
					t.Errorf("%s: part %d is of %s", c.name, i, r.UniqueIdentifier)
				}
				if r.AuthenticatedEncryptionTag != nil && i < len(portions)-1 {
					t.Errorf("%s: part %d has a tag", c.name, i)
				}
				out = append(out, r.Data...)
				if i == 0 {
					iv = r.IVCounterNonce
				}
				tag = r.AuthenticatedEncryptionTag
			}
			if len(iv) == 0 {
				t.Errorf("%s: no IV came with the first part", c.name)
			}
			// In one part it is the same.
			dec := one[payload.DecryptResponse](s, v, kmip.OperationDecrypt, &payload.DecryptRequest{
				UniqueIdentifier: ref(k.cipher), CryptographicParameters: c.parameters, Data: payload.Data{Bytes: out}, IVCounterNonce: iv,
				AuthenticatedEncryptionAdditionalData: aad, AuthenticatedEncryptionTag: tag,
			})
			if !bytes.Equal(dec.Data, whole()) {
				t.Errorf("%s: decrypted to %q", c.name, dec.Data)
			}
			// And decrypted in parts, cut elsewhere.
			var back, correlation []byte
			for at := 0; at < len(out); at += 20 {
				end := min(at+20, len(out))
				r := &payload.DecryptRequest{Data: payload.Data{Bytes: out[at:end]}, CorrelationValue: correlation}
				if at == 0 {
					r.UniqueIdentifier, r.CryptographicParameters, r.IVCounterNonce, r.InitIndicator = ref(k.cipher), c.parameters, iv, ptr(true)
					r.AuthenticatedEncryptionAdditionalData, r.AuthenticatedEncryptionTag = aad, tag
				}
				if end == len(out) {
					r.FinalIndicator = ptr(true)
				}
				got := one[payload.DecryptResponse](s, v, kmip.OperationDecrypt, r)
				back, correlation = append(back, got.Data...), got.CorrelationValue
			}
			if !bytes.Equal(back, whole()) {
				t.Errorf("%s: decrypted in parts to %q", c.name, back)
			}
		}
	})
}

func TestSignAndVerifyInParts(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		k := s.streamKeys()
		pkcs1 := parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
		answers := parts(s, v, kmip.OperationSign, func(data, correlation []byte, first, last *bool) any {
			r := &payload.SignRequest{Data: payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last}
			if first != nil {
				r.UniqueIdentifier, r.CryptographicParameters = ref(k.private), pkcs1
			}
			return r
		}, func(r *payload.SignResponse) []byte { return r.CorrelationValue })
		for i, r := range answers[:len(answers)-1] {
			if r.SignatureData != nil {
				t.Errorf("part %d has a signature", i)
			}
		}
		signature := answers[len(answers)-1].SignatureData
		single := one[payload.SignatureVerifyResponse](s, v, kmip.OperationSignatureVerify, &payload.SignatureVerifyRequest{
			UniqueIdentifier: ref(k.public), CryptographicParameters: pkcs1, Data: payload.Data{Bytes: whole()}, SignatureData: signature,
		})
		if single.ValidityIndicator != kmip.ValidityIndicatorValid {
			t.Errorf("the signature made in parts is %s", single.ValidityIndicator)
		}
		for _, c := range []struct {
			signature []byte
			want      kmip.ValidityIndicator
		}{{signature, kmip.ValidityIndicatorValid}, {make([]byte, 256), kmip.ValidityIndicatorInvalid}} {
			answers := parts(s, v, kmip.OperationSignatureVerify, func(data, correlation []byte, first, last *bool) any {
				r := &payload.SignatureVerifyRequest{Data: payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last}
				if first != nil {
					r.UniqueIdentifier, r.CryptographicParameters = ref(k.public), pkcs1
				}
				if last != nil {
					r.SignatureData = c.signature
				}
				return r
			}, func(r *payload.SignatureVerifyResponse) []byte { return r.CorrelationValue })
			for i, r := range answers[:len(answers)-1] {
				if want := undecided(v); r.ValidityIndicator != want {
					t.Errorf("part %d says %s, want %s", i, r.ValidityIndicator, want)
				}
			}
			if got := answers[len(answers)-1].ValidityIndicator; got != c.want {
				t.Errorf("verified in parts: %s, want %s", got, c.want)
			}
		}
	})
}

// undecided is what a part that is not the last says of the validity: KMIP 1.x
// demands that it says something.
func undecided(v kmip.Version) kmip.ValidityIndicator {
	if v < kmip.V20 {
		return kmip.ValidityIndicatorUnknown
	}
	return 0
}

func TestMACInParts(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		k := s.streamKeys()
		answers := parts(s, v, kmip.OperationMAC, func(data, correlation []byte, first, last *bool) any {
			return &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last}
		}, func(r *payload.MACResponse) []byte { return r.CorrelationValue })
		code := answers[len(answers)-1].MACData
		single := one[payload.MACResponse](s, v, kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: whole()}})
		if answers[0].MACData != nil || !bytes.Equal(code, single.MACData) {
			t.Errorf("in parts %x, in one %x", code, single.MACData)
		}
		verified := parts(s, v, kmip.OperationMACVerify, func(data, correlation []byte, first, last *bool) any {
			r := &payload.MACVerifyRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last}
			if last != nil {
				r.MACData = code
			}
			return r
		}, func(r *payload.MACVerifyResponse) []byte { return r.CorrelationValue })
		if got := verified[len(verified)-1].ValidityIndicator; got != kmip.ValidityIndicatorValid {
			t.Errorf("verified in parts: %s", got)
		}
	})
}

func TestHashInParts(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		answers := parts(s, v, kmip.OperationHash, func(data, correlation []byte, first, last *bool) any {
			return &payload.HashRequest{
				CryptographicParameters: parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)),
				Data:                    payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last,
			}
		}, func(r *payload.HashResponse) []byte { return r.CorrelationValue })
		sum := sha256.Sum256(whole())
		if got := answers[len(answers)-1].Data; answers[0].Data != nil || !bytes.Equal(got, sum[:]) {
			t.Errorf("hashed to %x, want %x", got, sum)
		}
	})
}

// Init and Final together, without a Correlation Value, are an operation in one
// part.
func TestInitAndFinalTogetherAreOnePart(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		k := s.streamKeys()
		r := one[payload.MACResponse](s, v, kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: whole()}, InitIndicator: ptr(true), FinalIndicator: ptr(true)})
		if r.CorrelationValue != nil || len(r.MACData) != 32 {
			t.Errorf("correlation %x, code %x", r.CorrelationValue, r.MACData)
		}
	})
}

// A stream belongs to one object, one operation and one client; it ends with its
// last part, with a part that fails, and by itself.
func TestStreamsBelongToTheirOwner(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		unknown := kmip.ResultReasonItemNotFound
		if v >= kmip.V20 {
			unknown = kmip.ResultReasonInvalidCorrelationValue
		}
		k := s.streamKeys()
		begin := func() []byte {
			t.Helper()
			return one[payload.MACResponse](s, v, kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: []byte("a")}, InitIndicator: ptr(true)}).CorrelationValue
		}
		next := func(c []byte) *payload.MACRequest {
			return &payload.MACRequest{Data: payload.Data{Bytes: []byte("b")}, CorrelationValue: c}
		}
		c := begin()
		other := s.in("other")
		other.fails(v, "a stream of another domain", kmip.OperationMAC, next(c), unknown)
		s.fails(v, "a stream of another operation", kmip.OperationHash, &payload.HashRequest{
			CryptographicParameters: parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)), CorrelationValue: c,
		}, unknown)
		elsewhere := next(c)
		elsewhere.UniqueIdentifier = ref(k.cipher)
		s.fails(v, "a stream of another object", kmip.OperationMAC, elsewhere, unknown)
		s.fails(v, "no stream", kmip.OperationMAC, next([]byte("no such value")), unknown)
		s.fails(v, "an empty value", kmip.OperationMAC, next([]byte{}), unknown)
		last := next(c)
		last.FinalIndicator = ptr(true)
		one[payload.MACResponse](s, v, kmip.OperationMAC, last)
		s.fails(v, "a stream that has ended", kmip.OperationMAC, next(c), unknown)

		c = begin()
		one[payload.RevokeResponse](s, v, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref(k.mac), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded}})
		if r := s.try(v, kmip.OperationMAC, next(c)); r.Status != failed {
			t.Error("a stream goes on with a key that was revoked")
		}
		s.fails(v, "a stream of which a part failed", kmip.OperationMAC, next(c), unknown)
	})
}

// What a stream protects is taken from the Usage Limits of its key, part by part.
func TestUsageLimitsOfStreams(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		ctr := parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCTR), kmip.Boolean(kmip.TagRandomIV, true))
		for unit, want := range map[kmip.UsageLimitsUnit]int64{kmip.UsageLimitsUnitByte: 100 - int64(len(whole())), kmip.UsageLimitsUnitObject: 99} {
			uid := s.create(v, items(aes(s.now(), kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 100), kmip.Enumeration(kmip.TagUsageLimitsUnit, unit))))...)
			parts(s, v, kmip.OperationEncrypt, func(data, correlation []byte, first, last *bool) any {
				return &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: ctr, Data: payload.Data{Bytes: data}, CorrelationValue: correlation, InitIndicator: first, FinalIndicator: last}
			}, func(r *payload.EncryptResponse) []byte { return r.CorrelationValue })
			limits, _ := s.attributes(v, uid).Get(kmip.TagUsageLimits)
			if got := kmip.UsageLimitsOf(limits).Count; got != want {
				t.Errorf("%s: %d left, want %d", unit, got, want)
			}
		}
	})
}

// An operation in parts cannot be undone, and leaves an audit entry for each.
func TestStreamsInBatches(t *testing.T) {
	inEvery(t, kmip.V13, func(t *testing.T, s *server, v kmip.Version) {
		k := s.streamKeys()
		begin := batch(kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: []byte("a")}, InitIndicator: ptr(true)})
		r := s.send(v, kmip.BatchErrorContinuationOptionUndo, begin, getItem(k.mac))
		if !equal(statuses(r), []kmip.ResultStatus{failed}) || r.Items[0].Reason != kmip.ResultReasonFeatureNotSupported {
			t.Errorf("a stream in a batch that can be undone: %+v", r.Items)
		}
		before := len(s.recorded())
		r = s.send(v, 0, begin, begin)
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) || len(s.recorded())-before != 2 {
			t.Errorf("%d entries of %+v", len(s.recorded())-before, r.Items)
		}
		a, b := r.Items[0].Payload.(*payload.MACResponse), r.Items[1].Payload.(*payload.MACResponse)
		if bytes.Equal(a.CorrelationValue, b.CorrelationValue) {
			t.Error("two streams have one Correlation Value")
		}
	})
}

// From KMIP 2.0 an item may take its Data from an earlier one (2.1 §7.9).
func TestDataOfEarlierItems(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		k := s.streamKeys()
		sha := parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
		cbc := parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5))
		named := func(e kmip.DataEnumeration) payload.Data {
			i := kmip.Enumeration(kmip.TagData, e)
			return payload.Data{From: &i}
		}
		nth := func(n int32) payload.Data {
			i := kmip.Integer(kmip.TagData, n)
			return payload.Data{From: &i}
		}
		iv := make([]byte, 16)
		hashOf := func(d payload.Data) payload.RequestItem {
			return batch(kmip.OperationHash, &payload.HashRequest{CryptographicParameters: sha, Data: d})
		}
		n := int32(20)
		r := s.send(v, 0,
			batch(kmip.OperationRNGRetrieve, &payload.RNGRetrieveRequest{DataLength: &n}),
			hashOf(named(kmip.DataEnumerationRNGRetrieve)),
			batch(kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: ref(k.cipher), CryptographicParameters: cbc, IVCounterNonce: iv, Data: nth(0)}),
			batch(kmip.OperationDecrypt, &payload.DecryptRequest{UniqueIdentifier: ref(k.cipher), CryptographicParameters: cbc, IVCounterNonce: iv, Data: named(kmip.DataEnumerationEncrypt)}),
			hashOf(nth(-1)),
			batch(kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: named(kmip.DataEnumerationHash)}),
			hashOf(named(kmip.DataEnumerationMACMACData)),
		)
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok, ok, ok, ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		random := r.Items[0].Payload.(*payload.RNGRetrieveResponse).Data
		sum := sha256.Sum256(random)
		for _, i := range []int{1, 4} {
			if got := r.Items[i].Payload.(*payload.HashResponse).Data; !bytes.Equal(got, sum[:]) {
				t.Errorf("item %d: hash %x, want %x", i, got, sum)
			}
		}
		if got := r.Items[3].Payload.(*payload.DecryptResponse).Data; !bytes.Equal(got, random) {
			t.Errorf("decrypted to %x, want %x", got, random)
		}
		for what, d := range map[string]payload.Data{"no such operation": named(kmip.DataEnumerationDecrypt), "no such item": nth(7), "before the first": nth(-3)} {
			r := s.send(v, 0, hashOf(payload.Data{Bytes: []byte("x")}), hashOf(d))
			if !equal(statuses(r), []kmip.ResultStatus{ok, failed}) || r.Items[1].Reason != kmip.ResultReasonInvalidField {
				t.Errorf("%s: %+v", what, r.Items)
			}
		}
	})
}

// Streams that nobody continues end after a while.
func TestStreamsEndByThemselves(t *testing.T) {
	s := newServer(t)
	k := s.streamKeys()
	c := one[payload.MACResponse](s, kmip.V21, kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: ref(k.mac), Data: payload.Data{Bytes: []byte("a")}, InitIndicator: ptr(true)}).CorrelationValue
	s.svc.Clock.Advance(time.Hour)
	s.fails(kmip.V21, "an old stream", kmip.OperationMAC, &payload.MACRequest{Data: payload.Data{Bytes: []byte("b")}, CorrelationValue: c}, kmip.ResultReasonInvalidCorrelationValue)
}
