package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// cryptographic is an operation that uses a key, with a request that would succeed
// but for the key or the parameters.
type cryptographic struct {
	op      kmip.Operation
	request func(uid string, p *kmip.Item, correlation []byte) any
	// good are parameters that the operation takes.
	good func() *kmip.Item
	// wrongType is an object that the operation does not take, mask one that it
	// takes but whose mask does not allow it.
	wrongType, mask func(*fixture) string
	// protects tells that the key must be Active.
	idle func(*fixture) string
}

var (
	gcmParameters = func() *kmip.Item {
		return parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM))
	}
	pkcs1Parameters = func() *kmip.Item {
		return parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
	}
	noParameters = func() *kmip.Item { return nil }
)

func cryptographicOperations() []cryptographic {
	data := payload.Data{Bytes: []byte("data")}
	secretData := func(f *fixture) string { return f.secret }
	noMask := func(f *fixture) string { return f.noMask }
	preActive := func(f *fixture) string { return f.preActive }
	idle := func(f *fixture) string { return f.idle }
	idlePub := func(f *fixture) string { return f.idlePub }
	return []cryptographic{
		{kmip.OperationEncrypt, func(uid string, p *kmip.Item, c []byte) any {
			return &payload.EncryptRequest{UniqueIdentifier: reference0(uid), CryptographicParameters: p, Data: data, CorrelationValue: c}
		}, gcmParameters, secretData, noMask, preActive},
		{kmip.OperationDecrypt, func(uid string, p *kmip.Item, c []byte) any {
			return &payload.DecryptRequest{UniqueIdentifier: reference0(uid), CryptographicParameters: p, Data: payload.Data{Bytes: make([]byte, 32)}, IVCounterNonce: make([]byte, 12), CorrelationValue: c}
		}, gcmParameters, secretData, noMask, preActive},
		{kmip.OperationSign, func(uid string, p *kmip.Item, c []byte) any {
			return &payload.SignRequest{UniqueIdentifier: reference0(uid), CryptographicParameters: p, Data: data, CorrelationValue: c}
		}, pkcs1Parameters, secretData, noMask, idle},
		{kmip.OperationSignatureVerify, func(uid string, p *kmip.Item, c []byte) any {
			return &payload.SignatureVerifyRequest{UniqueIdentifier: reference0(uid), CryptographicParameters: p, Data: data, SignatureData: make([]byte, 256), CorrelationValue: c}
		}, pkcs1Parameters, secretData, noMask, idlePub},
		{kmip.OperationMAC, func(uid string, p *kmip.Item, c []byte) any {
			return &payload.MACRequest{UniqueIdentifier: reference0(uid), CryptographicParameters: p, Data: data, CorrelationValue: c}
		}, noParameters, secretData, noMask, preActive},
		{kmip.OperationMACVerify, func(uid string, p *kmip.Item, c []byte) any {
			return &payload.MACVerifyRequest{UniqueIdentifier: reference0(uid), CryptographicParameters: p, Data: data, MACData: make([]byte, 32), CorrelationValue: c}
		}, noParameters, secretData, noMask, preActive},
	}
}

// reference0 names an object, or nothing.
func reference0(uid string) kmip.Reference {
	if uid == "" {
		return kmip.Reference{}
	}
	return ref(uid)
}

func cryptographicRefusals() []refusal {
	noStream := since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidCorrelationValue)
	bad := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonBadCryptographicParameters)
	unsupported := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonUnsupportedCryptographicParameters)
	general := always(kmip.ResultReasonGeneralFailure)
	var list []refusal
	for _, c := range cryptographicOperations() {
		add := func(name string, uid func(*fixture) string, p func() *kmip.Item, want reasons, since kmip.Version) {
			list = append(list, refusal{op: c.op, name: name, want: want, since: since, request: func(f *fixture) any { return c.request(uid(f), p(), nil) }})
		}
		add("no such object", nothing, c.good, notThere, 0)
		add("no identifier and no ID Placeholder", func(*fixture) string { return "" }, c.good, notThere, 0)
		add("what is no key", c.wrongType, c.good, wrongType, 0)
		add("a key that may not", c.mask, c.good, wrongMask, 0)
		add("a key that is not Active", c.idle, c.good, wrongState, 0)
		add("a destroyed key", func(f *fixture) string { return f.destroyed }, c.good, wrongState, 0)
		add("an archived key", func(f *fixture) string { return f.archived }, c.good, archivedNow, 0)
		add("no Key Value", func(f *fixture) string { return f.valueless }, c.good, noValue, 0)
		list = append(list, refusal{op: c.op, name: "no such operation in parts", since: kmip.V13, want: noStream, request: func(*fixture) any { return c.request("", nil, []byte("nothing")) }})
	}
	sign := func(uid func(*fixture) string, p *kmip.Item, digested []byte) func(*fixture) any {
		return func(f *fixture) any {
			r := &payload.SignRequest{UniqueIdentifier: ref(uid(f)), CryptographicParameters: p, DigestedData: digested}
			if digested == nil {
				r.Data = payload.Data{Bytes: []byte("data")}
			}
			return r
		}
	}
	verify := func(uid func(*fixture) string, p *kmip.Item, digested []byte) func(*fixture) any {
		return func(f *fixture) any {
			r := &payload.SignatureVerifyRequest{UniqueIdentifier: ref(uid(f)), CryptographicParameters: p, DigestedData: digested, SignatureData: make([]byte, 256)}
			if digested == nil {
				r.Data = payload.Data{Bytes: []byte("data")}
			}
			return r
		}
	}
	encrypt := func(uid func(*fixture) string, p *kmip.Item, n int) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(uid(f)), CryptographicParameters: p, Data: payload.Data{Bytes: make([]byte, n)}}
		}
	}
	decrypt := func(p *kmip.Item, iv []byte) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.DecryptRequest{UniqueIdentifier: ref(f.active), CryptographicParameters: p, Data: payload.Data{Bytes: make([]byte, 32)}, IVCounterNonce: iv}
		}
	}
	code := func(uid func(*fixture) string, p *kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.MACRequest{UniqueIdentifier: ref(uid(f)), CryptographicParameters: p, Data: payload.Data{Bytes: []byte("data")}}
		}
	}
	codeVerify := func(uid func(*fixture) string, p *kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.MACVerifyRequest{UniqueIdentifier: ref(uid(f)), CryptographicParameters: p, Data: payload.Data{Bytes: []byte("data")}, MACData: make([]byte, 16)}
		}
	}
	hash := func(p *kmip.Item, c []byte) func(*fixture) any {
		return func(*fixture) any {
			return &payload.HashRequest{CryptographicParameters: p, Data: payload.Data{Bytes: []byte("data")}, CorrelationValue: c}
		}
	}
	active := func(f *fixture) string { return f.active }
	private := func(f *fixture) string { return f.private }
	public := func(f *fixture) string { return f.public }
	cmac := func(f *fixture) string { return f.cmac }
	hmac := func(f *fixture) string { return f.hmac }
	cbc := parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC))
	x927 := parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeX9102AKW1))
	tiger := kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmTiger)
	return append(list,
		refusal{op: kmip.OperationEncrypt, name: "no parameters", request: encrypt(active, nil, 16), want: bad},
		refusal{op: kmip.OperationEncrypt, name: "a mode that is not there", request: encrypt(active, x927, 16), want: unsupported},
		refusal{op: kmip.OperationEncrypt, name: "a part of a block", request: encrypt(active, cbc, 3), want: wrongCrypto},
		refusal{op: kmip.OperationEncrypt, name: "a tag that is too short", request: encrypt(active, parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Integer(kmip.TagTagLength, 3)), 16), want: general},
		refusal{op: kmip.OperationEncrypt, name: "more than the Usage Limits allow", request: encrypt(func(f *fixture) string { return f.limited }, gcmParameters(), 2), want: always(kmip.ResultReasonPermissionDenied)},
		refusal{op: kmip.OperationDecrypt, name: "no parameters", request: decrypt(nil, make([]byte, 16)), want: bad},
		refusal{op: kmip.OperationDecrypt, name: "a mode that is not there", request: decrypt(x927, make([]byte, 16)), want: unsupported},
		refusal{op: kmip.OperationDecrypt, name: "no IV", request: decrypt(cbc, nil), want: wrongMessage},
		refusal{op: kmip.OperationDecrypt, name: "data that were changed", since: kmip.V14, request: func(f *fixture) any {
			return &payload.DecryptRequest{UniqueIdentifier: ref(f.active), CryptographicParameters: gcmParameters(), Data: payload.Data{Bytes: make([]byte, 16)}, IVCounterNonce: make([]byte, 12), AuthenticatedEncryptionTag: make([]byte, 16)}
		}, want: wrongCrypto},
		refusal{op: kmip.OperationDecrypt, name: "data without the tag at their end", until: kmip.V13, request: decrypt(gcmParameters(), make([]byte, 12)), want: wrongCrypto},

		refusal{op: kmip.OperationSign, name: "no parameters", request: sign(private, nil, nil), want: bad},
		refusal{op: kmip.OperationSign, name: "a hash that is not there", request: sign(private, parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), tiger), nil), want: unsupported},
		refusal{op: kmip.OperationSign, name: "a digest of another length", since: kmip.V14, request: sign(private, pkcs1Parameters(), make([]byte, 5)), want: wrongField},
		refusal{op: kmip.OperationSign, name: "more than the Usage Limits allow", request: sign(func(f *fixture) string { return f.limitedPrivate }, pkcs1Parameters(), nil), want: always(kmip.ResultReasonPermissionDenied)},
		refusal{op: kmip.OperationSign, name: "a salt that does not fit", since: kmip.V14, request: sign(private, parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPSS),
			kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256), kmip.Integer(kmip.TagSaltLength, 250)), nil), want: wrongCrypto},
		refusal{op: kmip.OperationSignatureVerify, name: "no parameters", request: verify(public, nil, nil), want: bad},
		refusal{op: kmip.OperationSignatureVerify, name: "a hash that is not there", request: verify(public, parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), tiger), nil), want: unsupported},
		refusal{op: kmip.OperationSignatureVerify, name: "a digest of another length", since: kmip.V14, request: verify(public, pkcs1Parameters(), make([]byte, 5)), want: wrongField},
		refusal{op: kmip.OperationSignatureVerify, name: "a key that cannot be read", request: verify(func(f *fixture) string { return f.garbage }, pkcs1Parameters(), nil), want: wrongField},
		refusal{op: kmip.OperationSignatureVerify, name: "no signature", request: verify(public, pkcs1Parameters(), nil), edit: dropField(kmip.TagSignatureData), want: wrongMessage},

		refusal{op: kmip.OperationMAC, name: "no parameters", request: code(cmac, nil), want: bad},
		refusal{op: kmip.OperationMAC, name: "a mode that makes no codes", request: code(cmac, parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModePCBC))), want: unsupported},
		refusal{op: kmip.OperationMACVerify, name: "no parameters", request: codeVerify(cmac, nil), want: bad},
		refusal{op: kmip.OperationMACVerify, name: "a mode that makes no codes", request: codeVerify(cmac, parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModePCBC))), want: unsupported},
		refusal{op: kmip.OperationMACVerify, name: "no code", request: codeVerify(hmac, nil), edit: dropField(kmip.TagMACData), want: wrongMessage},

		refusal{op: kmip.OperationHash, name: "no parameters", request: hash(parameters(), nil), edit: dropField(kmip.TagCryptographicParameters), want: wrongMessage},
		refusal{op: kmip.OperationHash, name: "no hash", request: hash(parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodNone)), nil), want: bad},
		refusal{op: kmip.OperationHash, name: "a hash that is not there", request: hash(parameters(tiger), nil), want: unsupported},
		refusal{op: kmip.OperationHash, name: "no such operation in parts", since: kmip.V13, request: hash(parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)), []byte("nothing")), want: noStream},

		refusal{op: kmip.OperationRNGRetrieve, name: "a negative number of bytes", request: func(*fixture) any { return &payload.RNGRetrieveRequest{DataLength: ptr(int32(-1))} }, want: wrongField},
		refusal{op: kmip.OperationRNGRetrieve, name: "no number of bytes", request: func(*fixture) any { return &payload.RNGRetrieveRequest{DataLength: ptr(int32(1))} }, edit: dropField(kmip.TagDataLength), want: wrongMessage},
		refusal{op: kmip.OperationRNGRetrieve, name: "more bytes than a response takes", request: func(*fixture) any { return &payload.RNGRetrieveRequest{DataLength: ptr(int32(1 << 30))} }, want: wrongField},
	)
}

// Each error of the cryptographic operations has the reason that its version gives
// it (1.4 §11.30 to §11.38; 2.1 §6.1). 1.2 has no tables for them; those of 1.3
// hold.
func TestErrorsOfCryptography(t *testing.T) { refuse(t, cryptographicRefusals()) }
