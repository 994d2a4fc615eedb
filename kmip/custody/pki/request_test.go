package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip/custody/pki"
)

func csr(t testing.TB, key crypto.Signer, algorithm x509.SignatureAlgorithm) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{SignatureAlgorithm: algorithm}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func made[K crypto.Signer](k K, err error) crypto.Signer {
	if err != nil {
		panic(err)
	}
	return k
}

func TestRequestsAreTakenByTheirKeyAndSignature(t *testing.T) {
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256 := csr(t, made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), 0)
	broken := append([]byte{}, p256...)
	broken[len(broken)-1] ^= 1
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		request []byte
		want    string // of the error; "" when it is taken
	}{
		{"P-256", p256, ""},
		{"P-256 in PEM", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: p256}), ""},
		{"P-384", csr(t, made(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), 0), ""},
		{"P-521", csr(t, made(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), 0), ""},
		{"Ed25519", csr(t, edwards, 0), ""},
		{"RSA 2048", csr(t, made(rsa.GenerateKey(rand.Reader, 2048)), 0), ""},
		{"RSA 1024", csr(t, weak, 0), "not 1024"},
		{"P-224", csr(t, made(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), 0), "P-256, P-384 or P-521"},
		{"another signature", broken, "not signed by its own key"},
		{"a certificate in PEM", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p256}), "is no certificate request"},
		{"nothing", nil, "not PKCS#10"},
		{"more than it may be", make([]byte, 1<<20), "larger than"},
	} {
		_, err := pki.Request(c.request)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(csr(f, made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := pki.Request(b)
		if err == nil && pki.CheckKey(key) != nil {
			t.Error("a key is taken that is none of those that clients may have")
		}
	})
}
