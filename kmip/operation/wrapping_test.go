package operation_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
)

var (
	kekMaterial = bytes.Repeat([]byte{0x4b}, 32)
	macMaterial = bytes.Repeat([]byte{0x6d}, 32)
	innerKey    = bytes.Repeat([]byte{0x15, 0x92}, 16)
)

// wrappers are keys that wrap and sign.
type wrappers struct{ kek, tripleDES, mac, signer, public, private string }

func (s *server) wrappers() wrappers {
	s.t.Helper()
	both := mask(kmip.CryptographicUsageMaskWrapKey | kmip.CryptographicUsageMaskUnwrapKey)
	w := wrappers{
		kek:       s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, kekMaterial), s.now(), both),
		mac:       s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmHMACSHA256, macMaterial), s.now(), mask(kmip.CryptographicUsageMaskMACGenerate|kmip.CryptographicUsageMaskMACVerify)),
		tripleDES: s.create(kmip.V14, s.now(), both, algorithm(kmip.CryptographicAlgorithmDES3), length(168)),
	}
	w.signer = s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify).PrivateKeyUniqueIdentifier
	pair := s.rsaPair(kmip.CryptographicUsageMaskUnwrapKey, kmip.CryptographicUsageMaskWrapKey)
	w.public, w.private = pair.PublicKeyUniqueIdentifier, pair.PrivateKeyUniqueIdentifier
	return w
}

// information says which key wraps or signs, and how.
func information(tag kmip.Tag, key string, parameters ...kmip.Item) kmip.Item {
	i := kmip.Structure(tag, kmip.Text(kmip.TagUniqueIdentifier, key))
	if len(parameters) > 0 {
		i.Items = append(i.Items, kmip.Structure(kmip.TagCryptographicParameters, parameters...))
	}
	return i
}

func wrapSpec(method kmip.WrappingMethod, fields ...kmip.Item) *kmip.Item {
	i := kmip.Structure(kmip.TagKeyWrappingSpecification, append([]kmip.Item{kmip.Enumeration(kmip.TagWrappingMethod, method)}, fields...)...)
	return &i
}

func (s *server) getWrapped(v kmip.Version, uid string, spec *kmip.Item) *kmip.Object {
	s.t.Helper()
	return one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid), KeyWrappingSpecification: spec}).Object
}

var (
	noEncoding = kmip.Enumeration(kmip.TagEncodingOption, kmip.EncodingOptionNoEncoding)
	inTTLV     = kmip.Enumeration(kmip.TagEncodingOption, kmip.EncodingOptionTTLVEncoding)
)

// Each way of wrapping can be undone by the server that did it: the key that is
// registered wrapped encrypts as the key does, and is given away unwrapped.
func TestEveryWayOfWrappingInEveryVersion(t *testing.T) {
	s := newServer(t)
	w := s.wrappers()
	inner := s.register(kmip.V14, symmetric(kmip.CryptographicAlgorithmAES, innerKey), s.now(), mask(kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt))
	mode := func(m kmip.BlockCipherMode) kmip.Item { return kmip.Enumeration(kmip.TagBlockCipherMode, m) }
	encrypted := func(key string, p ...kmip.Item) kmip.Item {
		return information(kmip.TagEncryptionKeyInformation, key, p...)
	}
	macced := information(kmip.TagMACSignatureKeyInformation, w.mac)
	signed := information(kmip.TagMACSignatureKeyInformation, w.signer, kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
	padding := kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5)
	oaep := []kmip.Item{kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodOAEP), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)}
	for _, c := range []struct {
		name     string
		since    kmip.Version
		method   kmip.WrappingMethod
		fields   []kmip.Item
		unwrapBy string // another key than the one that wrapped
	}{
		{"Encrypt", kmip.V10, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek)}, ""},
		{"Encrypt with NIST Key Wrap", kmip.V10, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek, mode(kmip.BlockCipherModeNISTKeyWrap))}, ""},
		{"Encrypt with AES Key Wrap Padding", kmip.V10, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek, mode(kmip.BlockCipherModeAESKeyWrapPadding))}, ""},
		{"Encrypt with CBC", kmip.V10, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek, mode(kmip.BlockCipherModeCBC), padding)}, ""},
		{"Encrypt with GCM", kmip.V12, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek, mode(kmip.BlockCipherModeGCM), kmip.Integer(kmip.TagTagLength, 16))}, ""},
		{"Encrypt with Triple DES", kmip.V10, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.tripleDES, mode(kmip.BlockCipherModeCBC), padding)}, ""},
		{"Encrypt with a public key", kmip.V10, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.public, oaep...)}, w.private},
		{"Encrypt, no encoding", kmip.V11, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek), noEncoding}, ""},
		{"Encrypt, TTLV encoding", kmip.V11, kmip.WrappingMethodEncrypt, []kmip.Item{encrypted(w.kek), inTTLV}, ""},
		{"MAC", kmip.V10, kmip.WrappingMethodMACSign, []kmip.Item{macced}, ""},
		{"Sign", kmip.V10, kmip.WrappingMethodMACSign, []kmip.Item{signed}, ""},
		{"Encrypt then MAC", kmip.V10, kmip.WrappingMethodEncryptThenMACSign, []kmip.Item{encrypted(w.kek), macced}, ""},
		{"Encrypt then sign", kmip.V10, kmip.WrappingMethodEncryptThenMACSign, []kmip.Item{encrypted(w.kek), signed}, ""},
		{"MAC then encrypt", kmip.V10, kmip.WrappingMethodMACSignThenEncrypt, []kmip.Item{encrypted(w.kek), macced}, ""},
		{"sign then encrypt, no encoding", kmip.V11, kmip.WrappingMethodMACSignThenEncrypt, []kmip.Item{encrypted(w.kek), signed, noEncoding}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range since(c.since) {
				got := s.getWrapped(v, inner, wrapSpec(c.method, c.fields...))
				if got.Key.Wrapping == nil || bytes.Equal(got.Key.Material.Reveal(), innerKey) && c.method != kmip.WrappingMethodMACSign {
					t.Fatalf("KMIP %s: the key is not wrapped", v)
				}
				if c.unwrapBy != "" {
					for i, f := range got.Key.Wrapping.Items {
						if f.Tag == kmip.TagEncryptionKeyInformation {
							got.Key.Wrapping.Items[i].Items[0] = kmip.Text(kmip.TagUniqueIdentifier, c.unwrapBy)
						}
					}
				}
				wrapped := s.register(v, got, s.now(), mask(kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt))
				if back := s.get(v, wrapped); back.Key.Wrapping == nil || !back.Key.Material.Equal(got.Key.Material) {
					t.Errorf("KMIP %s: what was registered wrapped comes back otherwise", v)
				}
				plain := one[payload.GetResponse](s, kmip.V14, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(wrapped), KeyWrapType: kmip.KeyWrapTypeNotWrapped}).Object.Key
				if plain.Wrapping != nil || !bytes.Equal(plain.Material.Reveal(), innerKey) {
					t.Errorf("KMIP %s: unwrapped to %x", v, plain.Material.Reveal())
				}
				cbc := parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC), padding)
				enc := one[payload.EncryptResponse](s, kmip.V14, kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: ref(wrapped), CryptographicParameters: cbc, Data: payload.Data{Bytes: []byte("x")}})
				dec := one[payload.DecryptResponse](s, kmip.V14, kmip.OperationDecrypt, &payload.DecryptRequest{UniqueIdentifier: ref(inner), CryptographicParameters: cbc, Data: payload.Data{Bytes: enc.Data}, IVCounterNonce: enc.IVCounterNonce})
				if string(dec.Data) != "x" {
					t.Errorf("KMIP %s: a key that was registered wrapped encrypts otherwise: %q", v, dec.Data)
				}
			}
		})
	}
}

// The attributes that a specification names are wrapped with the key, in the form
// of the client's version.
func TestAttributesAreWrappedInTheFormOfTheVersion(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		w := s.wrappers()
		uid := s.register(v, symmetric(kmip.CryptographicAlgorithmAES, innerKey), name("a"), name("b"), mask(kmip.CryptographicUsageMaskEncrypt))
		fields := []kmip.Item{information(kmip.TagEncryptionKeyInformation, w.kek)}
		if v < kmip.V20 {
			fields = append(fields, kmip.Text(kmip.TagAttributeName, "Name"), kmip.Text(kmip.TagAttributeName, "Cryptographic Usage Mask"))
		} else {
			fields = append(fields, kmip.Enumeration(kmip.TagAttributeReference, uint32(kmip.TagName)), kmip.Enumeration(kmip.TagAttributeReference, uint32(kmip.TagCryptographicUsageMask)))
		}
		got := s.getWrapped(v, uid, wrapSpec(kmip.WrappingMethodEncrypt, fields...))
		opened, err := keywrap.Unwrap(secret.Copy(kekMaterial), got.Key.Material.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		value, err := wire.Parse(opened.Reveal(), wire.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range value.Items {
			switch {
			case f.Tag == kmip.TagAttribute && v < kmip.V20:
				n, _ := f.Field(kmip.TagAttributeName)
				names = append(names, n.Text())
			case f.Tag == kmip.TagAttributes && v >= kmip.V20:
				for _, a := range f.Items {
					names = append(names, a.Tag.Title())
				}
			case f.Tag != kmip.TagKeyMaterial:
				t.Errorf("%s in a Key Value of KMIP %s", f.Tag, v)
			}
		}
		if len(names) != 3 || names[0] != "Name" || names[1] != "Name" || names[2] != "Cryptographic Usage Mask" {
			t.Errorf("wrapped attributes %q", names)
		}
		if v < kmip.V14 {
			return
		}
		// Whoever unwraps the key for good takes the attributes over.
		request := &payload.ImportRequest{UniqueIdentifier: ref("copy"), ObjectType: got.Type, Object: got, KeyWrapType: kmip.KeyWrapTypeNotWrapped, Attributes: payload.AttributeList{Attributes: template(kmip.Text(kmip.TagComment, "c")).Attributes}}
		other := s.in("other")
		if r := other.try(v, kmip.OperationImport, request); r.Status != failed {
			t.Error("a domain without the wrapping key unwraps")
		}
		one[payload.DestroyResponse](s, v, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uid)}) // which frees the names
		one[payload.ImportResponse](s, v, kmip.OperationImport, request)
		a := s.attributes(v, "copy")
		if got := a.Names(); len(got) != 2 || a.Uint32(kmip.TagCryptographicUsageMask) != uint32(kmip.CryptographicUsageMaskEncrypt) {
			t.Errorf("attributes after unwrapping: names %q, mask %x", got, a.Uint32(kmip.TagCryptographicUsageMask))
		}
	})
}

// The MAC is one of the Key Value before or after encryption, as the method says.
func TestMACOfAWrappedKey(t *testing.T) {
	s := newServer(t)
	w := s.wrappers()
	uid := s.register(kmip.V21, symmetric(kmip.CryptographicAlgorithmAES, innerKey))
	for _, c := range []struct {
		method kmip.WrappingMethod
		of     string // what the MAC is of
	}{
		{kmip.WrappingMethodEncryptThenMACSign, "ciphertext"}, {kmip.WrappingMethodMACSignThenEncrypt, "plaintext"},
	} {
		for _, v := range []kmip.Version{kmip.V11, kmip.V14, kmip.V21, kmip.V30} {
			got := s.getWrapped(v, uid, wrapSpec(c.method, information(kmip.TagEncryptionKeyInformation, w.kek), information(kmip.TagMACSignatureKeyInformation, w.mac), noEncoding))
			code, _ := got.Key.Wrapping.Field(kmip.TagMACSignature)
			over := innerKey
			if c.of == "ciphertext" {
				over = got.Key.Material.Reveal()
			}
			m := hmac.New(sha256.New, macMaterial)
			m.Write(over)
			if !bytes.Equal(code.Bytes, m.Sum(nil)) {
				t.Errorf("%s in KMIP %s: the MAC is not that of the %s", c.method, v, c.of)
			}
			// A changed MAC, or a changed key, is noticed when the key is used.
			for what, damage := range map[string]func(k *kmip.KeyBlock){
				"MAC": func(k *kmip.KeyBlock) {
					for i := range k.Wrapping.Items {
						if k.Wrapping.Items[i].Tag == kmip.TagMACSignature {
							k.Wrapping.Items[i].Bytes[3] ^= 1
						}
					}
				},
				"key": func(k *kmip.KeyBlock) {
					b := bytes.Clone(k.Material.Reveal())
					b[3] ^= 1
					k.Material = secret.New(b)
				},
			} {
				broken := *got.Key
				how := got.Key.Wrapping.Clone()
				broken.Wrapping = &how
				damage(&broken)
				registered := s.register(v, &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &broken}, s.now(), mask(kmip.CryptographicUsageMaskEncrypt))
				s.fails(kmip.V21, "a changed "+what, kmip.OperationEncrypt, &payload.EncryptRequest{
					UniqueIdentifier: ref(registered), Data: payload.Data{Bytes: []byte("x")}, CryptographicParameters: parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM)),
				}, kmip.ResultReasonCryptographicFailure)
			}
		}
	}
}

// A key that arrives wrapped links to the key that it is wrapped under, from
// KMIP 2.0 on visibly.
func TestWrappingKeyLink(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		w := s.wrappers()
		uid := s.register(v, symmetric(kmip.CryptographicAlgorithmAES, innerKey))
		wrapped := s.register(v, s.getWrapped(v, uid, wrapSpec(kmip.WrappingMethodEncrypt, information(kmip.TagEncryptionKeyInformation, w.kek))))
		if got := s.links(wrapped)[kmip.LinkTypeWrappingKeyLink]; len(got) != 1 || got[0] != w.kek {
			t.Errorf("wrapping keys %v, want %s", got, w.kek)
		}
	})
}

// Secret data, private keys and parts of keys are wrapped like symmetric keys.
func TestWrappingOfOtherObjects(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		w := s.wrappers()
		spec := wrapSpec(kmip.WrappingMethodEncrypt, information(kmip.TagEncryptionKeyInformation, w.kek, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeAESKeyWrapPadding)))
		for what, uid := range map[string]string{
			"secret data": s.register(v, password("pw")), "a private key": w.signer, "a public key": w.public, "a split key": s.split(v, splitting(kmip.SplitKeyMethodXOR, "", 2, 2))[1],
		} {
			plain := s.get(v, uid)
			got := s.getWrapped(v, uid, spec)
			if got.Key.Wrapping == nil {
				t.Fatalf("%s is not wrapped", what)
			}
			opened, err := keywrap.UnwrapPadded(secret.Copy(kekMaterial), got.Key.Material.Reveal())
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			value, err := wire.Parse(opened.Reveal(), wire.DefaultLimits())
			if m, _ := value.Field(kmip.TagKeyMaterial); err != nil || !bytes.Equal(m.Bytes, plain.Key.Material.Reveal()) {
				t.Errorf("%s unwraps to something else: %v", what, err)
			}
		}
		blob := s.register(v, &kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte("blob"))})
		if r := s.try(v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(blob), KeyWrappingSpecification: spec}); r.Status != failed {
			t.Error("an opaque object was wrapped")
		}
	})
}
