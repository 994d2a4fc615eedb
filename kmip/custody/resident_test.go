package custody_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

var inHardware = kmip.Mask(kmip.TagProtectionStorageMask, kmip.ProtectionStorageMaskHardware)

const maskMAC = kmip.CryptographicUsageMaskMACGenerate | kmip.CryptographicUsageMaskMACVerify

func hardware(t *testing.T) *service.Service {
	t.Helper()
	return service.With(t, service.Options{Hardware: true})
}

// active makes attributes of a key that is Active.
func active(s *service.Service, items ...kmip.Item) kmip.Attributes {
	return attrs(append([]kmip.Item{kmip.DateTime(kmip.TagActivationDate, s.Clock.Now())}, items...)...)
}

// residentKey makes a symmetric key in the token.
func residentKey(t *testing.T, s *service.Service, alg kmip.CryptographicAlgorithm, bits int32, mask kmip.CryptographicUsageMask, more ...kmip.Item) string {
	t.Helper()
	uid, err := s.Create(context.Background(), s.Client("default"), kmip.ObjectTypeSymmetricKey, active(s, append([]kmip.Item{
		inHardware, kmip.Enumeration(kmip.TagCryptographicAlgorithm, alg), kmip.Integer(kmip.TagCryptographicLength, bits), kmip.Mask(kmip.TagCryptographicUsageMask, mask),
	}, more...)...))
	if err != nil {
		t.Fatalf("a key of %v with %d bits in the token: %v", alg, bits, err)
	}
	return uid
}

// residentPair makes a key pair whose private half is in the token.
func residentPair(t *testing.T, s *service.Service, alg kmip.CryptographicAlgorithm, bits int32, private, public kmip.CryptographicUsageMask) (privateUID, publicUID string) {
	t.Helper()
	privateUID, publicUID, err := s.CreateKeyPair(context.Background(), s.Client("default"),
		active(s, kmip.Enumeration(kmip.TagCryptographicAlgorithm, alg), kmip.Integer(kmip.TagCryptographicLength, bits)),
		attrs(inHardware, kmip.Mask(kmip.TagCryptographicUsageMask, private)), attrs(kmip.Mask(kmip.TagCryptographicUsageMask, public)))
	if err != nil {
		t.Fatalf("a pair of %v with %d bits in the token: %v", alg, bits, err)
	}
	return privateUID, publicUID
}

func attributesOf(t *testing.T, s *service.Service, uid string) kmip.Attributes {
	t.Helper()
	a, err := s.GetAttributes(context.Background(), s.Client("default"), uid, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func inToken(t *testing.T, s *service.Service) int {
	t.Helper()
	list, err := s.Hardware.Objects(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestResidentKeysSayWhatTheyAre(t *testing.T) {
	s := hardware(t)
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 192, maskEncryptDecrypt, name("in the token"))
	a := attributesOf(t, s, uid)
	for what, got := range map[string]bool{
		"Protection Storage Mask is Hardware": a.Uint32(kmip.TagProtectionStorageMask) == uint32(kmip.ProtectionStorageMaskHardware),
		"Sensitive":                           a.Bool(kmip.TagSensitive),
		"Always Sensitive":                    a.Bool(kmip.TagAlwaysSensitive),
		"not Extractable":                     !a.Bool(kmip.TagExtractable),
		"Never Extractable":                   a.Bool(kmip.TagNeverExtractable),
		"its algorithm":                       a.Uint32(kmip.TagCryptographicAlgorithm) == uint32(kmip.CryptographicAlgorithmAES),
		"its length":                          a.Int32(kmip.TagCryptographicLength) == 192,
		"no Digest":                           !a.Has(kmip.TagDigest),
	} {
		if !got {
			t.Errorf("%s: not so in %v", what, a)
		}
	}
	private, public := residentPair(t, s, kmip.CryptographicAlgorithmECDSA, 256, kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
	for uid, want := range map[string]kmip.ProtectionStorageMask{private: kmip.ProtectionStorageMaskHardware, public: kmip.ProtectionStorageMaskSoftware} {
		if got := attributesOf(t, s, uid).Uint32(kmip.TagProtectionStorageMask); got != uint32(want) {
			t.Errorf("a half of a pair has Protection Storage Mask %d, want %d", got, want)
		}
	}
	if n := inToken(t, s); n != 2 {
		t.Errorf("%d objects are in the token, want 2", n)
	}
}

func TestResidentKeysEncryptAndDecrypt(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
	long := bytes.Repeat([]byte("0123456789abcdef"), 4)
	for _, c := range []struct {
		name      string
		p         kmip.CryptographicParameters
		data, aad []byte
		iv        int // bytes
	}{
		{"GCM", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, TagLength: new(int32(16))}, []byte("some text"), []byte("more"), 12},
		{"GCM of nothing", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, TagLength: new(int32(16))}, nil, []byte("more"), 12},
		{"CBC", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC}, long, nil, 16},
		{"CBC with padding", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, PaddingMethod: kmip.PaddingMethodPKCS5}, []byte("some text"), nil, 16},
		{"CTR", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR}, []byte("some text"), nil, 16},
		{"ECB", kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB}, long, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			sealed, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: &c.p, Data: c.data, AAD: c.aad})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.data) > 0 && bytes.Contains(sealed.Data, c.data) {
				t.Error("the text is in the ciphertext")
			}
			if len(sealed.IV) != c.iv {
				t.Errorf("an IV of %d bytes was made, want %d", len(sealed.IV), c.iv)
			}
			open := custody.CipherArgs{Parameters: &c.p, Data: sealed.Data, AAD: c.aad, IV: sealed.IV, Tag: sealed.Tag}
			opened, err := s.Decrypt(ctx, s.Client("default"), uid, open)
			if err != nil || !bytes.Equal(opened.Data, c.data) {
				t.Fatalf("decrypt: %q, %v; want %q", opened.Data, err, c.data)
			}
			if c.iv > 0 { // one that the client gives gives the same
				again, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: &c.p, Data: c.data, AAD: c.aad, IV: sealed.IV})
				if err != nil || !bytes.Equal(again.Data, sealed.Data) || again.IV != nil {
					t.Errorf("with the same IV: %x, IV %x, %v; want %x", again.Data, again.IV, err, sealed.Data)
				}
			}
			if c.aad == nil {
				return
			}
			if len(sealed.Tag) != 16 {
				t.Errorf("a tag of %d bytes", len(sealed.Tag))
			}
			joined := open
			joined.Data, joined.Tag, joined.TagInData = append(slices.Clone(sealed.Data), sealed.Tag...), nil, true
			if opened, err := s.Decrypt(ctx, s.Client("default"), uid, joined); err != nil || !bytes.Equal(opened.Data, c.data) {
				t.Errorf("with the tag behind the data: %q, %v", opened.Data, err)
			}
			open.AAD = []byte("less")
			_, err = s.Decrypt(ctx, s.Client("default"), uid, open)
			wantKind(t, err, kmip.KindCryptographicFailure)
		})
	}
	for name, c := range map[string]struct {
		args custody.CipherArgs
		want kmip.Kind
	}{
		"no mode":              {custody.CipherArgs{Parameters: &kmip.CryptographicParameters{}, Data: long}, kmip.KindParametersMissing},
		"a mode that is not":   {custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCFB}, Data: long}, kmip.KindParametersUnsupported},
		"a short tag":          {custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, TagLength: new(int32(12))}, Data: long}, kmip.KindParametersUnsupported},
		"no whole blocks":      {custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC}, Data: long[1:]}, kmip.KindInvalidField},
		"a counter of 32 bits": {custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCTR, CounterLength: new(int32(32))}, Data: long}, kmip.KindParametersUnsupported},
		"another padding":      {custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, PaddingMethod: kmip.PaddingMethodZeros}, Data: long}, kmip.KindParametersUnsupported},
	} {
		if _, err := s.Encrypt(ctx, s.Client("default"), uid, c.args); kmip.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestResidentPrivateKeysDecryptAndSign(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	private, public := residentPair(t, s, kmip.CryptographicAlgorithmRSA, 2048,
		kmip.CryptographicUsageMaskSign|kmip.CryptographicUsageMaskDecrypt, kmip.CryptographicUsageMaskVerify|kmip.CryptographicUsageMaskEncrypt)
	curve, curvePublic := residentPair(t, s, kmip.CryptographicAlgorithmECDSA, 384, kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
	for _, p := range []kmip.CryptographicParameters{
		{PaddingMethod: kmip.PaddingMethodOAEP, HashingAlgorithm: kmip.HashingAlgorithmSHA256},
		{PaddingMethod: kmip.PaddingMethodPKCS1V15},
	} {
		sealed, err := s.Encrypt(ctx, s.Client("default"), public, custody.CipherArgs{Parameters: &p, Data: []byte("text")})
		if err != nil {
			t.Fatal(err)
		}
		opened, err := s.Decrypt(ctx, s.Client("default"), private, custody.CipherArgs{Parameters: &p, Data: sealed.Data})
		if err != nil || string(opened.Data) != "text" {
			t.Errorf("%v: %q, %v", p.PaddingMethod, opened.Data, err)
		}
		sealed.Data[0] ^= 1
		_, err = s.Decrypt(ctx, s.Client("default"), private, custody.CipherArgs{Parameters: &p, Data: sealed.Data})
		wantKind(t, err, kmip.KindCryptographicFailure)
	}
	label := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodOAEP, HashingAlgorithm: kmip.HashingAlgorithmSHA256, PSource: []byte("label")}
	_, err := s.Decrypt(ctx, s.Client("default"), private, custody.CipherArgs{Parameters: &label, Data: make([]byte, 256)})
	wantKind(t, err, kmip.KindParametersUnsupported)
	for name, c := range map[string]struct {
		private, public string
		p               kmip.CryptographicParameters
	}{
		"PKCS#1":          {private, public, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15, HashingAlgorithm: kmip.HashingAlgorithmSHA256}},
		"PSS":             {private, public, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPSS, HashingAlgorithm: kmip.HashingAlgorithmSHA384}},
		"PSS with a salt": {private, public, kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPSS, HashingAlgorithm: kmip.HashingAlgorithmSHA256, SaltLength: new(int32(20))}},
		"ECDSA":           {curve, curvePublic, kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA384}},
		"by its name":     {curve, curvePublic, kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmECDSAWithSHA256}},
	} {
		args := custody.SignArgs{Parameters: &c.p, Data: []byte("message")}
		signature, err := s.Sign(ctx, s.Client("default"), c.private, args)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ok, err := s.SignatureVerify(ctx, s.Client("default"), c.public, args, signature); err != nil || !ok {
			t.Errorf("%s: the signature is valid: %t, %v", name, ok, err)
		}
		args.Data = []byte("another")
		if ok, err := s.SignatureVerify(ctx, s.Client("default"), c.public, args, signature); err != nil || ok {
			t.Errorf("%s: the signature of another message is valid: %t, %v", name, ok, err)
		}
	}
}

func TestResidentKeysMakeMACs(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	for name, c := range map[string]struct {
		uid  string
		p    *kmip.CryptographicParameters
		size int
	}{
		"HMAC-SHA-256":    {residentKey(t, s, kmip.CryptographicAlgorithmHMACSHA256, 256, maskMAC), nil, 32},
		"HMAC-SHA-512":    {residentKey(t, s, kmip.CryptographicAlgorithmHMACSHA512, 512, maskMAC), nil, 64},
		"HMAC by name":    {residentKey(t, s, kmip.CryptographicAlgorithmHMACSHA512, 512, maskMAC), &kmip.CryptographicParameters{CryptographicAlgorithm: kmip.CryptographicAlgorithmHMACSHA384}, 48},
		"CMAC by AES-128": {residentKey(t, s, kmip.CryptographicAlgorithmAES, 128, maskMAC), &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCMAC}, 16},
	} {
		code, err := s.MAC(ctx, s.Client("default"), c.uid, c.p, []byte("message"))
		if err != nil || len(code) != c.size {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(code), err, c.size)
			continue
		}
		for text, want := range map[string]bool{"message": true, "another": false} {
			if ok, err := s.MACVerify(ctx, s.Client("default"), c.uid, c.p, []byte(text), code); err != nil || ok != want {
				t.Errorf("%s: the MAC of %q is valid: %t, %v; want %t", name, text, ok, err, want)
			}
		}
	}
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskMAC)
	ok, err := s.MACVerify(ctx, s.Client("default"), uid, &kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256}, []byte("message"), nil)
	wantKind(t, err, kmip.KindParametersUnsupported) // AES makes no HMAC in a token
	if ok {
		t.Error("a MAC that could not be computed is valid")
	}
}

func TestResidentKeysAreReplacedAndDestroyedInTheToken(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt, name("k"))
	fresh, err := s.ReKey(ctx, s.Client("default"), uid, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	private, public := residentPair(t, s, kmip.CryptographicAlgorithmECDSA, 256, kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
	newPrivate, newPublic, err := s.ReKeyKeyPair(ctx, s.Client("default"), private, nil, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, uid := range []string{fresh, newPrivate} {
		if got := attributesOf(t, s, uid).Uint32(kmip.TagProtectionStorageMask); got != uint32(kmip.ProtectionStorageMaskHardware) {
			t.Errorf("the replacement of a key in the token has Protection Storage Mask %d", got)
		}
	}
	if a := attributesOf(t, s, fresh); a.Int32(kmip.TagCryptographicLength) != 256 || !a.Has(kmip.TagName) {
		t.Errorf("the replacement: %v", a)
	}
	args := custody.SignArgs{Parameters: &kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA256}, Data: []byte("message")}
	signature, err := s.Sign(ctx, s.Client("default"), newPrivate, args)
	if err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[string]bool{newPublic: true, public: false} {
		if ok, err := s.SignatureVerify(ctx, s.Client("default"), uid, args, signature); err != nil || ok != want {
			t.Errorf("a signature by the new key is valid under %s: %t, %v; want %t", uid, ok, err, want)
		}
	}
	if n := inToken(t, s); n != 4 {
		t.Fatalf("%d objects are in the token, want 4", n)
	}
	for _, uid := range []string{uid, private} {
		if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeCessationOfOperation}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.Decrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB}, Data: make([]byte, 16)})
	if err == nil {
		t.Error("a destroyed key decrypts")
	}
	tend(t, s)
	within(t, "destroyed keys leave the token", func() bool { return inToken(t, s) == 2 })
	if _, err := s.Sign(ctx, s.Client("default"), newPrivate, args); err != nil {
		t.Errorf("another key than the destroyed one has left the token: %v", err)
	}
	within(t, "nothing is left to be removed", func() bool { return len(removals(t, s)) == 0 })
}

func removals(t *testing.T, s *service.Service) []store.Record {
	t.Helper()
	list, err := s.Store.Records(context.Background(), store.RecordQuery{Domain: custody.SystemDomain, Kind: "resident", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it does not come about", what)
		}
	}
}

// refusing is before a store and refuses new objects.
type refusing struct {
	store.Store
	refuse atomic.Bool
}

func (r *refusing) wrap(s store.Store) store.Store { r.Store = s; return r }

func (r *refusing) Commit(ctx context.Context, c store.Change) error {
	if r.refuse.Load() && len(c.Insert) > 0 {
		return fmt.Errorf("the disk is full: %w", store.ErrUnavailable)
	}
	return r.Store.Commit(ctx, c)
}

func TestKeysThatNobodyLearntOfLeaveTheToken(t *testing.T) {
	ctx := context.Background()
	r := &refusing{}
	s := service.With(t, service.Options{Hardware: true, Store: r.wrap})
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt, name("k"))
	if n := len(removals(t, s)); n != 0 {
		t.Errorf("%d removals are announced beside a key that is there", n)
	}
	r.refuse.Store(true)
	_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware))
	wantKind(t, err, kmip.KindUnavailable)
	r.refuse.Store(false)
	_, err = s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware, name("k")))
	wantKind(t, err, kmip.KindNameNotUnique)
	if n := inToken(t, s); n != 3 {
		t.Fatalf("%d objects are in the token, want 3", n)
	}
	s.Clock.Advance(9 * time.Minute)
	tend(t, s)
	time.Sleep(300 * time.Millisecond)
	if n := inToken(t, s); n != 3 {
		t.Errorf("%d objects are in the token after 9 minutes: one that is being made is left alone", n)
	}
	s.Clock.Advance(2 * time.Minute)
	tend(t, s)
	within(t, "what nobody has leaves the token", func() bool { return inToken(t, s) == 1 && len(removals(t, s)) == 0 })
	ecb := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB}
	if _, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: ecb, Data: make([]byte, 16)}); err != nil {
		t.Errorf("the key that is in use: %v", err)
	}
}

func TestRemovalWaitsForATokenThatIsAway(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	s.Hardware.Away(hsm.ErrUnavailable)
	tend(t, s)
	time.Sleep(300 * time.Millisecond)
	if n := len(removals(t, s)); n != 1 {
		t.Errorf("%d removals are left while the token is away, want 1", n)
	}
	s.Hardware.Away(nil)
	tend(t, s)
	within(t, "the key leaves the token", func() bool { return inToken(t, s) == 0 && len(removals(t, s)) == 0 })
}

func TestResidentKeysDoNotLeave(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	all := maskEncryptDecrypt | maskMAC | kmip.CryptographicUsageMaskDeriveKey | kmip.CryptographicUsageMaskWrapKey | kmip.CryptographicUsageMaskUnwrapKey | kmip.CryptographicUsageMaskExport
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, all)
	private, _ := residentPair(t, s, kmip.CryptographicAlgorithmRSA, 2048, kmip.CryptographicUsageMaskSign|kmip.CryptographicUsageMaskDecrypt, kmip.CryptographicUsageMaskVerify)
	inSoftware := create(t, s, s.Client("default"))
	wrapping := func(by string) *kmip.Item {
		i := kmip.Structure(kmip.TagKeyWrappingSpecification, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt),
			kmip.Structure(kmip.TagEncryptionKeyInformation, kmip.Text(kmip.TagUniqueIdentifier, by),
				kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeNISTKeyWrap))))
		return &i
	}
	cbc := &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC}
	derive := func(typ kmip.ObjectType) error {
		a := attrs(kmip.Integer(kmip.TagCryptographicLength, 256))
		if typ == kmip.ObjectTypeSymmetricKey {
			a = aes256()
		}
		_, err := s.DeriveKey(ctx, s.Client("default"), custody.DeriveArgs{
			Type: typ, UIDs: []string{uid}, Method: kmip.DerivationMethodHASH, Attrs: a,
			Parameters: kmip.Structure(kmip.TagDerivationParameters, kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))),
		})
		return err
	}
	modify := func(uid string, i kmip.Item) error {
		_, err := s.ModifyAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(i), custody.Change{})
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want kmip.Kind
	}{
		"Get":           {func() error { _, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{}); return err }(), kmip.KindNotExtractable},
		"Get a private": {func() error { _, err := s.Get(ctx, s.Client("default"), private, custody.GetOptions{}); return err }(), kmip.KindNotExtractable},
		"Get it wrapped": {func() error {
			_, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{Wrapping: wrapping(inSoftware)})
			return err
		}(), kmip.KindNotExtractable},
		"wrap with it": {func() error {
			_, err := s.Get(ctx, s.Client("default"), inSoftware, custody.GetOptions{Wrapping: wrapping(uid)})
			return err
		}(), kmip.KindNotExtractable},
		"Export":        {func() error { _, _, err := s.Export(ctx, s.Client("default"), uid, custody.GetOptions{}); return err }(), kmip.KindNotExtractable},
		"Derive Key":    {derive(kmip.ObjectTypeSymmetricKey), kmip.KindNotExtractable},
		"Derive secret": {derive(kmip.ObjectTypeSecretData), kmip.KindNotExtractable},
		"split it": {func() error {
			_, err := s.CreateSplitKey(ctx, s.Client("default"), custody.SplitArgs{Type: kmip.ObjectTypeSymmetricKey, UID: uid, Parts: 2, Threshold: 2, Method: kmip.SplitKeyMethodXOR})
			return err
		}(), kmip.KindNotExtractable},
		"Encrypt in parts": {func() error {
			_, err := s.EncryptPart(ctx, s.Client("default"), uid, custody.Part{Init: true}, custody.CipherArgs{Parameters: cbc, Data: make([]byte, 16)})
			return err
		}(), kmip.KindNotExtractable},
		"MAC in parts": {func() error {
			_, err := s.MACPart(ctx, s.Client("default"), uid, custody.Part{Init: true}, &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCMAC}, make([]byte, 16))
			return err
		}(), kmip.KindNotExtractable},
		"Sign in parts": {func() error {
			_, err := s.SignPart(ctx, s.Client("default"), private, custody.Part{Init: true}, custody.SignArgs{Parameters: &kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15, HashingAlgorithm: kmip.HashingAlgorithmSHA256}, Data: []byte("m")})
			return err
		}(), kmip.KindNotExtractable},
		"Modify Attribute Extractable": {modify(uid, kmip.Boolean(kmip.TagExtractable, true)), kmip.KindAttributeValue},
		"Modify Attribute storage":     {modify(uid, kmip.Mask(kmip.TagProtectionStorageMask, kmip.ProtectionStorageMaskSoftware)), kmip.KindAttributeReadOnly},
		"Set Attribute Extractable":    {s.SetAttribute(ctx, s.Client("default"), uid, kmip.NewAttribute(kmip.Boolean(kmip.TagExtractable, true))), kmip.KindAttributeValue},
		"storage of one in software":   {modify(inSoftware, inHardware), kmip.KindAttributeReadOnly},
	} {
		if c.err == nil || kmip.KindOf(c.err) != c.want {
			t.Errorf("%s = %v, want %q", name, c.err, c.want)
		}
	}
	if _, err := s.DeleteAttribute(ctx, s.Client("default"), uid, kmip.AttributeID{Tag: kmip.TagExtractable}, custody.Change{}); err == nil {
		if _, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{}); err == nil {
			t.Error("a key in the token leaves it when nothing is said of Extractable")
		}
	}
	if _, err := s.Encrypt(ctx, s.Client("default"), uid, custody.CipherArgs{Parameters: cbc, Data: make([]byte, 16)}); err != nil {
		t.Errorf("the key is of use no longer: %v", err)
	}
}

func TestWhatIsNotMadeInAToken(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	none := service.New(t)
	undoable := func(s *service.Service) *custody.Scope {
		sc := s.Client("default")
		sc.Undoable()
		return sc
	}
	resident := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
	private, _ := residentPair(t, s, kmip.CryptographicAlgorithmECDSA, 256, kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
	made := s.Hardware.Made()
	pair := func(s *service.Service, sc *custody.Scope, items ...kmip.Item) error {
		_, _, err := s.CreateKeyPair(ctx, sc, attrs(items...), attrs(inHardware), nil)
		return err
	}
	symmetric := func(s *service.Service, sc *custody.Scope, typ kmip.ObjectType, items ...kmip.Item) error {
		_, err := s.Create(ctx, sc, typ, attrs(append(items, inHardware)...))
		return err
	}
	alg := func(a kmip.CryptographicAlgorithm) kmip.Item {
		return kmip.Enumeration(kmip.TagCryptographicAlgorithm, a)
	}
	bits := func(n int32) kmip.Item { return kmip.Integer(kmip.TagCryptographicLength, n) }
	curve := func(c kmip.RecommendedCurve) kmip.Item {
		return kmip.Structure(kmip.TagCryptographicDomainParameters, kmip.Enumeration(kmip.TagRecommendedCurve, c))
	}
	for name, c := range map[string]struct {
		err  error
		want kmip.Kind
	}{
		"extractable":                {symmetric(s, s.Client("default"), kmip.ObjectTypeSymmetricKey, kmip.Boolean(kmip.TagExtractable, true)), kmip.KindAttributeValue},
		"not sensitive":              {symmetric(s, s.Client("default"), kmip.ObjectTypeSymmetricKey, kmip.Boolean(kmip.TagSensitive, false)), kmip.KindAttributeValue},
		"an extractable private key": {pair(s, s.Client("default"), kmip.Boolean(kmip.TagExtractable, true)), kmip.KindAttributeValue},
		"Triple DES":                 {symmetric(s, s.Client("default"), kmip.ObjectTypeSymmetricKey, alg(kmip.CryptographicAlgorithmDES3), bits(168)), kmip.KindStorageMask},
		"AES of 100 bits":            {symmetric(s, s.Client("default"), kmip.ObjectTypeSymmetricKey, alg(kmip.CryptographicAlgorithmAES), bits(100)), kmip.KindStorageMask},
		"secret data":                {symmetric(s, s.Client("default"), kmip.ObjectTypeSecretData, bits(256)), kmip.KindStorageMask},
		"DSA":                        {pair(s, s.Client("default"), alg(kmip.CryptographicAlgorithmDSA), bits(2048)), kmip.KindPrivateStorage},
		"Ed25519":                    {pair(s, s.Client("default"), alg(kmip.CryptographicAlgorithmEd25519)), kmip.KindPrivateStorage},
		"RSA of 1024 bits":           {pair(s, s.Client("default"), alg(kmip.CryptographicAlgorithmRSA), bits(1024)), kmip.KindPrivateStorage},
		"a curve that is not":        {pair(s, s.Client("default"), alg(kmip.CryptographicAlgorithmECDSA), curve(kmip.RecommendedCurveSECP256K1)), kmip.KindPrivateStorage},
		"a curve of another length":  {pair(s, s.Client("default"), alg(kmip.CryptographicAlgorithmECDSA), curve(kmip.RecommendedCurveP256), bits(384)), kmip.KindPrivateStorage},
		"in an undoable batch":       {symmetric(s, undoable(s), kmip.ObjectTypeSymmetricKey), kmip.KindBatchRefused},
		"a pair in one":              {pair(s, undoable(s)), kmip.KindBatchRefused},
		"Re-key in one":              {func() error { _, err := s.ReKey(ctx, undoable(s), resident, nil, nil); return err }(), kmip.KindBatchRefused},
		"Re-key Key Pair in one":     {func() error { _, _, err := s.ReKeyKeyPair(ctx, undoable(s), private, nil, nil, nil, nil); return err }(), kmip.KindBatchRefused},
		"without hardware":           {symmetric(none, none.Client("default"), kmip.ObjectTypeSymmetricKey), kmip.KindStorageMask},
		"a pair without hardware":    {pair(none, none.Client("default")), kmip.KindPrivateStorage},
	} {
		if c.err == nil || kmip.KindOf(c.err) != c.want {
			t.Errorf("%s = %v, want %q", name, c.err, c.want)
		}
	}
	if n := s.Hardware.Made() - made; n != 0 {
		t.Errorf("%d objects were made in the token by what was refused", n)
	}
}

func TestADomainWhoseKeysLiveInHardware(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	client := func() *custody.Scope { return s.Client("default") }
	earlier := create(t, s, client())
	if err := s.SetDomainProtection(ctx, s.Administrator(""), "default", true); err != nil {
		t.Fatal(err)
	}
	uid := create(t, s, client()) // nobody asks for hardware
	private, _, err := s.CreateKeyPair(ctx, client(), attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDSA), kmip.Integer(kmip.TagCryptographicLength, 256)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, uid := range []string{uid, private} {
		if got := attributesOf(t, s, uid).Uint32(kmip.TagProtectionStorageMask); got != uint32(kmip.ProtectionStorageMaskHardware) {
			t.Errorf("a key of the domain has Protection Storage Mask %d", got)
		}
	}
	value := func(typ kmip.ObjectType) *kmip.Object {
		return &kmip.Object{Type: typ, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{
			Format: kmip.KeyFormatTypeRaw, Material: secret.New(bytes.Repeat([]byte{7}, 32)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256,
		}}
	}
	_, err = s.Register(ctx, client(), kmip.ObjectTypeSymmetricKey, aes256(), value(kmip.ObjectTypeSymmetricKey))
	wantKind(t, err, kmip.KindStorageMask)
	wantKind(t, s.Import(ctx, client(), custody.ImportArgs{UID: "mine", Type: kmip.ObjectTypeSymmetricKey, Attrs: aes256(), Value: value(kmip.ObjectTypeSymmetricKey)}), kmip.KindStorageMask)
	_, err = s.Create(ctx, client(), kmip.ObjectTypeSymmetricKey, aes256(kmip.Mask(kmip.TagProtectionStorageMask, kmip.ProtectionStorageMaskSoftware)))
	wantKind(t, err, kmip.KindStorageMask)
	if material(t, s, earlier) == "" {
		t.Error("a key from before is gone")
	}
	if _, err := s.Register(ctx, client(), kmip.ObjectTypeSecretData, nil, value(kmip.ObjectTypeSecretData)); err != nil {
		t.Errorf("a password, which is no key: %v", err)
	}
	sc := client()
	sc.Undoable()
	_, err = s.Create(ctx, sc, kmip.ObjectTypeSymmetricKey, aes256())
	wantKind(t, err, kmip.KindBatchRefused)
	if err := s.SetDomainProtection(ctx, s.Administrator(""), "default", false); err != nil {
		t.Fatal(err)
	}
	if err := s.SetDomainProtection(ctx, s.Administrator(""), "default", false); err != nil {
		t.Errorf("again: %v", err)
	}
	if got := attributesOf(t, s, create(t, s, client())).Uint32(kmip.TagProtectionStorageMask); got != uint32(kmip.ProtectionStorageMaskSoftware) {
		t.Errorf("a key of the domain that is free again has Protection Storage Mask %d", got)
	}
}

func TestATokenThatIsAwayIsATemporaryFailure(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
	ecb := custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB}, Data: make([]byte, 16)}
	for _, away := range []error{hsm.ErrUnavailable, fmt.Errorf("login: %w", hsm.ErrPIN), errors.Join(context.DeadlineExceeded, hsm.ErrUnavailable)} {
		s.Hardware.Away(away)
		_, err := s.Encrypt(ctx, s.Client("default"), uid, ecb)
		wantKind(t, err, kmip.KindUnavailable)
		_, err = s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware))
		wantKind(t, err, kmip.KindUnavailable)
		_, err = s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
		if err != nil {
			t.Errorf("a key in software while objects cannot be used: %v", err)
		}
	}
	s.Hardware.Away(nil)
	if _, err := s.Encrypt(ctx, s.Client("default"), uid, ecb); err != nil {
		t.Errorf("after the token came back: %v", err)
	}
	s.Hardware.Lose()
	_, err := s.Encrypt(ctx, s.Client("default"), uid, ecb)
	wantKind(t, err, kmip.KindIntegrity)
}

func TestATokenInWhichKeysLiveIsNotRetired(t *testing.T) {
	ctx := context.Background()
	s := service.With(t, service.Options{Hardware: true, Tokens: []string{"second"}})
	enroll(t, s, "second")
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
	wantKind(t, s.RetireToken(ctx, s.Administrator(""), "claviger"), kmip.KindWrongState)
	if err := s.Revoke(ctx, s.Client("default"), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeCessationOfOperation}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(ctx, s.Client("default"), uid); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireToken(ctx, s.Administrator(""), "claviger"); err != nil {
		t.Errorf("after the last one was destroyed: %v", err)
	}
	if err := s.Ring.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256(inHardware))
	wantKind(t, err, kmip.KindStorageMask) // no new ones in a retired token
	if got := s.Storages(); len(got) != 1 || got[0] != kmip.ProtectionStorageMaskSoftware {
		t.Errorf("storages: %v, want software only", got)
	}
}

func TestResidentKeysMoveToANewDomainKey(t *testing.T) {
	ctx := context.Background()
	s := hardware(t)
	uid := residentKey(t, s, kmip.CryptographicAlgorithmAES, 256, maskEncryptDecrypt)
	ecb := custody.CipherArgs{Parameters: &kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeECB}, Data: make([]byte, 16)}
	before, err := s.Encrypt(ctx, s.Client("default"), uid, ecb)
	if err != nil {
		t.Fatal(err)
	}
	if j := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone); j.Left != 0 {
		t.Errorf("the job at its end: %+v", j)
	}
	after, err := s.Encrypt(ctx, s.Client("default"), uid, ecb)
	if err != nil || !bytes.Equal(after.Data, before.Data) {
		t.Errorf("after the rotation: %x, %v; want %x", after.Data, err, before.Data)
	}
}

func TestReplacementsInADomainOfHardwareLiveThere(t *testing.T) {
	ctx := t.Context()
	s := service.With(t, service.Options{Hardware: true})
	uid, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateDomain(ctx, s.Administrator(""), "other", ""); err != nil {
		t.Fatal(err)
	}
	if err := s.SetDomainProtection(ctx, s.Administrator(""), "default", true); err != nil {
		t.Fatal(err)
	}
	fresh, err := s.ReKey(ctx, s.Client("default"), uid, nil, nil)
	if err != nil {
		t.Fatalf("ReKey of a key from before: %v", err)
	}
	_, err = s.Get(ctx, s.Client("default"), fresh, custody.GetOptions{})
	wantKind(t, err, kmip.KindNotExtractable)
	private, public, err := s.CreateKeyPair(ctx, s.Client("other"), attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDSA), kmip.Integer(kmip.TagCryptographicLength, 256)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetDomainProtection(ctx, s.Administrator(""), "other", true); err != nil {
		t.Fatal(err)
	}
	newPrivate, newPublic, err := s.ReKeyKeyPair(ctx, s.Client("other"), private, nil, nil, nil, nil)
	if err != nil {
		t.Fatalf("ReKeyKeyPair of a pair from before: %v", err)
	}
	_, err = s.Get(ctx, s.Client("other"), newPrivate, custody.GetOptions{})
	wantKind(t, err, kmip.KindNotExtractable)
	for _, uid := range []string{public, newPublic} {
		if _, err := s.Get(ctx, s.Client("other"), uid, custody.GetOptions{}); err != nil {
			t.Errorf("the public half %s: %v", uid, err)
		}
	}
	if n := s.Hardware.Made(); n != 2 {
		t.Errorf("%d keys were made in the token, want 2", n)
	}
}
