package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func TestDecodePKCS12OfOpenSSL(t *testing.T) {
	for _, c := range []struct {
		file, name string
		chain      int
	}{
		{"modern.p12", "array 17", 2},
		{"triple-des.p12", "array 17", 2},
		{"rc2.p12", "array 17", 2},
		{"nameless.p12", "", 1},
	} {
		t.Run(c.file, func(t *testing.T) {
			p, err := DecodePKCS12(openssl(t, c.file), "secret")
			if err != nil {
				t.Fatal(err)
			}
			if p.Algorithm != kmip.CryptographicAlgorithmRSA || p.Private.LengthBits != 2048 || p.Private.Format != kmip.KeyFormatTypePKCS8 {
				t.Errorf("got %v of %d bits as %v", p.Algorithm, p.Private.LengthBits, p.Private.Format)
			}
			if p.FriendlyName != c.name || len(p.Chain) != c.chain {
				t.Errorf("got %q and %d certificates", p.FriendlyName, len(p.Chain))
			}
			leaf, err := x509.ParseCertificate(p.Chain[0])
			if err != nil || leaf.Subject.CommonName != "Leaf" {
				t.Errorf("the first certificate is that of %v, %v", leaf.Subject, err)
			}
			if _, err := DecodePKCS12(openssl(t, c.file), "Secret"); kmip.KindOf(err) != kmip.KindInvalidField || !strings.Contains(err.Error(), "password of the PKCS#12 is wrong") {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

// chainOf makes a key and its certificate chain.
func chainOf(t testing.TB, alg kmip.CryptographicAlgorithm, bits int32) (KeyInput, [][]byte) {
	t.Helper()
	private, public := pairOf(t, alg, bits, 0)
	key := newECDSA(t)
	ca := authority(t, key)
	leaf, err := IssueCertificate(IssueRequest{PublicKey: public, SubjectText: "CN=leaf", NotBefore: begin, NotAfter: end, IssuerCert: ca, IssuerKey: key})
	if err != nil {
		t.Fatal(err)
	}
	return private, [][]byte{leaf, ca}
}

func TestPKCS12ThereAndBack(t *testing.T) {
	for _, c := range []struct {
		name string
		alg  kmip.CryptographicAlgorithm
		bits int32
	}{
		{"schlüssel", kmip.CryptographicAlgorithmRSA, 2048},
		{"alias", kmip.CryptographicAlgorithmECDSA, 256},
		{"", kmip.CryptographicAlgorithmEd25519, 256},
	} {
		private, chain := chainOf(t, c.alg, c.bits)
		der, err := EncodePKCS12(private, chain, "pässword", c.name)
		if err != nil {
			t.Fatalf("%v: %v", c.alg, err)
		}
		p, err := DecodePKCS12(der.Reveal(), "pässword")
		if err != nil {
			t.Fatalf("%v: %v", c.alg, err)
		}
		want, _ := Convert(kmip.ObjectTypePrivateKey, &kmip.KeyBlock{Format: private.Format, Material: private.Material}, kmip.KeyFormatTypePKCS8)
		if !p.Private.Bytes.Equal(want.Bytes) || p.FriendlyName != c.name || p.Algorithm != c.alg {
			t.Errorf("%v: another key, or name %q", c.alg, p.FriendlyName)
		}
		if len(p.Chain) != 2 || !bytes.Equal(p.Chain[0], chain[0]) || !bytes.Equal(p.Chain[1], chain[1]) {
			t.Errorf("%v: another chain", c.alg)
		}
	}
}

// OpenSSL opens what is made here, and finds the name.
func TestOpenSSLReadsPKCS12(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	private, chain := chainOf(t, kmip.CryptographicAlgorithmECDSA, 384)
	der, err := EncodePKCS12(private, chain, "secret", "array 17")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.p12")
	if err := os.WriteFile(file, der.Reveal(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "pkcs12", "-in", file, "-passin", "pass:secret", "-nodes").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("friendlyName: array 17")) || bytes.Count(out, []byte("BEGIN CERTIFICATE")) != 2 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestEncodePKCS12Refuses(t *testing.T) {
	private, chain := chainOf(t, kmip.CryptographicAlgorithmECDSA, 256)
	_, others := chainOf(t, kmip.CryptographicAlgorithmECDSA, 256)
	n, d := parsedRSA(t)
	for _, c := range []struct {
		name     string
		private  KeyInput
		chain    [][]byte
		password string
		want     kmip.Kind
	}{
		{"no password", private, chain, "", kmip.KindInvalidField},
		{"a password that BMPString cannot hold", private, chain, "🔑", kmip.KindCryptographicFailure},
		{"no certificate", private, nil, "secret", kmip.KindInvalidField},
		{"the certificate of somebody else", private, others, "secret", kmip.KindInvalidField},
		{"no certificate in DER", private, [][]byte{{0}}, "secret", kmip.KindInvalidField},
		{"no key", KeyInput{Format: kmip.KeyFormatTypePKCS8}, chain, "secret", kmip.KindInvalidField},
		{"an RSA key that is a public one", KeyInput{Format: kmip.KeyFormatTypePKCS1, Material: secret.Copy(n)}, chain, "secret", kmip.KindInvalidField},
		{"another key", KeyInput{Format: kmip.KeyFormatTypePKCS1, Material: secret.Copy(d)}, chain, "secret", kmip.KindInvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := EncodePKCS12(c.private, c.chain, c.password, "alias"); err == nil || kmip.KindOf(err) != c.want {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

func parsedRSA(t *testing.T) (public, private []byte) {
	t.Helper()
	a, b := rsaPair(t)
	return b.Bytes.Reveal(), a.Bytes.Reveal()
}

// A container whose numbers ask for years is refused at once, wherever they
// stand.
func TestDecodePKCS12IsNotMadeToWork(t *testing.T) {
	private, chain := chainOf(t, kmip.CryptographicAlgorithmECDSA, 256)
	der, err := EncodePKCS12(private, chain, "secret", "alias")
	if err != nil {
		t.Fatal(err)
	}
	many := func(t *testing.T, n int) []byte { // pkcs12Iterations as DER
		t.Helper()
		b, err := asn1.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	from, to := many(t, pkcs12Iterations), many(t, 8_000_000)
	if len(from) != len(to) {
		t.Fatal("the lengths differ")
	}
	places := bytes.Count(der.Reveal(), from)
	if places != 3 {
		t.Fatalf("%d places of iterations, want 3", places)
	}
	for n := range places {
		bad := bytes.Clone(der.Reveal())
		at := 0
		for range n + 1 {
			at += bytes.Index(bad[at:], from) + 1
		}
		copy(bad[at-1:], to)
		start := time.Now()
		if _, err := DecodePKCS12(bad, "secret"); kmip.KindOf(err) != kmip.KindInvalidField || !strings.Contains(err.Error(), "iterations") {
			t.Errorf("place %d: %v", n, err)
		}
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("place %d: %v", n, d)
		}
	}
	if _, err := DecodePKCS12(keyAmongCertificates(t), "secret"); kmip.KindOf(err) != kmip.KindInvalidField || !strings.Contains(err.Error(), "certificates alone") {
		t.Errorf("a key inside the encrypted certificates: %v", err)
	}
}

// keyAmongCertificates makes a container whose encrypted content holds a key
// that is encrypted a second time.
func keyAmongCertificates(t *testing.T) []byte {
	t.Helper()
	private, chain := chainOf(t, kmip.CryptographicAlgorithmECDSA, 256)
	der, err := EncodePKCS12(private, chain, "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	_, contents, err := openPFX(der.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	if err := unmarshal(contents[1].Content.Bytes, &data); err != nil {
		t.Fatal(err)
	}
	// The encryption of the certificates, with its key, is used for the key.
	var outside encryptedContent
	var scheme pbes2
	var p pbkdf2Parameters
	if err := errors.Join(unmarshal(contents[0].Content.Bytes, &outside), unmarshal(outside.Info.Algorithm.Parameters.FullBytes, &scheme), unmarshal(scheme.Derivation.Parameters.FullBytes, &p)); err != nil {
		t.Fatal(err)
	}
	key, err := pbkdf2.Key(sha256.New, "secret", p.Salt.Bytes, p.Iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(key)
	pad := aes.BlockSize - len(data)%aes.BlockSize
	data = append(data, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, scheme.Scheme.Parameters.Bytes).CryptBlocks(data, data)
	outside.Info.Data = asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: data}
	inside, err := asn1.Marshal(outside)
	if err != nil {
		t.Fatal(err)
	}
	contents[1] = pfxContent{Type: oidPFXEncrypted, Content: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: inside}}
	out, err := sealPFX(contents, "secret", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := pkcs12.DecodeChain(out, "secret"); err != nil {
		t.Fatalf("the container is not what it should be: %v", err)
	}
	return out
}

func TestDecodePKCS12Refuses(t *testing.T) {
	good := openssl(t, "modern.p12")
	changed := bytes.Clone(good)
	changed[len(changed)/2] ^= 1
	for name, der := range map[string][]byte{
		"nothing":         nil,
		"no container":    {0x30, 0},
		"half of one":     good[:len(good)/2],
		"bytes behind":    append(bytes.Clone(good), 0),
		"one bit changed": changed,
		"too large":       make([]byte, maxPKCS12Bytes+1),
	} {
		if _, err := DecodePKCS12(der, "secret"); err == nil || kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodePKCS12(f *testing.F) {
	for _, name := range []string{"modern.p12", "rc2.p12", "nameless.p12"} {
		f.Add(openssl(f, name))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if p, err := DecodePKCS12(der, "secret"); err == nil && (p.Private.Bytes.Len() == 0 || len(p.Chain) == 0) {
			t.Error("a container without key or certificate")
		}
	})
}
