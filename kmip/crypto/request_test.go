package crypto

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/claviger/claviger/kmip"
)

// openssl reads a file that OpenSSL made: testdata/openssl/make.sh.
func openssl(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "openssl", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseRequest(t *testing.T) {
	for _, c := range []struct {
		file, key string
		typ       kmip.CertificateRequestType
		alg       kmip.CryptographicAlgorithm
		bits      int32
	}{
		{"rsa.csr", "rsa.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmRSA, 1024},
		{"pss.csr", "rsa.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmRSA, 1024},
		{"p384.csr", "p384.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmECDSA, 384},
		{"p384.csr.pem", "p384.spki", kmip.CertificateRequestTypePEM, kmip.CryptographicAlgorithmECDSA, 384},
		{"secp256k1.csr", "secp256k1.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmECDSA, 256},
		{"ed448.csr", "ed448.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmEd448, 448},
		{"dsa.csr", "dsa.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmDSA, 2048},
		{"ed25519.csr", "ed25519.spki", kmip.CertificateRequestTypePKCS10, kmip.CryptographicAlgorithmEd25519, 256},
		{"crmf.der", "p384.spki", kmip.CertificateRequestTypeCRMF, kmip.CryptographicAlgorithmECDSA, 384},
	} {
		t.Run(c.file, func(t *testing.T) {
			value := openssl(t, c.file)
			info, err := ParseRequest(c.typ, value)
			if err != nil {
				t.Fatal(err)
			}
			if info.Type != c.typ || info.Algorithm != c.alg || info.Bits != c.bits || info.PublicKey.LengthBits != c.bits {
				t.Errorf("got %v for %v of %d bits", info.Type, info.Algorithm, info.Bits)
			}
			if info.PublicKey.Format != kmip.KeyFormatTypeX509 || !bytes.Equal(info.PublicKey.Bytes.Reveal(), openssl(t, c.key)) {
				t.Error("the public key is not that of the request")
			}
			if !bytes.Contains(info.DER, info.Subject) || !bytes.Contains(info.Subject, []byte("Example")) {
				t.Errorf("subject %x", info.Subject)
			}
			wrong := bytes.Clone(value)
			at := bytes.Index(wrong, []byte("Example"))
			if c.typ == kmip.CertificateRequestTypePEM {
				block, _ := pem.Decode(value)
				block.Bytes[len(block.Bytes)-1] ^= 1
				wrong = pem.EncodeToMemory(block)
			} else {
				wrong[at] = 'e'
			}
			if _, err := ParseRequest(c.typ, wrong); kmip.KindOf(err) != kmip.KindInvalidField {
				t.Errorf("a request that was changed: %v", err)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	pkcs10 := openssl(t, "rsa.csr")
	crmf := openssl(t, "crmf.der")
	for _, c := range []struct {
		name  string
		typ   kmip.CertificateRequestType
		value []byte
		want  kmip.Kind
	}{
		{"nothing", kmip.CertificateRequestTypePKCS10, nil, kmip.KindInvalidField},
		{"no request", kmip.CertificateRequestTypePKCS10, []byte{0x30, 0}, kmip.KindInvalidField},
		{"bytes behind", kmip.CertificateRequestTypePKCS10, append(bytes.Clone(pkcs10), 0), kmip.KindInvalidField},
		{"too large", kmip.CertificateRequestTypePKCS10, make([]byte, maxRequestBytes+1), kmip.KindInvalidField},
		{"DER as PEM", kmip.CertificateRequestTypePEM, pkcs10, kmip.KindInvalidField},
		{"PEM of something else", kmip.CertificateRequestTypePEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pkcs10}), kmip.KindInvalidField},
		{"PKCS#10 as CRMF", kmip.CertificateRequestTypeCRMF, pkcs10, kmip.KindInvalidField},
		{"two messages", kmip.CertificateRequestTypeCRMF, sequence(bytes.Repeat(content(t, crmf), 2)), kmip.KindInvalidField},
		{"no proof of possession", kmip.CertificateRequestTypeCRMF, withoutProof(t, crmf), kmip.KindInvalidField},
		{"PGP", kmip.CertificateRequestTypePGP, pkcs10, kmip.KindUnsupportedFeature},
		{"no type", 0, pkcs10, kmip.KindUnsupportedFeature},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ParseRequest(c.typ, c.value); err == nil || kmip.KindOf(err) != c.want {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

// content is what stands inside a SEQUENCE.
func content(t *testing.T, der []byte) []byte {
	t.Helper()
	var v asn1.RawValue
	if err := unmarshal(der, &v); err != nil {
		t.Fatal(err)
	}
	return v.Bytes
}

// withoutProof drops the proof of possession of a request in CRMF.
func withoutProof(t *testing.T, der []byte) []byte {
	t.Helper()
	var messages []crmfMessage
	if err := unmarshal(der, &messages); err != nil {
		t.Fatal(err)
	}
	return sequence(sequence(messages[0].Request.FullBytes))
}

func FuzzParseRequest(f *testing.F) {
	f.Add(uint32(kmip.CertificateRequestTypePKCS10), openssl(f, "pss.csr"))
	f.Add(uint32(kmip.CertificateRequestTypePKCS10), openssl(f, "ed25519.csr"))
	f.Add(uint32(kmip.CertificateRequestTypePEM), openssl(f, "p384.csr.pem"))
	f.Add(uint32(kmip.CertificateRequestTypeCRMF), openssl(f, "crmf.der"))
	f.Fuzz(func(t *testing.T, typ uint32, value []byte) {
		info, err := ParseRequest(kmip.CertificateRequestType(typ), value)
		if err == nil && (info.PublicKey.Bytes.Len() == 0 || info.Algorithm == 0) {
			t.Error("a request without a key")
		}
	})
}
