package crypto

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
)

// issued makes a certificate of a template under an issuer, which may be itself.
func issued(t *testing.T, name string, key crypto.Signer, issuer *x509.Certificate, issuerKey crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestValidateChain(t *testing.T) {
	rootKey, middleKey, leafKey, otherKey := newECDSA(t), newECDSA(t), newECDSA(t), newECDSA(t)
	noCA := func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }
	root := issued(t, "Root", rootKey, nil, nil, nil)
	middle := issued(t, "Middle", middleKey, root, rootKey, nil)
	leaf := issued(t, "Leaf", leafKey, middle, middleKey, noCA)
	leaf2 := issued(t, "Leaf 2", leafKey, middle, middleKey, noCA)
	short := issued(t, "Short", leafKey, middle, middleKey, func(c *x509.Certificate) { noCA(c); c.NotAfter = begin.AddDate(0, 1, 0) })
	impostor := issued(t, "Middle", otherKey, nil, nil, func(c *x509.Certificate) { c.SubjectKeyId = middle.SubjectKeyId })
	forged := issued(t, "Leaf", leafKey, middle, middleKey, noCA)
	forged.Raw[len(forged.Raw)-1] ^= 1
	weak := issued(t, "Weak", middleKey, root, rootKey, noCA)
	underWeak := issued(t, "Under weak", leafKey, weak, middleKey, noCA)
	pathless := issued(t, "Pathless", middleKey, root, rootKey, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	deep := issued(t, "Deep", otherKey, pathless, middleKey, nil)
	underDeep := issued(t, "Under deep", leafKey, deep, otherKey, noCA)
	constrained := issued(t, "Constrained", middleKey, root, rootKey, func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.net"}, true
	})
	outside := issued(t, "Outside", leafKey, constrained, middleKey, func(c *x509.Certificate) { noCA(c); c.DNSNames = []string{"a.example.org"} })
	selfSigned := issued(t, "Server", leafKey, nil, nil, noCA)
	otherRoot := issued(t, "Other root", otherKey, nil, nil, nil)
	sameName := issued(t, "Root", otherKey, nil, nil, nil)

	const valid, invalid, unknown = kmip.ValidityIndicatorValid, kmip.ValidityIndicatorInvalid, kmip.ValidityIndicatorUnknown
	now := begin.AddDate(1, 0, 0)
	for _, c := range []struct {
		name  string
		chain []*x509.Certificate
		at    time.Time
		want  kmip.ValidityIndicator
	}{
		{"leaf first", []*x509.Certificate{leaf, middle, root}, now, valid},
		{"root first", []*x509.Certificate{root, middle, leaf}, now, valid},
		{"in disorder, one of them twice", []*x509.Certificate{middle, leaf, root, middle}, now, valid},
		{"an authority at the end", []*x509.Certificate{middle, root}, now, valid},
		{"a root alone", []*x509.Certificate{root}, now, valid},
		{"a self-signed server", []*x509.Certificate{selfSigned}, now, valid},
		{"a root beside it", []*x509.Certificate{leaf, middle, root, otherRoot}, now, valid},
		{"a root of the same name beside it", []*x509.Certificate{sameName, leaf, middle, root}, now, valid},
		{"the first moment", []*x509.Certificate{leaf, middle, root}, begin, valid},
		{"no root", []*x509.Certificate{leaf, middle}, now, unknown},
		{"a leaf alone", []*x509.Certificate{leaf}, now, unknown},
		{"a link that is missing", []*x509.Certificate{leaf, root}, now, unknown},
		{"another root", []*x509.Certificate{leaf, middle, otherRoot}, now, unknown},
		{"too early", []*x509.Certificate{leaf, middle, root}, begin.Add(-time.Second), invalid},
		{"too late", []*x509.Certificate{leaf, middle, root}, end.Add(time.Second), invalid},
		{"a leaf that ran out", []*x509.Certificate{short, middle, root}, now, invalid},
		{"a leaf that ran out, incomplete", []*x509.Certificate{short}, now, invalid},
		{"a forged signature", []*x509.Certificate{forged, middle, root}, now, invalid},
		{"a forged signature, incomplete", []*x509.Certificate{forged, middle}, now, invalid},
		{"an impostor", []*x509.Certificate{leaf, impostor}, now, invalid},
		{"an issuer that is no authority", []*x509.Certificate{underWeak, weak, root}, now, invalid},
		{"a path that is too long", []*x509.Certificate{underDeep, deep, pathless, root}, now, invalid},
		{"a name that is not permitted", []*x509.Certificate{outside, constrained, root}, now, invalid},
		{"two leaves", []*x509.Certificate{leaf, leaf2, middle, root}, now, invalid},
		{"two roots", []*x509.Certificate{root, otherRoot}, now, invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ders [][]byte
			for _, cert := range c.chain {
				ders = append(ders, cert.Raw)
			}
			if got, err := ValidateChain(ders, c.at); err != nil || got != c.want {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
	for name, ders := range map[string][][]byte{"none": nil, "no certificate": {root.Raw, {0x30, 0}}} {
		if _, err := ValidateChain(ders, now); kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ValidateChain(make([][]byte, maxChain+1), now); kmip.KindOf(err) != kmip.KindTooMany {
		t.Errorf("too many: %v", err)
	}
}
