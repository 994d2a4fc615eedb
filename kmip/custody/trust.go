package custody

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/revocation"
)

// Kinds of records of trust.
const (
	// recordTrust is an authority of others whose certificates are accepted for
	// clients of the domain; the key is its name there.
	recordTrust = "trust"
	// recordTrustCRL are its revocation lists; the key is the same.
	recordTrustCRL = "trust.crl"
	// recordAnchor says which domain trusts an authority: one at most. It belongs to
	// the system domain; the key is the SHA-256 of the authority's public key.
	recordAnchor = "trust.anchor"
)

// Fields of certificates that say who a client is, in the order in which they are
// looked at.
const (
	MapURI   = "san-uri"
	MapDNS   = "san-dns"
	MapEmail = "san-email"
	MapName  = "cn"
)

// Maps lists them.
var Maps = []string{MapURI, MapDNS, MapEmail, MapName}

// What is done about OCSP.
const (
	OCSPNone    = "none"
	OCSPCheck   = "check"   // what is revoked is refused; no answer is no objection
	OCSPRequire = "require" // what is not known to be good is refused
)

// Trust is an authority, or several, of others whose certificates identify clients
// of a domain.
type Trust struct {
	Domain, Name string
	Authorities  []*x509.Certificate
	Created      time.Time

	TrustSettings
	// Lists are its revocation lists.
	Lists []*revocation.List
}

// TrustSettings say how certificates of other authorities are taken.
type TrustSettings struct {
	// Map are the fields that say who a client is; all when empty.
	Map []string `json:"map,omitempty"`
	// CRL: certificates must not be on a revocation list, which is uploaded, or
	// fetched from CRLURL. Without one that is current everything is refused,
	// unless StaleCRL.
	CRL      bool   `json:"crl,omitempty"`
	CRLURL   string `json:"crl_url,omitempty"`
	StaleCRL bool   `json:"stale_crl,omitempty"`
	OCSP     string `json:"ocsp,omitempty"`
	OCSPURL  string `json:"ocsp_url,omitempty"`
	// NeedEKU: certificates say that they are for the authentication of TLS
	// clients; else those that say nothing are taken too.
	NeedEKU bool `json:"need_eku,omitempty"`
}

// storedTrust is the form that the record keeps.
type storedTrust struct {
	Authorities [][]byte `json:"authorities"` // DER
	TrustSettings
	// Lists changes with the record of the revocation lists; empty without one.
	Lists string `json:"lists,omitempty"`
}

type storedLists struct {
	DER [][]byte `json:"der"`
}

type storedAnchor struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
}

// Bounds of trust.
const (
	maxTrusts      = 500 // in the installation
	maxAuthorities = 16  // of one
	maxLists       = 16
)

func anchorKey(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// ParseAuthorities reads certificates of authorities in PEM form.
func ParseAuthorities(text []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, kmip.Fail(kmip.KindInvalidField, "a PEM block %q is no certificate", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, kmip.Fail(kmip.KindInvalidField, "a certificate is not X.509")
		}
		list = append(list, c)
	}
	if len(list) == 0 || len(list) > maxAuthorities {
		return nil, kmip.Fail(kmip.KindInvalidField, "give 1 to %d certificates of authorities in PEM form", maxAuthorities)
	}
	return list, nil
}

func (t *Trust) check(now time.Time) error {
	if err := checkName("trust", t.Name); err != nil {
		return err
	}
	for _, c := range t.Authorities {
		switch {
		case !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
			return kmip.Fail(kmip.KindInvalidField, "the certificate of %q is not one of an authority", c.Subject)
		case now.After(c.NotAfter):
			return kmip.Fail(kmip.KindInvalidField, "the certificate of %q has expired", c.Subject)
		}
	}
	for _, m := range t.Map {
		if !slices.Contains(Maps, m) {
			return kmip.Fail(kmip.KindInvalidField, "no field %q says who a client is; there are %v", m, Maps)
		}
	}
	if t.OCSP == "" {
		t.OCSP = OCSPNone
	}
	switch {
	case t.OCSP != OCSPNone && t.OCSP != OCSPCheck && t.OCSP != OCSPRequire:
		return kmip.Fail(kmip.KindInvalidField, "OCSP is %s, %s or %s", OCSPNone, OCSPCheck, OCSPRequire)
	case (t.OCSP != OCSPNone) != (t.OCSPURL != ""):
		return kmip.Fail(kmip.KindInvalidField, "OCSP needs the address of the responder, and an address needs OCSP; the one in certificates is never asked")
	}
	for _, u := range []string{t.CRLURL, t.OCSPURL} {
		if u == "" {
			continue
		}
		if err := revocation.CheckURL(u); err != nil {
			return kmip.Fail(kmip.KindInvalidField, "%s", err)
		}
	}
	t.CRL = t.CRL || t.CRLURL != "" || len(t.Lists) > 0
	if t.StaleCRL && !t.CRL {
		return kmip.Fail(kmip.KindInvalidField, "what to do with old revocation lists is said without any")
	}
	return nil
}
