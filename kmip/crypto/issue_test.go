package crypto

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
)

var (
	begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
)

// authority makes a self-signed certificate of an authority.
func authority(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority"}, NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newECDSA(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestIssueCertificate(t *testing.T) {
	_, edIssuer, _ := ed25519.GenerateKey(rand.Reader)
	rsaIssuer, _ := rsa.GenerateKey(rand.Reader, 2048)
	all := kmip.CryptographicUsageMaskUnrestricted
	for _, c := range []struct {
		name   string
		alg    kmip.CryptographicAlgorithm
		bits   int32
		curve  kmip.RecommendedCurve
		issuer crypto.Signer
		mask   kmip.CryptographicUsageMask
		usage  x509.KeyUsage
	}{
		{"RSA that may do anything", kmip.CryptographicAlgorithmRSA, 1024, 0, newECDSA(t), all, x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageDataEncipherment | x509.KeyUsageKeyEncipherment},
		{"RSA that wraps", kmip.CryptographicAlgorithmRSA, 1024, 0, rsaIssuer, kmip.CryptographicUsageMaskWrapKey, x509.KeyUsageKeyEncipherment},
		{"EC that verifies", kmip.CryptographicAlgorithmEC, 256, 0, edIssuer, kmip.CryptographicUsageMaskVerify, x509.KeyUsageDigitalSignature},
		{"EC that derives", kmip.CryptographicAlgorithmECDH, 384, 0, rsaIssuer, kmip.CryptographicUsageMaskDeriveKey, x509.KeyUsageKeyAgreement},
		{"Ed25519 that may encrypt, which it cannot", kmip.CryptographicAlgorithmEd25519, 0, 0, newECDSA(t), kmip.CryptographicUsageMaskEncrypt, 0},
		{"a mask for an authority", kmip.CryptographicAlgorithmEd25519, 0, 0, newECDSA(t), kmip.CryptographicUsageMaskCertificateSign | kmip.CryptographicUsageMaskSign, x509.KeyUsageDigitalSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, public := pairOf(t, c.alg, c.bits, c.curve)
			ca := authority(t, c.issuer)
			der, err := IssueCertificate(IssueRequest{
				PublicKey: public, SubjectText: `CN=array\, 17,OU=Backup+OU=Storage,O=Example,C=CH`, Alternatives: []string{"a.example.net", "192.0.2.7"},
				NotBefore: begin, NotAfter: end, Usage: c.mask, IssuerCert: ca, IssuerKey: c.issuer,
			})
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			issuer, _ := x509.ParseCertificate(ca)
			if err := cert.CheckSignatureFrom(issuer); err != nil {
				t.Error(err)
			}
			if cert.Subject.CommonName != "array, 17" || cert.Subject.String() != `CN=array\, 17,OU=Backup+OU=Storage,O=Example,C=CH` {
				t.Errorf("subject %s", cert.Subject)
			}
			if cert.KeyUsage != c.usage || cert.IsCA || cert.Version != 3 || len(cert.DNSNames) != 1 || len(cert.IPAddresses) != 1 {
				t.Errorf("usage %b, authority %t, version %d, names %v %v", cert.KeyUsage, cert.IsCA, cert.Version, cert.DNSNames, cert.IPAddresses)
			}
			if n := cert.SerialNumber.BitLen(); n < 121 || n > 128 {
				t.Errorf("serial number of %d bits", n)
			}
			if !cert.NotBefore.Equal(begin) || !cert.NotAfter.Equal(end) || !bytes.Equal(cert.AuthorityKeyId, issuer.SubjectKeyId) {
				t.Error("dates or key identifiers")
			}
			want, _ := Convert(kmip.ObjectTypePublicKey, &kmip.KeyBlock{Format: public.Format, Material: public.Material}, kmip.KeyFormatTypeX509)
			if !bytes.Equal(cert.RawSubjectPublicKeyInfo, want.Bytes.Reveal()) {
				t.Error("another key than the one given")
			}
			if state, err := ValidateChain([][]byte{ca, der}, begin.AddDate(1, 0, 0)); err != nil || state != kmip.ValidityIndicatorValid {
				t.Errorf("the chain is %v, %v", state, err)
			}
		})
	}
}

func TestIssueCertificateOfARequest(t *testing.T) {
	key := newECDSA(t)
	info, err := ParseRequest(kmip.CertificateRequestTypePKCS10, openssl(t, "p384.csr"))
	if err != nil {
		t.Fatal(err)
	}
	r := IssueRequest{PublicKey: input(info.PublicKey, info.Algorithm), SubjectDER: info.Subject, NotBefore: begin, NotAfter: end, IssuerCert: authority(t, key), IssuerKey: key}
	der, err := IssueCertificate(r)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil || !bytes.Equal(cert.RawSubject, info.Subject) || cert.KeyUsage != 0 {
		t.Errorf("subject %x, usage %b, %v", cert.RawSubject, cert.KeyUsage, err)
	}
}

// Keys that crypto/x509 cannot write, and some that it cannot read.
func TestIssueCertificateOfOtherKeys(t *testing.T) {
	_, edIssuer, _ := ed25519.GenerateKey(rand.Reader)
	rsaIssuer, _ := rsa.GenerateKey(rand.Reader, 2048)
	for _, c := range otherKeys {
		for _, issuer := range []crypto.Signer{newECDSA(t), edIssuer, rsaIssuer} {
			_, public := opensslKey(t, c.name, c.alg)
			ca := authority(t, issuer)
			der, err := IssueCertificate(IssueRequest{
				PublicKey: public, SubjectText: "CN=leaf", NotBefore: begin, NotAfter: end, Usage: kmip.CryptographicUsageMaskUnrestricted, IssuerCert: ca, IssuerKey: issuer,
			})
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if state, err := ValidateChain([][]byte{ca, der}, begin.AddDate(1, 0, 0)); err != nil || state != kmip.ValidityIndicatorValid {
				t.Errorf("%s: the chain is %v, %v", c.name, state, err)
			}
			info, err := InspectCertificate(der)
			if err != nil || info.PublicKeyAlgorithm != c.alg || info.PublicKeyBits != c.bits || info.SubjectName.Text != "CN=leaf" {
				t.Errorf("%s: %v of %d bits, %v", c.name, info.PublicKeyAlgorithm, info.PublicKeyBits, err)
			}
			if key, err := CertificateKey(der); err != nil || !key.Bytes.Equal(public.Material) || key.LengthBits != c.bits {
				t.Errorf("%s: another key: %v", c.name, err)
			}
		}
	}
}

func TestIssueCertificateRefuses(t *testing.T) {
	key, other := newECDSA(t), newECDSA(t)
	_, public := pairOf(t, kmip.CryptographicAlgorithmEC, 256, 0)
	good := IssueRequest{PublicKey: public, NotBefore: begin, NotAfter: end, IssuerCert: authority(t, key), IssuerKey: key}
	leaf, err := IssueCertificate(good)
	if err != nil {
		t.Fatalf("a name without attributes: %v", err)
	}
	for _, c := range []struct {
		name   string
		change func(*IssueRequest)
		want   kmip.Kind
	}{
		{"no public key", func(r *IssueRequest) { r.PublicKey = KeyInput{Format: kmip.KeyFormatTypeX509} }, kmip.KindInvalidField},
		{"an end before the beginning", func(r *IssueRequest) { r.NotAfter = begin }, kmip.KindAttributeValue},
		{"no dates", func(r *IssueRequest) { r.NotBefore, r.NotAfter = time.Time{}, time.Time{} }, kmip.KindAttributeValue},
		{"an issuer that is no authority", func(r *IssueRequest) { r.IssuerCert = leaf }, kmip.KindInvalidField},
		{"an issuer that is none", func(r *IssueRequest) { r.IssuerCert = []byte{0x30, 0} }, kmip.KindInvalidField},
		{"the key of somebody else", func(r *IssueRequest) { r.IssuerKey = other }, kmip.KindInvalidField},
		{"no issuer's key", func(r *IssueRequest) { r.IssuerKey = nil }, kmip.KindInvalidField},
		{"a subject that is none", func(r *IssueRequest) { r.SubjectDER = []byte("CN=a") }, kmip.KindInvalidField},
		{"a subject in text that is none", func(r *IssueRequest) { r.SubjectText = "array 17" }, kmip.KindInvalidField},
		{"an alternative name with a space", func(r *IssueRequest) { r.Alternatives = []string{"a b"} }, kmip.KindInvalidField},
		{"too many alternative names", func(r *IssueRequest) { r.Alternatives = make([]string, maxAlternatives+1) }, kmip.KindTooMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := good
			c.change(&r)
			if _, err := IssueCertificate(r); err == nil || kmip.KindOf(err) != c.want {
				t.Errorf("error = %v, want %v", err, c.want)
			}
		})
	}
}

func TestParseName(t *testing.T) {
	for _, c := range []struct{ text, want string }{ // want: as the standard library writes it; empty: refused
		{"CN=a,O=b", "CN=a,O=b"},
		{" cn = a , o = b ", "CN=a,O=b"},
		{`CN=a\2Cb`, `CN=a\,b`},
		{`CN="a,b"`, `CN=a\,b`},
		{`CN=a\ `, `CN=a\ `},
		{`CN=Z\C3\BCrich`, "CN=Zürich"},
		{"CN=Zürich;C=CH", "CN=Zürich,C=CH"},
		{"2.5.4.3=a", "CN=a"},
		{"OID.2.5.4.3=a", "CN=a"},
		{"CN=#0c0161", "CN=a"},
		{"DC=net", "0.9.2342.19200300.100.1.25=#13036e6574"},
		{"CN=a=b", "CN=a=b"},
		{"CN", ""},
		{"CN=", ""},
		{"CN=a,", ""},
		{"XX=a", ""},
		{"1=a", ""},
		{`CN=a\`, ""},
		{"CN=#0c", ""},
		{"C=#0100", ""},
		{"CN=\xff", ""},
		{"DC=Zürich", ""},
		{"CN=" + strings.Repeat("a", maxNameBytes), ""},
	} {
		der, err := parseName(c.text)
		if c.want == "" {
			if kmip.KindOf(err) != kmip.KindInvalidField || err == nil {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		var rdns pkix.RDNSequence
		if err == nil {
			err = unmarshal(der, &rdns)
		}
		if got := rdns.String(); got != c.want || err != nil {
			t.Errorf("%q: %s, %v; want %s", c.text, got, err, c.want)
		}
	}
	if der, err := parseName("DC=net"); err != nil || !bytes.Contains(der, []byte("\x16\x03net")) {
		t.Errorf("a domain component is no IA5String: %x, %v", der, err)
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"CN=a,O=b", `CN="a\"b"+OU=#0c0161;C=CH`, `=\`, "CN=a\\2", "C=#0100"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		der, err := parseName(text)
		if err == nil {
			if err := unmarshal(der, &pkix.RDNSequence{}); err != nil {
				t.Error(err)
			}
		}
	})
}
