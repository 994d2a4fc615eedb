package crypto

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// opensslKey reads the two halves of a key that OpenSSL made.
func opensslKey(t testing.TB, name string, alg kmip.CryptographicAlgorithm) (private, public KeyInput) {
	t.Helper()
	return KeyInput{Algorithm: alg, Format: kmip.KeyFormatTypePKCS8, Material: secret.New(openssl(t, name+".p8"))},
		KeyInput{Algorithm: alg, Format: kmip.KeyFormatTypeX509, Material: secret.New(openssl(t, name+".spki"))}
}

// otherKeys are the keys of OpenSSL that crypto/x509 does not know, and X25519.
var otherKeys = []struct {
	name            string
	alg             kmip.CryptographicAlgorithm
	bits            int32
	private, public []kmip.KeyFormatType
}{
	{
		"dsa", kmip.CryptographicAlgorithmDSA, 2048,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeTransparentDSAPrivateKey},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeTransparentDSAPublicKey},
	},
	{
		"dh", kmip.CryptographicAlgorithmDH, 2048,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeTransparentDHPrivateKey},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeTransparentDHPublicKey},
	},
	{
		"dhx", kmip.CryptographicAlgorithmDH, 2048,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeTransparentDHPrivateKey},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeTransparentDHPublicKey},
	},
	{
		"secp256k1", kmip.CryptographicAlgorithmECDSA, 256,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeTransparentECPrivateKey, kmip.KeyFormatTypeTransparentECMQVPrivateKey},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeTransparentECPublicKey, kmip.KeyFormatTypeTransparentECDSAPublicKey},
	},
	{
		"ed448", kmip.CryptographicAlgorithmEd448, 448,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeRaw},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeRaw},
	},
	{
		"x448", kmip.CryptographicAlgorithmECDH, 448,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeRaw},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeRaw},
	},
	{
		"x25519", kmip.CryptographicAlgorithmECDH, 256,
		[]kmip.KeyFormatType{kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeRaw},
		[]kmip.KeyFormatType{kmip.KeyFormatTypeX509, kmip.KeyFormatTypeRaw},
	},
}

// What OpenSSL wrote comes out the same, whatever format it was in meanwhile.
func TestConvertKeysOfOpenSSL(t *testing.T) {
	for _, c := range otherKeys {
		t.Run(c.name, func(t *testing.T) {
			private, public := opensslKey(t, c.name, c.alg)
			for _, half := range []struct {
				typ     kmip.ObjectType
				key     KeyInput
				formats []kmip.KeyFormatType
			}{{kmip.ObjectTypePrivateKey, private, c.private}, {kmip.ObjectTypePublicKey, public, c.public}} {
				parsed := &kmip.KeyBlock{Format: half.key.Format, Material: half.key.Material, Algorithm: c.alg}
				for _, f := range half.formats {
					m, err := Convert(half.typ, parsed, f)
					if err != nil {
						t.Fatalf("as %v: %v", f, err)
					}
					b := block(m, c.alg)
					if alg, bits := Inspect(half.typ, &kmip.KeyBlock{Format: m.Format, Material: m.Bytes, Transparent: m.Transparent, Algorithm: c.alg}); alg != c.alg || bits != c.bits {
						t.Errorf("as %v: %v of %d bits", f, alg, bits)
					}
					for _, g := range half.formats {
						other, err := Convert(half.typ, b, g)
						if err != nil {
							t.Fatalf("from %v to %v: %v", f, g, err)
						}
						back, err := Convert(half.typ, block(other, c.alg), half.key.Format)
						if err != nil || !back.Bytes.Equal(half.key.Material) {
							t.Errorf("from %v to %v and back: %v, or not the same", f, g, err)
						}
					}
					for _, none := range []kmip.KeyFormatType{kmip.KeyFormatTypePKCS1, kmip.KeyFormatTypeTransparentSymmetricKey, kmip.KeyFormatTypePKCS12} {
						if _, err := Convert(half.typ, b, none); kmip.KindOf(err) != kmip.KindKeyFormat {
							t.Errorf("as %v: %v", none, err)
						}
					}
				}
			}
			key, err := private.private()
			if err != nil {
				t.Fatal(err)
			}
			m, err := ConvertPublic(key.(halves).Public(), kmip.KeyFormatTypeX509)
			if err != nil || !m.Bytes.Equal(public.Material) {
				t.Errorf("the public half is another: %v", err)
			}
		})
	}
}

func TestAgreeWithOpenSSL(t *testing.T) {
	for _, c := range []struct {
		name string
		alg  kmip.CryptographicAlgorithm
	}{
		{"secp256k1", kmip.CryptographicAlgorithmECDSA},
		{"dh", kmip.CryptographicAlgorithmDH},
		{"dhx", kmip.CryptographicAlgorithmDH},
		{"x448", kmip.CryptographicAlgorithmECDH},
	} {
		ours, oursPublic := opensslKey(t, c.name, c.alg)
		theirs, theirsPublic := opensslKey(t, c.name+"b", c.alg)
		for _, side := range [][2]KeyInput{{ours, theirsPublic}, {theirs, oursPublic}} {
			got, err := Agree(side[0], side[1])
			if err != nil || !bytes.Equal(got.Reveal(), openssl(t, c.name+".shared")) {
				t.Errorf("%s: %v, or another secret", c.name, err)
			}
		}
	}
}

func TestAgreeRefusesStrangers(t *testing.T) {
	secp256k1, secp256k1Public := opensslKey(t, "secp256k1", kmip.CryptographicAlgorithmEC)
	dh, dhPublic := opensslKey(t, "dh", kmip.CryptographicAlgorithmDH)
	dhx, dhxPublic := opensslKey(t, "dhx", kmip.CryptographicAlgorithmDH)
	p256, p256Public := pairOf(t, kmip.CryptographicAlgorithmEC, 256, 0)
	x448Key, _ := opensslKey(t, "x448", kmip.CryptographicAlgorithmECDH)
	_, x25519Public := opensslKey(t, "x25519", kmip.CryptographicAlgorithmECDH)
	for name, keys := range map[string][2]KeyInput{
		"P-256 and secp256k1":         {p256, secp256k1Public},
		"secp256k1 and P-256":         {secp256k1, p256Public},
		"X448 and X25519":             {x448Key, x25519Public},
		"a point of low order":        {x448Key, KeyInput{Algorithm: kmip.CryptographicAlgorithmECDH, Format: kmip.KeyFormatTypeRaw, Material: secret.New(make([]byte, 56))}},
		"two groups":                  {dh, dhxPublic},
		"two groups, the other way":   {dhx, dhPublic},
		"a curve and a group":         {secp256k1, dhPublic},
		"an element of low order":     {dh, elementItem(t, dhPublic, func(p *big.Int) *big.Int { return new(big.Int).Sub(p, big.NewInt(1)) })},
		"one":                         {dh, elementItem(t, dhPublic, func(*big.Int) *big.Int { return big.NewInt(1) })},
		"an element beyond the group": {dh, elementItem(t, dhPublic, func(p *big.Int) *big.Int { return new(big.Int).Add(p, big.NewInt(2)) })},
		"an element of the whole group": {dhx, elementItem(t, dhxPublic, func(p *big.Int) *big.Int {
			return new(big.Int).Sub(p, big.NewInt(2)) // no power of the generator
		})},
	} {
		if _, err := Agree(keys[0], keys[1]); err == nil || kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// element is a public key of a group with another number.
func elementItem(t *testing.T, public KeyInput, y func(p *big.Int) *big.Int) KeyInput {
	t.Helper()
	m, err := Convert(kmip.ObjectTypePublicKey, &kmip.KeyBlock{Format: public.Format, Material: public.Material}, kmip.KeyFormatTypeTransparentDHPublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range m.Transparent.Items {
		if f.Tag == kmip.TagY {
			m.Transparent.Items[i] = bigInteger(kmip.TagY, y(number(m.Transparent, kmip.TagP)))
		}
	}
	return KeyInput{Format: m.Format, Transparent: m.Transparent}
}

func TestSignaturesOfOpenSSL(t *testing.T) {
	message := openssl(t, "message.txt")
	for _, c := range []struct {
		name, signature string
		alg             kmip.CryptographicAlgorithm
		p               kmip.CryptographicParameters
	}{
		{"dsa", "dsa.sig", kmip.CryptographicAlgorithmDSA, kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmDSAWithSHA256}},
		{"secp256k1", "secp256k1.sig", kmip.CryptographicAlgorithmECDSA, kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmECDSAWithSHA256}},
		{"secp256k1", "secp256k1-sha512.sig", kmip.CryptographicAlgorithmECDSA, kmip.CryptographicParameters{HashingAlgorithm: kmip.HashingAlgorithmSHA512}},
		{"ed448", "ed448.sig", kmip.CryptographicAlgorithmEd448, kmip.CryptographicParameters{}},
	} {
		t.Run(c.signature, func(t *testing.T) {
			private, public := opensslKey(t, c.name, c.alg)
			v := SignatureRequest{Algorithm: c.alg, Key: public.Material, Format: public.Format, Parameters: c.p, Data: message}
			if ok, err := VerifySignature(v, openssl(t, c.signature)); err != nil || !ok {
				t.Errorf("that of OpenSSL: %t, %v", ok, err)
			}
			signature, err := Sign(SignatureRequest{Algorithm: c.alg, Key: private.Material, Format: private.Format, Parameters: c.p, Data: message})
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := VerifySignature(v, signature); err != nil || !ok {
				t.Errorf("its own: %t, %v", ok, err)
			}
			v.Key, v.Format = private.Material, private.Format
			if ok, err := VerifySignature(v, signature); err != nil || !ok {
				t.Errorf("by the private half: %t, %v", ok, err)
			}
			for _, wrong := range [][]byte{nil, signature[:len(signature)-1], append(bytes.Clone(signature), 0), {0x30, 6, 2, 1, 0, 2, 1, 0}} {
				if ok, err := VerifySignature(v, wrong); err != nil || ok {
					t.Errorf("%x: %t, %v", wrong, ok, err)
				}
			}
			v.Data = []byte("another message")
			if ok, err := VerifySignature(v, signature); err != nil || ok {
				t.Errorf("of another message: %t, %v", ok, err)
			}
		})
	}
	_, public := opensslKey(t, "dsa", kmip.CryptographicAlgorithmDSA)
	v := SignatureRequest{Key: public.Material, Format: public.Format, Parameters: kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmSHA256WithRSAEncryption}}
	if _, err := VerifySignature(v, nil); kmip.KindOf(err) != kmip.KindParametersUnsupported {
		t.Errorf("DSA by an algorithm of RSA: %v", err)
	}
}

func TestGenerateOtherPairs(t *testing.T) {
	domain := func(curve kmip.RecommendedCurve, q int32) *kmip.Item {
		d := kmip.Structure(kmip.TagCryptographicDomainParameters)
		if curve != 0 {
			d.Items = append(d.Items, kmip.Enumeration(kmip.TagRecommendedCurve, curve))
		}
		if q != 0 {
			d.Items = append(d.Items, kmip.Integer(kmip.TagQlength, q))
		}
		return &d
	}
	for _, c := range []struct {
		name            string
		alg             kmip.CryptographicAlgorithm
		bits            int32
		domain          *kmip.Item
		want            int32 // 0: refused
		private, public kmip.KeyFormatType
	}{
		{"DSA", kmip.CryptographicAlgorithmDSA, 1024, nil, 1024, kmip.KeyFormatTypeTransparentDSAPrivateKey, kmip.KeyFormatTypeTransparentDSAPublicKey},
		{"DSA with Qlength", kmip.CryptographicAlgorithmDSA, 1024, domain(0, 160), 1024, kmip.KeyFormatTypeTransparentDSAPrivateKey, kmip.KeyFormatTypeTransparentDSAPublicKey},
		{"DSA with a Qlength that is not there", kmip.CryptographicAlgorithmDSA, 1024, domain(0, 256), 0, 0, 0},
		{"DSA of 4096 bits", kmip.CryptographicAlgorithmDSA, 4096, nil, 0, 0, 0},
		{"DSA without length", kmip.CryptographicAlgorithmDSA, 0, nil, 0, 0, 0},
		{"DH", kmip.CryptographicAlgorithmDH, 2048, nil, 2048, kmip.KeyFormatTypeTransparentDHPrivateKey, kmip.KeyFormatTypeTransparentDHPublicKey},
		{"DH with the Qlength of a safe prime", kmip.CryptographicAlgorithmDH, 3072, domain(0, 3071), 3072, kmip.KeyFormatTypeTransparentDHPrivateKey, kmip.KeyFormatTypeTransparentDHPublicKey},
		{"DH with Qlength", kmip.CryptographicAlgorithmDH, 1024, domain(0, 160), 1024, kmip.KeyFormatTypeTransparentDHPrivateKey, kmip.KeyFormatTypeTransparentDHPublicKey},
		{"DH of 1024 bits", kmip.CryptographicAlgorithmDH, 1024, nil, 0, 0, 0},
		{"DH with a Qlength that is not there", kmip.CryptographicAlgorithmDH, 2048, domain(0, 1), 0, 0, 0},
		{"secp256k1", kmip.CryptographicAlgorithmECDSA, 0, domain(kmip.RecommendedCurveSECP256K1, 0), 256, kmip.KeyFormatTypeECPrivateKey, kmip.KeyFormatTypeX509},
		{"secp256k1 of another length", kmip.CryptographicAlgorithmECDSA, 384, domain(kmip.RecommendedCurveSECP256K1, 0), 0, 0, 0},
		{"X25519", kmip.CryptographicAlgorithmECDH, 256, domain(kmip.RecommendedCurveCURVE25519, 0), 256, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"Ed448", kmip.CryptographicAlgorithmEd448, 0, nil, 448, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"Ed448 on another curve", kmip.CryptographicAlgorithmEd448, 0, domain(kmip.RecommendedCurveCURVE25519, 0), 0, 0, 0},
		{"Ed448 of 256 bits", kmip.CryptographicAlgorithmEd448, 256, nil, 0, 0, 0},
		{"Ed448 as ECDSA", kmip.CryptographicAlgorithmECDSA, 448, domain(kmip.RecommendedCurveCURVE448, 0), 448, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"X448", kmip.CryptographicAlgorithmECDH, 0, domain(kmip.RecommendedCurveCURVE448, 0), 448, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"ML-KEM by the number in its name", kmip.CryptographicAlgorithmMLKEM768, 768, nil, 9472, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"ML-KEM by its length", kmip.CryptographicAlgorithmMLKEM512, 6400, nil, 6400, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"ML-KEM of another length", kmip.CryptographicAlgorithmMLKEM768, 512, nil, 0, 0, 0},
		{"ML-DSA", kmip.CryptographicAlgorithmMLDSA65, 0, nil, 15616, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"SLH-DSA", kmip.CryptographicAlgorithmSLHDSASHAKE128f, 128, nil, 256, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
		{"ECMQV", kmip.CryptographicAlgorithmECMQV, 256, domain(kmip.RecommendedCurveP256, 0), 0, 0, 0},
		{"SM2", kmip.CryptographicAlgorithmSM2, 256, nil, 0, 0, 0},
		{"Ed25519 as ECDSA", kmip.CryptographicAlgorithmECDSA, 0, domain(kmip.RecommendedCurveCURVE25519, 0), 256, kmip.KeyFormatTypePKCS8, kmip.KeyFormatTypeX509},
	} {
		t.Run(c.name, func(t *testing.T) {
			private, public, err := GenerateKeyPairWith(c.alg, c.bits, c.domain, nil)
			if c.want == 0 {
				if err == nil || kmip.KindOf(err) != kmip.KindAttributeValue {
					t.Errorf("error = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if private.Format != c.private || public.Format != c.public || private.LengthBits != c.want || public.LengthBits != c.want {
				t.Errorf("got %v of %d bits, %v of %d bits", private.Format, private.LengthBits, public.Format, public.LengthBits)
			}
			key, err := input(private, c.alg).private()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ConvertPublic(key.(halves).Public(), public.Format)
			if err != nil || !same(again, public) {
				t.Errorf("the public key does not belong to the private one: %v", err)
			}
		})
	}
}

// The groups of RFC 7919 are groups: p and (p-1)/2 are primes. OpenSSL has the
// first one too.
func TestSafePrimes(t *testing.T) {
	for bits := range ffdhe {
		g, ok := safePrimeGroup(bits)
		if !ok || g.P.BitLen() != int(bits) {
			t.Fatalf("%d bits: %d", bits, g.P.BitLen())
		}
		if bits <= 4096 && (!g.P.ProbablyPrime(0) || !g.Q.ProbablyPrime(0)) {
			t.Errorf("%d bits: no safe prime", bits)
		}
	}
	private, _ := opensslKey(t, "dh", 0)
	key, err := private.private()
	if err != nil {
		t.Fatal(err)
	}
	if g, _ := safePrimeGroup(2048); key.(dhPrivate).P.Cmp(g.P) != 0 || key.(dhPrivate).G.Cmp(g.G) != 0 {
		t.Error("another group than that of OpenSSL")
	}
}

func TestGroupsThatAreNone(t *testing.T) {
	private, _ := opensslKey(t, "dsa", 0)
	key, err := private.private()
	if err != nil {
		t.Fatal(err)
	}
	k := key.(dsaPrivate)
	n := func(tag kmip.Tag, v *big.Int) kmip.Item { return bigInteger(tag, v) }
	huge := new(big.Int).Lsh(big.NewInt(1), maxGroupBits)
	for name, c := range map[string]struct {
		format kmip.KeyFormatType
		fields []kmip.Item
	}{
		"X that is Q":            {kmip.KeyFormatTypeTransparentDSAPrivateKey, []kmip.Item{n(kmip.TagP, k.P), n(kmip.TagQ, k.Q), n(kmip.TagG, k.G), n(kmip.TagX, k.Q)}},
		"no X":                   {kmip.KeyFormatTypeTransparentDSAPrivateKey, []kmip.Item{n(kmip.TagP, k.P), n(kmip.TagQ, k.Q), n(kmip.TagG, k.G)}},
		"G of another order":     {kmip.KeyFormatTypeTransparentDSAPrivateKey, []kmip.Item{n(kmip.TagP, k.P), n(kmip.TagQ, k.Q), n(kmip.TagG, big.NewInt(2)), n(kmip.TagX, k.X)}},
		"Q that does not divide": {kmip.KeyFormatTypeTransparentDSAPrivateKey, []kmip.Item{n(kmip.TagP, k.P), n(kmip.TagQ, new(big.Int).Add(k.Q, big.NewInt(2))), n(kmip.TagG, k.G), n(kmip.TagX, k.X)}},
		"P that is even":         {kmip.KeyFormatTypeTransparentDSAPrivateKey, []kmip.Item{n(kmip.TagP, new(big.Int).Lsh(k.P, 1)), n(kmip.TagQ, k.Q), n(kmip.TagG, k.G), n(kmip.TagX, k.X)}},
		"P that is too large":    {kmip.KeyFormatTypeTransparentDHPrivateKey, []kmip.Item{n(kmip.TagP, huge.Add(huge, big.NewInt(1))), n(kmip.TagG, k.G), n(kmip.TagX, k.X)}},
		"P that is too small":    {kmip.KeyFormatTypeTransparentDHPrivateKey, []kmip.Item{n(kmip.TagP, big.NewInt(23)), n(kmip.TagG, big.NewInt(5)), n(kmip.TagX, big.NewInt(6))}},
		"G that is one":          {kmip.KeyFormatTypeTransparentDHPrivateKey, []kmip.Item{n(kmip.TagP, k.P), n(kmip.TagG, big.NewInt(1)), n(kmip.TagX, k.X)}},
		"no P":                   {kmip.KeyFormatTypeTransparentDHPrivateKey, []kmip.Item{n(kmip.TagG, k.G), n(kmip.TagX, k.X)}},
		"a scalar of secp256k1 that is too large": {kmip.KeyFormatTypeTransparentECPrivateKey, []kmip.Item{
			kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveSECP256K1), n(kmip.TagD, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))),
		}},
		"no scalar of secp256k1": {kmip.KeyFormatTypeTransparentECPrivateKey, []kmip.Item{kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveSECP256K1)}},
	} {
		s := kmip.Structure(kmip.TagKeyMaterial, c.fields...)
		if _, err := ParsePrivate(c.format, 0, nil, &s); err == nil || kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParsePKCS8(f *testing.F) {
	for _, c := range otherKeys {
		f.Add(openssl(f, c.name+".p8"))
	}
	f.Fuzz(func(_ *testing.T, der []byte) { _, _ = ParsePrivate(kmip.KeyFormatTypePKCS8, 0, der, nil) })
}

func FuzzParseX509Key(f *testing.F) {
	for _, c := range otherKeys {
		f.Add(openssl(f, c.name+".spki"))
	}
	f.Fuzz(func(_ *testing.T, der []byte) { _, _ = ParsePublic(kmip.KeyFormatTypeX509, 0, der, nil) })
}
