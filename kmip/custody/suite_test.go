package custody_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv/service"
)

func symmetric(s *service.Service, alg kmip.CryptographicAlgorithm, bits int32, mask kmip.CryptographicUsageMask) kmip.Attributes {
	return active(s, kmip.Enumeration(kmip.TagCryptographicAlgorithm, alg), kmip.Integer(kmip.TagCryptographicLength, bits), kmip.Mask(kmip.TagCryptographicUsageMask, mask))
}

func setSuite(t *testing.T, s *service.Service, r custody.SuiteRules) {
	t.Helper()
	if err := s.SetSuite(context.Background(), s.Administrator("default"), r); err != nil {
		t.Fatal(err)
	}
}

func TestTheProfileForNewKeysIsAskedForEachWayToMakeOne(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	old, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmDES3, 168, maskEncryptDecrypt))
	if err != nil {
		t.Fatal(err)
	}
	base, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmAES, 256, kmip.CryptographicUsageMaskDeriveKey))
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	raw := func(alg kmip.CryptographicAlgorithm, n int) *kmip.Object {
		return &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Algorithm: alg, LengthBits: int32(n) * 8, Material: secret.New(bytes.Repeat([]byte{1}, n))}}
	}
	private := &kmip.Object{Type: kmip.ObjectTypePrivateKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypePKCS1, Material: secret.New(x509.MarshalPKCS1PrivateKey(small))}}
	pair := func(items ...kmip.Item) error {
		_, _, err := s.CreateKeyPair(ctx, s.Client("default"), attrs(items...), attrs(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskSign)), attrs(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskVerify)))
		return err
	}
	onCurve := func(c kmip.RecommendedCurve) kmip.Item {
		return kmip.Structure(kmip.TagCryptographicDomainParameters, kmip.Enumeration(kmip.TagRecommendedCurve, c))
	}
	ecdsa := kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDSA)
	derive := func(m kmip.DerivationMethod) error {
		_, err := s.DeriveKey(ctx, s.Client("default"), custody.DeriveArgs{
			Type: kmip.ObjectTypeSymmetricKey, UIDs: []string{base}, Method: m,
			Parameters: kmip.Structure(kmip.TagDerivationParameters,
				kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)),
				kmip.ByteString(kmip.TagDerivationData, []byte("data"))),
			Attrs: symmetric(s, kmip.CryptographicAlgorithmAES, 128, maskEncryptDecrypt),
		})
		return err
	}
	calls := []struct {
		name string
		fit  bool
		call func() error
	}{
		{"Create of 3DES", false, func() error {
			_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmDES3, 168, maskEncryptDecrypt))
			return err
		}},
		{"Create of AES", true, func() error {
			_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmAES, 128, maskEncryptDecrypt))
			return err
		}},
		{"Create of secret data", true, func() error {
			_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSecretData, nil)
			return err
		}},
		{"Re-key of 3DES", false, func() error { _, err := s.ReKey(ctx, s.Client("default"), old, nil, nil); return err }},
		{"Register of RC4", false, func() error {
			_, err := s.Register(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, nil, raw(kmip.CryptographicAlgorithmRC4, 16))
			return err
		}},
		{"Register of a key of no algorithm", false, func() error {
			_, err := s.Register(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, nil, raw(0, 16))
			return err
		}},
		{"Register of a short RSA key", false, func() error {
			_, err := s.Register(ctx, s.Client("default"), kmip.ObjectTypePrivateKey, nil, private)
			return err
		}},
		{"Import of 3DES", false, func() error {
			return s.Import(ctx, s.Client("default"), custody.ImportArgs{UID: uuid.NewString(), Type: kmip.ObjectTypeSymmetricKey, Value: raw(kmip.CryptographicAlgorithmDES3, 24)})
		}},
		{"Create Key Pair on P-256", true, func() error { return pair(ecdsa, onCurve(kmip.RecommendedCurveP256)) }},
		{"Create Key Pair of 256 bits", true, func() error { return pair(ecdsa, kmip.Integer(kmip.TagCryptographicLength, 256)) }},
		{"Create Key Pair on secp256k1", false, func() error { return pair(ecdsa, onCurve(kmip.RecommendedCurveSECP256K1)) }},
		{"Derive Key by a hash", false, func() error { return derive(kmip.DerivationMethodHASH) }},
		{"Derive Key by HKDF", true, func() error { return derive(kmip.DerivationMethodHKDF) }},
		{"Create Split Key of 3DES", false, func() error {
			_, err := s.CreateSplitKey(ctx, s.Client("default"), custody.SplitArgs{
				Type: kmip.ObjectTypeSymmetricKey, UID: old, Parts: 2, Threshold: 2, Method: kmip.SplitKeyMethodXOR,
			})
			return err
		}},
	}
	for _, c := range calls {
		if err := c.call(); kmip.KindOf(err) == kmip.KindConstraint {
			t.Errorf("%s without a profile: %v", c.name, err)
		}
	}
	setSuite(t, s, custody.SuiteRules{Create: "nist-800-131a"})
	for _, c := range calls {
		err := c.call()
		switch {
		case c.fit && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case !c.fit && (kmip.KindOf(err) != kmip.KindConstraint || !strings.Contains(err.Error(), "the profile nist-800-131a does not allow")):
			t.Errorf("%s: %v; want a refusal that names the profile", c.name, err)
		}
	}
	setSuite(t, s, custody.SuiteRules{Create: "nist-800-131a", Allow: []string{"3DES:168"}})
	if err := calls[0].call(); err != nil {
		t.Errorf("what the domain allows besides: %v", err)
	}
	wantKind(t, s.SetSuite(ctx, s.Administrator("default"), custody.SuiteRules{Create: "strongest"}), kmip.KindInvalidField)
	wantKind(t, s.SetSuite(ctx, s.Administrator("default"), custody.SuiteRules{Deny: []string{"ROT13"}}), kmip.KindInvalidField)
	wantKind(t, s.SetSuite(ctx, s.Administrator("nowhere"), custody.SuiteRules{}), kmip.KindObjectNotFound)
}

func TestTheProfileForUseLetsWhatExistsBeDecryptedAndVerified(t *testing.T) {
	s, ctx := service.New(t), context.Background()
	make1 := func(alg kmip.CryptographicAlgorithm, bits int32, mask kmip.CryptographicUsageMask) string {
		uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, alg, bits, mask))
		if err != nil {
			t.Fatal(err)
		}
		return uid
	}
	tdes, aes := make1(kmip.CryptographicAlgorithmDES3, 168, maskEncryptDecrypt), make1(kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
	mac := make1(kmip.CryptographicAlgorithmHMACMD5, 128, maskMAC)
	private, public, err := s.CreateKeyPair(ctx, s.Client("default"), active(s, kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)),
		attrs(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskSign)), attrs(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskVerify)))
	if err != nil {
		t.Fatal(err)
	}
	cbc := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, PaddingMethod: kmip.PaddingMethodPKCS5}
	sha1 := &kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA1, PaddingMethod: kmip.PaddingMethodPKCS1V15}
	sha256 := &kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256, PaddingMethod: kmip.PaddingMethodPKCS1V15}
	data := []byte("data")
	enc, err := s.Encrypt(ctx, s.Client("default"), tdes, custody.CipherArgs{Parameters: cbc, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign(ctx, s.Client("default"), private, custody.SignArgs{Parameters: sha1, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	setSuite(t, s, custody.SuiteRules{Process: "nist-800-131a"})
	for _, c := range []struct {
		name string
		fit  bool
		call func() error
	}{
		{"Encrypt with 3DES", false, func() error {
			_, err := s.Encrypt(ctx, s.Client("default"), tdes, custody.CipherArgs{Parameters: cbc, Data: data})
			return err
		}},
		{"Decrypt with 3DES", true, func() error {
			dec, err := s.Decrypt(ctx, s.Client("default"), tdes, custody.CipherArgs{Parameters: cbc, Data: enc.Data, IV: enc.IV})
			if err == nil && !bytes.Equal(dec.Data, data) {
				t.Errorf("decrypted %q", dec.Data)
			}
			return err
		}},
		{"Encrypt with 3DES in parts", false, func() error {
			_, err := s.EncryptPart(ctx, s.Client("default"), tdes, custody.Part{Init: true}, custody.CipherArgs{Parameters: cbc, Data: data})
			return err
		}},
		{"Decrypt with 3DES in parts", true, func() error {
			_, err := s.DecryptPart(ctx, s.Client("default"), tdes, custody.Part{Init: true}, custody.CipherArgs{Parameters: cbc, Data: enc.Data, IV: enc.IV})
			return err
		}},
		{"Encrypt with AES-CBC", true, func() error {
			_, err := s.Encrypt(ctx, s.Client("default"), aes, custody.CipherArgs{Parameters: cbc, Data: data})
			return err
		}},
		{"Encrypt with AES-PCBC", false, func() error {
			_, err := s.Encrypt(ctx, s.Client("default"), aes, custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModePCBC, PaddingMethod: kmip.PaddingMethodPKCS5}, Data: data})
			return err
		}},
		{"Sign with SHA-1", false, func() error {
			_, err := s.Sign(ctx, s.Client("default"), private, custody.SignArgs{Parameters: sha1, Data: data})
			return err
		}},
		{"Sign with SHA-1 by its Digital Signature Algorithm", false, func() error {
			_, err := s.Sign(ctx, s.Client("default"), private, custody.SignArgs{Parameters: &kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmSHA1WithRSAEncryption}, Data: data})
			return err
		}},
		{"Signature Verify with SHA-1", true, func() error {
			valid, err := s.SignatureVerify(ctx, s.Client("default"), public, custody.SignArgs{Parameters: sha1, Data: data}, signature)
			if err == nil && !valid {
				t.Error("the signature is not valid")
			}
			return err
		}},
		{"Sign with SHA-256", true, func() error {
			_, err := s.Sign(ctx, s.Client("default"), private, custody.SignArgs{Parameters: sha256, Data: data})
			return err
		}},
		{"Sign in parts with SHA-1", false, func() error {
			_, err := s.SignPart(ctx, s.Client("default"), private, custody.Part{Init: true}, custody.SignArgs{Parameters: sha1, Data: data})
			return err
		}},
		{"MAC with MD5", false, func() error { _, err := s.MAC(ctx, s.Client("default"), mac, nil, data); return err }},
		{"MAC with SHA-256 under the same key", true, func() error {
			_, err := s.MAC(ctx, s.Client("default"), mac, &kmip.CryptographicParameters{CryptographicAlgorithm: kmip.CryptographicAlgorithmHMACSHA256}, data)
			return err
		}},
		{"Hash with MD5", false, func() error { _, err := s.Hash(ctx, s.Client("default"), kmip.HashingAlgorithmMD5, data); return err }},
		{"Hash with SHA-1", true, func() error { _, err := s.Hash(ctx, s.Client("default"), kmip.HashingAlgorithmSHA1, data); return err }},
		{"Get of 3DES", true, func() error { _, err := s.Get(ctx, s.Client("default"), tdes, custody.GetOptions{}); return err }},
	} {
		err := c.call()
		switch {
		case c.fit && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case !c.fit && (kmip.KindOf(err) != kmip.KindConstraint || !strings.Contains(err.Error(), "nist-800-131a")):
			t.Errorf("%s: %v; want a refusal that names the profile", c.name, err)
		}
	}
}

func TestRulesAreInMemoryAndFollowOtherNodesWithinASecond(t *testing.T) {
	ctx := context.Background()
	c := &watchedStore{}
	s := service.With(t, service.Options{Store: c.wrap})
	other := s.Another(t)
	uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmDES3, 168, maskEncryptDecrypt))
	if err != nil {
		t.Fatal(err)
	}
	cbc := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, PaddingMethod: kmip.PaddingMethodPKCS5}
	encrypt := func() error {
		_, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: cbc, Data: []byte("x")})
		return err
	}
	if err := encrypt(); err != nil {
		t.Fatal(err)
	}
	before := c.reads.Load()
	for range 50 {
		if err := encrypt(); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.reads.Load() - before; n != 0 {
		t.Errorf("50 requests read %d records", n)
	}
	setSuite(t, other, custody.SuiteRules{Process: "fips-140-3"})
	s.Clock.Advance(time.Second)
	wantKind(t, encrypt(), kmip.KindConstraint)
	// The store is away: what was known last holds for a while, and then nothing does.
	c.away.Store(true)
	s.Clock.Advance(20 * time.Second)
	wantKind(t, encrypt(), kmip.KindConstraint)
	s.Clock.Advance(20 * time.Second)
	wantKind(t, encrypt(), kmip.KindUnavailable)
	c.away.Store(false)
	setSuite(t, other, custody.SuiteRules{})
	s.Clock.Advance(time.Second)
	if err := encrypt(); err != nil {
		t.Errorf("without a profile again: %v", err)
	}
}

func TestInFIPSModeWhatIsNotInTheModuleIsRefused(t *testing.T) {
	s, ctx := service.With(t, service.Options{FIPS: true}), context.Background()
	_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmDES3, 168, maskEncryptDecrypt))
	wantKind(t, err, kmip.KindConstraint)
	_, err = s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmChaCha20Poly1305, 256, maskEncryptDecrypt))
	wantKind(t, err, kmip.KindConstraint)
	_, _, err = s.CreateKeyPair(ctx, s.Client("default"), attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmMLDSA65)), nil, nil)
	wantKind(t, err, kmip.KindConstraint)
	uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, symmetric(s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt))
	if err != nil {
		t.Fatal(err)
	}
	encrypt := func(m kmip.BlockCipherMode) error {
		_, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: m}, Data: make([]byte, 32)})
		return err
	}
	wantKind(t, encrypt(kmip.BlockCipherModeCCM), kmip.KindConstraint)
	if err := encrypt(kmip.BlockCipherModeGCM); err != nil {
		t.Error(err)
	}
	setSuite(t, s, custody.SuiteRules{Allow: []string{"CCM"}}) // nobody allows what is not validated
	wantKind(t, encrypt(kmip.BlockCipherModeCCM), kmip.KindConstraint)
}
