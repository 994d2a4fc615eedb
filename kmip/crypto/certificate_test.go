package crypto

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
)

func TestInspectCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := func(oid []int, v string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier(oid), Value: v}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x80ff),
		Subject: pkix.Name{
			CommonName: "array-17", Organization: []string{"Example"}, OrganizationalUnit: []string{"Backup", "Storage"},
			Country: []string{"CH"}, Province: []string{"Zürich"}, Locality: []string{"Uster"}, SerialNumber: "42",
			ExtraNames: []pkix.AttributeTypeAndValue{
				name([]int{1, 2, 840, 113549, 1, 9, 1}, "ops@example.net"), name([]int{0, 9, 2342, 19200300, 100, 1, 1}, "u1"),
				name([]int{2, 5, 4, 12}, "array"), name([]int{0, 9, 2342, 19200300, 100, 1, 25}, "example"), name([]int{2, 5, 4, 46}, "q"),
			},
		},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames:  []string{"a.example.net"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := InspectCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	want := NameFields{
		Text: got.SubjectName.Text,
		CN:   []string{"array-17"}, O: []string{"Example"}, OU: []string{"Backup", "Storage"}, Email: []string{"ops@example.net"},
		C: []string{"CH"}, ST: []string{"Zürich"}, L: []string{"Uster"}, UID: []string{"u1"}, SerialNumber: []string{"42"},
		Title: []string{"array"}, DC: []string{"example"}, DNQualifier: []string{"q"},
	}
	if diff := cmp.Diff(want, got.SubjectName); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got.SubjectName, got.IssuerName); diff != "" || !cmp.Equal(got.Subject, got.Issuer) {
		t.Errorf("subject and issuer of a self-signed certificate differ:\n%s", diff)
	}
	if s := hex.EncodeToString(got.SerialNumber); s != "0080ff" {
		t.Errorf("serial number = %s, want 0080ff", s)
	}
	if got.SignatureAlgorithm != kmip.DigitalSignatureAlgorithmECDSAWithSHA384 || got.PublicKeyAlgorithm != kmip.CryptographicAlgorithmECDSA || got.PublicKeyBits != 384 {
		t.Errorf("got %v, %v of %d bits", got.SignatureAlgorithm, got.PublicKeyAlgorithm, got.PublicKeyBits)
	}
	if int(got.LengthBytes) != len(der) || !got.NotBefore.Equal(template.NotBefore) || !got.NotAfter.Equal(template.NotAfter) {
		t.Errorf("length %d, from %v to %v", got.LengthBytes, got.NotBefore, got.NotAfter)
	}
	if len(got.SubjectAlternatives) != 1 || hex.EncodeToString(got.SubjectAlternatives[0]) != "820d"+hex.EncodeToString([]byte("a.example.net")) || got.IssuerAlternatives != nil {
		t.Errorf("alternative names %x, %x", got.SubjectAlternatives, got.IssuerAlternatives)
	}
}

func TestInspectCertificateRefuses(t *testing.T) {
	for _, der := range [][]byte{nil, {0x30, 0}, []byte("-----BEGIN CERTIFICATE-----")} {
		if _, err := InspectCertificate(der); kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%x: %v", der, err)
		}
	}
}
