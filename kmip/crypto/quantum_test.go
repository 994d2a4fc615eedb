package crypto

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"testing"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// sequenceOfBytes is 00 01 02 …, which the examples of the RFCs use as a seed.
func sequenceOfBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// The examples of RFC 9881 Appendix C.1 and RFC 9935 Appendix C.1: a seed in
// PKCS#8.
func TestSeedsInPKCS8(t *testing.T) {
	for alg, want := range map[kmip.CryptographicAlgorithm]string{
		kmip.CryptographicAlgorithmMLDSA44:   "3034020100300b0609608648016503040311" + "04228020" + hex.EncodeToString(sequenceOfBytes(32)),
		kmip.CryptographicAlgorithmMLDSA87:   "3034020100300b0609608648016503040313" + "04228020" + hex.EncodeToString(sequenceOfBytes(32)),
		kmip.CryptographicAlgorithmMLKEM512:  "3054020100300b0609608648016503040401" + "04428040" + hex.EncodeToString(sequenceOfBytes(64)),
		kmip.CryptographicAlgorithmMLKEM1024: "3054020100300b0609608648016503040403" + "04428040" + hex.EncodeToString(sequenceOfBytes(64)),
	} {
		der := unhex(t, want)
		key, err := ParsePrivate(kmip.KeyFormatTypePKCS8, alg, der, nil)
		if err != nil {
			t.Fatalf("%v: %v", alg, err)
		}
		m, err := ConvertPrivate(key, kmip.KeyFormatTypePKCS8)
		if err != nil || !bytes.Equal(m.Bytes.Reveal(), der) {
			t.Errorf("%v: %x, %v", alg, m.Bytes.Reveal(), err)
		}
		raw, err := ConvertPrivate(key, kmip.KeyFormatTypeRaw)
		if err != nil || !bytes.Equal(raw.Bytes.Reveal(), sequenceOfBytes(raw.Bytes.Len())) {
			t.Errorf("%v as Raw: %x, %v", alg, raw.Bytes.Reveal(), err)
		}
		// Both forms: the seed counts. The expanded form alone is refused.
		seed := raw.Bytes.Reveal()
		both := marshalPKCS8(quantumAlgorithms[alg].oid, nil, marshal(struct{ Seed, Expanded []byte }{seed, make([]byte, 99)}))
		again, err := ParsePrivate(kmip.KeyFormatTypePKCS8, alg, both, nil)
		if err != nil {
			t.Fatalf("%v in both forms: %v", alg, err)
		}
		if m, _ := ConvertPrivate(again, kmip.KeyFormatTypePKCS8); !bytes.Equal(m.Bytes.Reveal(), der) {
			t.Errorf("%v in both forms is another key", alg)
		}
		expanded := marshalPKCS8(quantumAlgorithms[alg].oid, nil, marshal(make([]byte, 2560)))
		if _, err := ParsePrivate(kmip.KeyFormatTypePKCS8, alg, expanded, nil); kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%v in expanded form: %v", alg, err)
		}
	}
}

// Formats of ML-DSA as the library's own package writes them.
func TestMLDSAFormats(t *testing.T) {
	key, err := mldsa.NewPrivateKey(mldsa.MLDSA65(), sequenceOfBytes(32))
	if err != nil {
		t.Fatal(err)
	}
	private, err := mldsax509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := mldsax509.MarshalPKIXPublicKey(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := ParsePrivate(kmip.KeyFormatTypePKCS8, 0, private, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ConvertPublic(ours.(halves).Public(), kmip.KeyFormatTypeX509)
	if err != nil || !bytes.Equal(m.Bytes.Reveal(), public) || AlgorithmOf(ours) != kmip.CryptographicAlgorithmMLDSA65 {
		t.Errorf("%v, %v", AlgorithmOf(ours), err)
	}
}

func TestQuantumKeysConvert(t *testing.T) {
	for alg, a := range quantumAlgorithms {
		if alg.String() == "" || a.oid == "" {
			t.Errorf("%v has no name", alg)
		}
		if _, slow := slowQuantum[alg]; slow {
			continue
		}
		private, public := pairOf(t, alg, 0, 0)
		for _, c := range []struct {
			typ kmip.ObjectType
			key KeyInput
		}{{kmip.ObjectTypePrivateKey, private}, {kmip.ObjectTypePublicKey, public}} {
			k := &kmip.KeyBlock{Format: c.key.Format, Material: c.key.Material, Algorithm: alg}
			raw, err := Convert(c.typ, k, kmip.KeyFormatTypeRaw)
			if err != nil {
				t.Fatalf("%v: %v", alg, err)
			}
			back, err := Convert(c.typ, block(raw, alg), c.key.Format)
			if err != nil || !back.Bytes.Equal(c.key.Material) {
				t.Errorf("%v %v as Raw and back: %v, or not the same", alg, c.typ, err)
			}
			if got, bits := Inspect(c.typ, block(raw, alg)); got != alg || bits != raw.LengthBits || bits == 0 {
				t.Errorf("%v %v: Inspect = %v, %d", alg, c.typ, got, bits)
			}
			if _, err := Convert(c.typ, block(raw, alg), kmip.KeyFormatTypePKCS1); kmip.KindOf(err) != kmip.KindKeyFormat {
				t.Errorf("%v as PKCS#1: %v", alg, err)
			}
			short := raw.Bytes.Reveal()[1:]
			if _, err := Convert(c.typ, &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(short), Algorithm: alg}, c.key.Format); kmip.KindOf(err) != kmip.KindInvalidField {
				t.Errorf("%v %v a byte short: %v", alg, c.typ, err)
			}
		}
	}
}

// slowQuantum are the sets whose keys and signatures take seconds to make: they
// share all their code with the fast ones.
var slowQuantum = map[kmip.CryptographicAlgorithm]bool{
	kmip.CryptographicAlgorithmSLHDSASHA2192s: true, kmip.CryptographicAlgorithmSLHDSASHA2256s: true,
	kmip.CryptographicAlgorithmSLHDSASHAKE128s: true, kmip.CryptographicAlgorithmSLHDSASHAKE192s: true, kmip.CryptographicAlgorithmSLHDSASHAKE256s: true,
}

func TestQuantumSignaturesVerify(t *testing.T) {
	for _, alg := range []kmip.CryptographicAlgorithm{
		kmip.CryptographicAlgorithmMLDSA44, kmip.CryptographicAlgorithmMLDSA65, kmip.CryptographicAlgorithmMLDSA87,
		kmip.CryptographicAlgorithmSLHDSASHA2128f, kmip.CryptographicAlgorithmSLHDSASHAKE128f,
	} {
		t.Run(alg.String(), func(t *testing.T) {
			private, public := pairOf(t, alg, 0, 0)
			r := SignatureRequest{Algorithm: alg, Key: private.Material, Format: private.Format, Data: []byte("message")}
			signature, err := Sign(r)
			if err != nil {
				t.Fatal(err)
			}
			v := SignatureRequest{Algorithm: alg, Key: public.Material, Format: public.Format, Data: []byte("message")}
			if ok, err := VerifySignature(v, signature); err != nil || !ok {
				t.Errorf("its own signature: %t, %v", ok, err)
			}
			for _, wrong := range [][]byte{nil, signature[1:], append(bytes.Clone(signature), 0)} {
				if ok, err := VerifySignature(v, wrong); err != nil || ok {
					t.Errorf("a signature of %d bytes: %t, %v", len(wrong), ok, err)
				}
			}
			v.Data = []byte("massage")
			if ok, err := VerifySignature(v, signature); err != nil || ok {
				t.Errorf("of another message: %t, %v", ok, err)
			}
			r.Digested = make([]byte, 32)
			if _, err := Sign(r); kmip.KindOf(err) != kmip.KindParametersUnsupported {
				t.Errorf("of digested data: %v", err)
			}
		})
	}
}

// Another library verifies our signatures, and makes the same key of a seed.
func TestMLDSAWithAnotherLibrary(t *testing.T) {
	for alg, scheme := range map[kmip.CryptographicAlgorithm]sign.Scheme{
		kmip.CryptographicAlgorithmMLDSA44: mldsa44.Scheme(), kmip.CryptographicAlgorithmMLDSA65: mldsa65.Scheme(), kmip.CryptographicAlgorithmMLDSA87: mldsa87.Scheme(),
	} {
		seed := sequenceOfBytes(32)
		public, _ := scheme.DeriveKey(seed)
		signature, err := Sign(SignatureRequest{Algorithm: alg, Key: secret.Copy(seed), Format: kmip.KeyFormatTypeRaw, Data: []byte("message")})
		if err != nil || !scheme.Verify(public, []byte("message"), signature, nil) {
			t.Errorf("%v: %v, or a signature that does not verify", alg, err)
		}
	}
}

func TestMLKEMWithAnotherLibrary(t *testing.T) {
	for alg, scheme := range map[kmip.CryptographicAlgorithm]kem.Scheme{
		kmip.CryptographicAlgorithmMLKEM512: mlkem512.Scheme(), kmip.CryptographicAlgorithmMLKEM768: mlkem768.Scheme(), kmip.CryptographicAlgorithmMLKEM1024: mlkem1024.Scheme(),
	} {
		private, public := pairOf(t, alg, 0, 0)
		raw, err := Convert(kmip.ObjectTypePublicKey, &kmip.KeyBlock{Format: public.Format, Material: public.Material, Algorithm: alg}, kmip.KeyFormatTypeRaw)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := scheme.UnmarshalBinaryPublicKey(raw.Bytes.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		ciphertext, shared, err := scheme.Encapsulate(theirs)
		if err != nil {
			t.Fatal(err)
		}
		r := CipherRequest{Algorithm: alg, Key: private.Material, Format: private.Format, Data: ciphertext}
		got, err := Decrypt(r)
		if err != nil || !bytes.Equal(got.Data, shared) {
			t.Errorf("%v: another secret, %v", alg, err)
		}
		r.Data = ciphertext[1:]
		if _, err := Decrypt(r); kmip.KindOf(err) != kmip.KindCryptographicFailure {
			t.Errorf("%v: a short ciphertext: %v", alg, err)
		}
		r.Key, r.Format = public.Material, public.Format
		if _, err := Decrypt(r); kmip.KindOf(err) != kmip.KindKeyFormat {
			t.Errorf("%v: with the public key: %v", alg, err)
		}
		if _, err := Encrypt(r); kmip.KindOf(err) != kmip.KindParametersUnsupported {
			t.Errorf("%v: Encrypt: %v", alg, err)
		}
	}
}

// A request and a certificate for a key of ML-DSA.
func TestCertificateOfMLDSA(t *testing.T) {
	alg := kmip.CryptographicAlgorithmMLDSA44
	private, public := pairOf(t, alg, 0, 0)
	subject, err := parseName("CN=array 17")
	if err != nil {
		t.Fatal(err)
	}
	info := marshal(pkcs10Info{Subject: asn1.RawValue{FullBytes: subject}, PublicKey: asn1.RawValue{FullBytes: public.Material.Reveal()}, Attributes: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true}})
	signature, err := Sign(SignatureRequest{Algorithm: alg, Key: private.Material, Format: private.Format, Data: info})
	if err != nil {
		t.Fatal(err)
	}
	der := marshal(pkcs10Request{asn1.RawValue{FullBytes: info}, algorithmIdentifier(quantumAlgorithms[alg].oid, nil), asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	request, err := ParseRequest(kmip.CertificateRequestTypePKCS10, der)
	if err != nil || request.Algorithm != alg || !request.PublicKey.Bytes.Equal(public.Material) {
		t.Fatalf("%v, %v", request.Algorithm, err)
	}
	key := newECDSA(t)
	cert, err := IssueCertificate(IssueRequest{
		PublicKey: input(request.PublicKey, alg), SubjectDER: request.Subject, NotBefore: begin, NotAfter: end,
		Usage: kmip.CryptographicUsageMaskVerify, IssuerCert: authority(t, key), IssuerKey: key,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := InspectCertificate(cert); err != nil || got.PublicKeyAlgorithm != alg || got.PublicKeyBits != request.Bits {
		t.Errorf("%v of %d bits, %v", got.PublicKeyAlgorithm, got.PublicKeyBits, err)
	}
}
