package revocation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// authority makes an authority.
func authority(t testing.TB, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func list(t testing.TB, c *x509.Certificate, key *ecdsa.PrivateKey, number int64, change func(*x509.RevocationList)) []byte {
	t.Helper()
	l := &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: now}},
	}
	if change != nil {
		change(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, c, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestListsAreTakenWhole(t *testing.T) {
	ca, key := authority(t, "CA")
	other, otherKey := authority(t, "CA")
	critical := func(oid ...int) pkix.Extension { return pkix.Extension{Id: oid, Critical: true, Value: asn1.NullBytes} }
	good := list(t, ca, key, 1, nil)
	for _, c := range []struct {
		name string
		list []byte
		want string // of the error; "" when it is taken
	}{
		{"DER", good, ""},
		{"PEM", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: good}), ""},
		{"a delta", list(t, ca, key, 1, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical(2, 5, 29, 27)} }), "critical extension 2.5.29.27"},
		{"a part", list(t, ca, key, 1, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical(2, 5, 29, 28)} }), "critical extension 2.5.29.28"},
		{"of several issuers", list(t, ca, key, 1, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = []pkix.Extension{critical(2, 5, 29, 29)}
		}), "critical extension 2.5.29.29"},
		{"of another authority of the name", list(t, other, otherKey, 1, nil), "signed by none"},
		{"a certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), "is no revocation list"},
		{"nothing", nil, "is not a CRL"},
	} {
		_, err := ParseLists(c.list, []*x509.Certificate{ca})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	two, err := ParseLists(append(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: good}), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list(t, other, otherKey, 2, nil)})...), []*x509.Certificate{ca, other})
	if err != nil || len(two) != 2 {
		t.Fatalf("%d lists, %v", len(two), err)
	}
	l := two[0]
	if !l.Revokes(&x509.Certificate{SerialNumber: big.NewInt(7)}) || l.Revokes(&x509.Certificate{SerialNumber: big.NewInt(8)}) || l.Count() != 1 || !l.Of(ca) {
		t.Errorf("%+v", l)
	}
	for at, want := range map[time.Duration]bool{-time.Hour: false, -time.Minute: true, 0: true, 59 * time.Minute: true, time.Hour: false} {
		if l.Fresh(now.Add(at)) != want {
			t.Errorf("fresh %v after it was made: %t", at, !want)
		}
	}
	if !l.Older(two[1]) || two[1].Older(l) || l.Older(l) {
		t.Error("which list is older is told wrongly")
	}
}

func FuzzParseLists(f *testing.F) {
	ca, key := authority(f, "CA")
	f.Add(list(f, ca, key, 1, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		lists, err := ParseLists(b, []*x509.Certificate{ca})
		for _, l := range lists {
			if err != nil || l.Next.IsZero() || !l.Of(ca) {
				t.Errorf("%+v, %v", l, err)
			}
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	ca, key := authority(f, "CA")
	r := ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(7), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	b, err := ocsp.CreateResponse(ca, ca, r, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	cert := &x509.Certificate{SerialNumber: big.NewInt(7)}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAnswer(b, cert, ca, now)
		if err == nil && !now.Before(a.Until) {
			t.Errorf("an answer that is good until %v", a.Until)
		}
	})
}

func TestAddressesOfWebServersOnly(t *testing.T) {
	for text, want := range map[string]bool{
		"http://crl.example.net/ca.crl": true, "https://ocsp.example.net": true,
		"file:///etc/passwd": false, "ldap://x/y": false, "/etc/passwd": false, "https://": false, "http://user:password@x/": false, "": false,
	} {
		if err := CheckURL(text); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
