package hsmtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

func testObjects(t *testing.T, token hsm.Token) {
	claimed := capabilities(t, token).Objects
	for kind, test := range map[hsm.ObjectKind]func(*testing.T, hsm.Token){
		hsm.ObjectAES: testAESObjects, hsm.ObjectHMAC: testHMACObjects, hsm.ObjectRSA: testRSAObjects, hsm.ObjectEC: testECObjects,
	} {
		if slices.Contains(claimed, kind) {
			t.Run(string(kind), func(t *testing.T) { test(t, token) })
		} else if _, err := token.GenerateObject(t.Context(), anObject(kind)); !errors.Is(err, hsm.ErrUnsupported) {
			t.Errorf("GenerateObject of kind %s, which is not claimed = %v, want ErrUnsupported", kind, err)
		}
	}
	if len(claimed) == 0 {
		for what, call := range objectCalls(token, strings.Repeat("ab", 16)) {
			wantKind(t, what+" by a token that keeps none", call(t.Context()), hsm.ErrUnsupported)
		}
		return
	}
	for _, spec := range []hsm.ObjectSpec{
		{},
		{Kind: "dsa", Bits: 2048, Sign: true},
		{Kind: hsm.ObjectAES, Bits: 256},
		{Kind: hsm.ObjectAES, Bits: 100, Encrypt: true},
		{Kind: hsm.ObjectHMAC, Bits: 256, Encrypt: true},
		{Kind: hsm.ObjectHMAC, Bits: 255, Sign: true},
		{Kind: hsm.ObjectRSA, Bits: 1024, Sign: true},
		{Kind: hsm.ObjectEC, Bits: 255, Sign: true},
		{Kind: hsm.ObjectEC, Bits: 256, Decrypt: true},
		{Kind: hsm.ObjectEC, Bits: 256, Sign: true, ID: "not hexadecimal"},
		{Kind: hsm.ObjectEC, Bits: 256, Sign: true, ID: "abcd"},
	} {
		_, err := token.GenerateObject(t.Context(), spec)
		wantKind(t, "GenerateObject of what there is not", err, hsm.ErrUnsupported)
	}
	for _, id := range []string{strings.Repeat("ab", 16), "", "x'; --"} {
		for what, call := range objectCalls(token, id) {
			if what != "Objects" && what != "GenerateObject" {
				wantKind(t, what+" of an object that there is not", call(t.Context()), hsm.ErrNotFound)
			}
		}
	}
}

func anObject(kind hsm.ObjectKind) hsm.ObjectSpec {
	return map[hsm.ObjectKind]hsm.ObjectSpec{
		hsm.ObjectAES:  {Kind: kind, Bits: 256, Encrypt: true, Decrypt: true},
		hsm.ObjectHMAC: {Kind: kind, Bits: 256, Sign: true},
		hsm.ObjectRSA:  {Kind: kind, Bits: 2048, Sign: true, Decrypt: true, Encrypt: true},
		hsm.ObjectEC:   {Kind: kind, Bits: 256, Sign: true},
	}[kind]
}

// made makes an object and destroys it in the end, which must remove it.
func made(t *testing.T, token hsm.Token, spec hsm.ObjectSpec) hsm.Object {
	t.Helper()
	chosen := make([]byte, 16)
	_, _ = rand.Read(chosen) // never fails
	spec.ID = hex.EncodeToString(chosen)
	o, err := token.GenerateObject(t.Context(), spec)
	if err != nil {
		t.Fatalf("GenerateObject(%+v): %v", spec, err)
	}
	if o.ID != spec.ID {
		t.Errorf("the identifier is %s, %s was chosen", o.ID, spec.ID)
	}
	if o.Kind != spec.Kind || o.Bits != spec.Bits || o.ID == "" || o.ID != strings.ToLower(o.ID) {
		t.Errorf("GenerateObject(%+v) = %+v", spec, o)
	}
	pair := spec.Kind == hsm.ObjectRSA || spec.Kind == hsm.ObjectEC
	if pair != (o.Public != nil) {
		t.Errorf("GenerateObject(%s) gave %d bytes of a public half", spec.Kind, len(o.Public))
	}
	if ids, err := token.Objects(t.Context()); err != nil || !slices.Contains(ids, o.ID) || !slices.IsSorted(ids) {
		t.Errorf("Objects = %v, %v, want %s too, sorted", ids, err, o.ID)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := token.DestroyObject(ctx, o.ID); err != nil {
			t.Errorf("DestroyObject: %v", err)
		}
		wantKind(t, "DestroyObject twice", token.DestroyObject(ctx, o.ID), hsm.ErrNotFound)
		for what, call := range objectCalls(token, o.ID) {
			if what != "Objects" && what != "GenerateObject" {
				wantKind(t, what+" after DestroyObject", call(ctx), hsm.ErrNotFound)
			}
		}
		if ids, err := token.Objects(ctx); err != nil || slices.Contains(ids, o.ID) {
			t.Errorf("Objects after DestroyObject = %v, %v", ids, err)
		}
	})
	return o
}

// modeWorks runs a round trip and tells whether the token has the mode.
func modeWorks(t *testing.T, token hsm.Token, id string, r hsm.CipherRequest) (sealed []byte, works bool) {
	t.Helper()
	plain := bytes.Clone(r.Data)
	sealed, err := token.ObjectEncrypt(t.Context(), id, r)
	if errors.Is(err, hsm.ErrUnsupported) {
		return nil, false
	}
	if err != nil {
		t.Fatalf("ObjectEncrypt(%s): %v", r.Mode, err)
	}
	if !bytes.Equal(r.Data, plain) || bytes.Equal(sealed, plain) {
		t.Errorf("ObjectEncrypt(%s) changed its plaintext, or nothing", r.Mode)
	}
	r.Data = sealed
	opened, err := token.ObjectDecrypt(t.Context(), id, r)
	if err != nil || !bytes.Equal(opened, plain) {
		t.Errorf("ObjectDecrypt(ObjectEncrypt(%s)) = %d bytes, %v", r.Mode, len(opened), err)
	}
	return sealed, true
}

func testAESObjects(t *testing.T, token hsm.Token) {
	ctx, iv := t.Context(), []byte("0123456789abcdef")
	for _, bits := range []int{128, 192, 256} {
		o := made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: bits, Encrypt: true, Decrypt: true})
		works := 0
		for _, r := range []hsm.CipherRequest{
			{Mode: hsm.ModeGCM, IV: iv[:12], AAD: []byte("aad"), TagBits: 128, Data: []byte("hello")},
			{Mode: hsm.ModeGCM, IV: iv[:12], TagBits: 96, Data: bytes.Repeat([]byte("x"), 1000)},
			{Mode: hsm.ModeCBC, IV: iv, Data: bytes.Repeat([]byte("x"), 64)},
			{Mode: hsm.ModeCBCPad, IV: iv, Data: []byte("hello")},
			{Mode: hsm.ModeCTR, IV: iv, Data: []byte("hello")},
			{Mode: hsm.ModeECB, Data: bytes.Repeat([]byte("x"), 32)},
		} {
			sealed, ok := modeWorks(t, token, o.ID, r)
			if !ok {
				continue
			}
			works++
			if r.Mode == hsm.ModeGCM {
				if len(sealed) != len(r.Data)+r.TagBits/8 {
					t.Errorf("%s made %d bytes of %d", r.Mode, len(sealed), len(r.Data))
				}
				for what, change := range map[string]func(*hsm.CipherRequest){
					"a changed tag":         func(r *hsm.CipherRequest) { r.Data[len(r.Data)-1] ^= 1 },
					"other associated data": func(r *hsm.CipherRequest) { r.AAD = []byte("other") },
					"another nonce":         func(r *hsm.CipherRequest) { r.IV = []byte("another one!") },
					"a tag that is cut":     func(r *hsm.CipherRequest) { r.Data = r.Data[:5] },
				} {
					bad := r
					bad.Data = bytes.Clone(sealed)
					change(&bad)
					_, err := token.ObjectDecrypt(ctx, o.ID, bad)
					wantKind(t, "ObjectDecrypt with "+what, err, hsm.ErrIntegrity)
				}
			}
			if r.Mode == hsm.ModeCBCPad {
				bad := r
				bad.Data = sealed[:len(sealed)-1]
				_, err := token.ObjectDecrypt(ctx, o.ID, bad)
				wantKind(t, "ObjectDecrypt of half a block", err, hsm.ErrIntegrity)
				bad.IV, bad.Data = slices.Clone(iv), bytes.Clone(sealed)
				bad.IV[15] ^= 0xff // makes the padding 0xf4
				_, err = token.ObjectDecrypt(ctx, o.ID, bad)
				wantKind(t, "ObjectDecrypt with wrong padding", err, hsm.ErrIntegrity)
			}
		}
		if works == 0 {
			t.Errorf("no mode works with an object of %d bits", bits)
		}
		for what, r := range map[string]hsm.CipherRequest{
			"an unknown mode": {Mode: "rot13", Data: iv},
			"a mode of RSA":   {Mode: hsm.ModePKCS1, Data: iv},
			"a short IV":      {Mode: hsm.ModeCBC, IV: iv[:8], Data: iv},
			"half a block":    {Mode: hsm.ModeCBC, IV: iv, Data: iv[:8]},
			"AAD in CTR":      {Mode: hsm.ModeCTR, IV: iv, AAD: iv, Data: iv},
		} {
			_, err := token.ObjectEncrypt(ctx, o.ID, r)
			wantKind(t, "ObjectEncrypt with "+what, err, hsm.ErrUnsupported)
		}
		_, err := token.ObjectMAC(ctx, o.ID, hsm.MACRequest{Data: iv})
		wantKind(t, "ObjectMAC by an object that may not sign", err, hsm.ErrUnsupported)
	}
	half := made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: 256, Encrypt: true})
	_, err := token.ObjectDecrypt(ctx, half.ID, hsm.CipherRequest{Mode: hsm.ModeCBC, IV: iv, Data: iv})
	wantKind(t, "ObjectDecrypt by an object that may encrypt only", err, hsm.ErrUnsupported)
	mac := made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectAES, Bits: 128, Sign: true})
	testMAC(t, token, mac.ID, hsm.MACRequest{Data: []byte("message")}, 16)
	_, err = token.ObjectEncrypt(ctx, mac.ID, hsm.CipherRequest{Mode: hsm.ModeCBC, IV: iv, Data: iv})
	wantKind(t, "ObjectEncrypt by an object that may sign only", err, hsm.ErrUnsupported)
}

// testMAC checks what can be checked of a MAC whose key nobody has.
func testMAC(t *testing.T, token hsm.Token, id string, r hsm.MACRequest, size int) {
	t.Helper()
	a, err := token.ObjectMAC(t.Context(), id, r)
	if errors.Is(err, hsm.ErrUnsupported) {
		return
	}
	b, err2 := token.ObjectMAC(t.Context(), id, r)
	r.Data = append(bytes.Clone(r.Data), 'x')
	c, err3 := token.ObjectMAC(t.Context(), id, r)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatalf("ObjectMAC: %v", err)
	}
	if len(a) != size || !bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Errorf("ObjectMAC(hash %d) = %x, %x, and %x of other data, want %d bytes", r.Hash, a, b, c, size)
	}
}

func testHMACObjects(t *testing.T, token hsm.Token) {
	o := made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectHMAC, Bits: 512, Sign: true})
	if _, err := token.ObjectMAC(t.Context(), o.ID, hsm.MACRequest{Hash: crypto.SHA256, Data: []byte("message")}); err != nil {
		t.Errorf("HMAC with SHA-256, which every token has: %v", err)
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		testMAC(t, token, o.ID, hsm.MACRequest{Hash: h, Data: []byte("message")}, h.Size())
	}
	_, err := token.ObjectMAC(t.Context(), o.ID, hsm.MACRequest{Data: []byte("message")})
	wantKind(t, "CMAC by a generic secret", err, hsm.ErrUnsupported)
	_, err = token.ObjectMAC(t.Context(), o.ID, hsm.MACRequest{Hash: crypto.MD5, Data: []byte("message")})
	wantKind(t, "HMAC with MD5", err, hsm.ErrUnsupported)
}

func digest(h crypto.Hash, data string) []byte {
	d := h.New()
	d.Write([]byte(data))
	return d.Sum(nil)
}

func publicOf[K any](t *testing.T, o hsm.Object) K {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(o.Public)
	key, ok := public.(K)
	if err != nil || !ok {
		t.Fatalf("Public = %T, %v", public, err)
	}
	return key
}

func testRSAObjects(t *testing.T, token hsm.Token) {
	ctx := t.Context()
	o := made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectRSA, Bits: 2048, Sign: true})
	key := publicOf[*rsa.PublicKey](t, o)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		d := digest(h, "message")
		sig, err := token.ObjectSign(ctx, o.ID, hsm.SignRequest{Scheme: hsm.SchemePKCS1, Hash: h, Digest: d})
		if err != nil || rsa.VerifyPKCS1v15(key, h, d, sig) != nil {
			t.Errorf("PKCS#1 v1.5 signature with %v: %v", h, err)
		}
		sig, err = token.ObjectSign(ctx, o.ID, hsm.SignRequest{Scheme: hsm.SchemePSS, Hash: h, Digest: d, SaltBytes: h.Size()})
		if errors.Is(err, hsm.ErrUnsupported) {
			continue
		}
		if err != nil || rsa.VerifyPSS(key, h, d, sig, &rsa.PSSOptions{SaltLength: h.Size()}) != nil {
			t.Errorf("PSS signature with %v: %v", h, err)
		}
	}
	_, err := token.ObjectSign(ctx, o.ID, hsm.SignRequest{Scheme: hsm.SchemeECDSA, Hash: crypto.SHA256, Digest: digest(crypto.SHA256, "x")})
	wantKind(t, "ECDSA by an RSA key", err, hsm.ErrUnsupported)
	_, err = token.ObjectSign(ctx, o.ID, hsm.SignRequest{Scheme: hsm.SchemePKCS1, Hash: crypto.SHA256, Digest: []byte("short")})
	wantKind(t, "signature of what is no digest", err, hsm.ErrUnsupported)
	_, err = token.ObjectDecrypt(ctx, o.ID, hsm.CipherRequest{Mode: hsm.ModePKCS1, Data: make([]byte, 256)})
	wantKind(t, "ObjectDecrypt by an object that may sign only", err, hsm.ErrUnsupported)

	o = made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectRSA, Bits: 2048, Encrypt: true, Decrypt: true})
	key = publicOf[*rsa.PublicKey](t, o)
	_, err = token.ObjectSign(ctx, o.ID, hsm.SignRequest{Scheme: hsm.SchemePKCS1, Hash: crypto.SHA256, Digest: digest(crypto.SHA256, "x")})
	wantKind(t, "ObjectSign by an object that may decrypt only", err, hsm.ErrUnsupported)
	works := 0
	for _, r := range []hsm.CipherRequest{
		{Mode: hsm.ModeOAEP, Hash: crypto.SHA1}, {Mode: hsm.ModeOAEP, Hash: crypto.SHA256}, {Mode: hsm.ModePKCS1},
	} {
		r.Data = []byte("short secret")
		if _, ok := modeWorks(t, token, o.ID, r); !ok {
			continue
		}
		works++
		var sealed []byte
		if r.Mode == hsm.ModeOAEP {
			sealed, err = rsa.EncryptOAEP(r.Hash.New(), rand.Reader, key, []byte("from outside"), nil)
		} else {
			//lint:ignore SA1019 the protocol has it
			sealed, err = rsa.EncryptPKCS1v15(rand.Reader, key, []byte("from outside")) //nolint:staticcheck // the protocol has it
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Data = sealed
		if plain, err := token.ObjectDecrypt(ctx, o.ID, r); err != nil || string(plain) != "from outside" {
			t.Errorf("ObjectDecrypt(%s, %v) of what Go made = %q, %v", r.Mode, r.Hash, plain, err)
		}
		if r.Mode == hsm.ModePKCS1 {
			continue // some libraries answer wrong padding with random bytes, on purpose
		}
		r.Data = bytes.Clone(sealed)
		r.Data[len(r.Data)-1] ^= 1
		_, err = token.ObjectDecrypt(ctx, o.ID, r)
		wantKind(t, "ObjectDecrypt of a changed ciphertext", err, hsm.ErrIntegrity)
		r.Data = sealed[:len(sealed)-1]
		_, err = token.ObjectDecrypt(ctx, o.ID, r)
		wantKind(t, "ObjectDecrypt of a cut ciphertext", err, hsm.ErrIntegrity)
	}
	if works == 0 {
		t.Error("neither OAEP nor PKCS#1 v1.5 works")
	}
}

func testECObjects(t *testing.T, token hsm.Token) {
	for _, bits := range []int{256, 384, 521} {
		o := made(t, token, hsm.ObjectSpec{Kind: hsm.ObjectEC, Bits: bits, Sign: true})
		key := publicOf[*ecdsa.PublicKey](t, o)
		if key.Curve.Params().BitSize != bits {
			t.Errorf("the key is of the curve %s", key.Curve.Params().Name)
		}
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			d := digest(h, "message")
			sig, err := token.ObjectSign(t.Context(), o.ID, hsm.SignRequest{Scheme: hsm.SchemeECDSA, Hash: h, Digest: d})
			if err != nil || !ecdsa.VerifyASN1(key, d, sig) {
				t.Errorf("ECDSA signature of %d bits with %v: %v", bits, h, err)
			}
		}
		_, err := token.ObjectSign(t.Context(), o.ID, hsm.SignRequest{Scheme: hsm.SchemePSS, Hash: crypto.SHA256, Digest: digest(crypto.SHA256, "x")})
		wantKind(t, "PSS by an EC key", err, hsm.ErrUnsupported)
	}
}

func testObjectsApart(t *testing.T, token hsm.Token) {
	claimed := capabilities(t, token).Objects
	if len(claimed) == 0 {
		return
	}
	ctx := t.Context()
	for _, purpose := range []hsm.Purpose{hsm.PurposeSeal, hsm.PurposeWrap} {
		root := generate(t, token, purpose)
		for what, call := range objectCalls(token, root.ID) {
			if what != "Objects" && what != "GenerateObject" {
				wantKind(t, what+" of a "+string(purpose)+" key", call(ctx), hsm.ErrNotFound)
			}
		}
		if ids, err := token.Objects(ctx); err != nil || len(ids) != 0 {
			t.Errorf("Objects beside root keys = %v, %v, want none", ids, err)
		}
		if _, err := token.Find(ctx, root.ID); err != nil {
			t.Errorf("the %s key is gone: %v", purpose, err)
		}
	}
	for _, kind := range claimed {
		o := made(t, token, anObject(kind))
		_, err := token.Find(ctx, o.ID)
		wantKind(t, "Find of an object", err, hsm.ErrNotFound)
		wantKind(t, "Destroy of an object", token.Destroy(ctx, o.ID), hsm.ErrNotFound)
		_, err = token.Encrypt(ctx, o.ID, secret.Copy([]byte("x")), nil)
		wantKind(t, "Encrypt by an object", err, hsm.ErrNotFound)
		_, err = token.Wrap(ctx, o.ID, newValue())
		wantKind(t, "Wrap by an object", err, hsm.ErrNotFound)
	}
	if keys, err := token.Keys(ctx, hsm.AnyPurpose); err != nil || len(keys) != 2 {
		t.Errorf("Keys beside objects = %v, %v, want the two root keys", keys, err)
	}
}

// objectCalls are the calls of resident objects.
func objectCalls(token hsm.Token, id string) map[string]func(context.Context) error {
	block := make([]byte, 16)
	return map[string]func(context.Context) error{
		"GenerateObject": func(ctx context.Context) error {
			_, err := token.GenerateObject(ctx, anObject(hsm.ObjectAES))
			return err
		},
		"Objects":       func(ctx context.Context) error { _, err := token.Objects(ctx); return err },
		"DestroyObject": func(ctx context.Context) error { return token.DestroyObject(ctx, id) },
		"ObjectEncrypt": func(ctx context.Context) error {
			_, err := token.ObjectEncrypt(ctx, id, hsm.CipherRequest{Mode: hsm.ModeCBC, IV: block, Data: block})
			return err
		},
		"ObjectDecrypt": func(ctx context.Context) error {
			_, err := token.ObjectDecrypt(ctx, id, hsm.CipherRequest{Mode: hsm.ModeCBC, IV: block, Data: block})
			return err
		},
		"ObjectSign": func(ctx context.Context) error {
			_, err := token.ObjectSign(ctx, id, hsm.SignRequest{Scheme: hsm.SchemePKCS1, Hash: crypto.SHA256, Digest: make([]byte, 32)})
			return err
		},
		"ObjectMAC": func(ctx context.Context) error {
			_, err := token.ObjectMAC(ctx, id, hsm.MACRequest{Hash: crypto.SHA256, Data: block})
			return err
		},
	}
}
