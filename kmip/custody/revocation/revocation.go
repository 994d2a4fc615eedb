// Package revocation tells whether certificates of other authorities have been
// revoked: it reads and checks certificate revocation lists (RFC 5280 §5) and
// answers of OCSP responders (RFC 6960), and fetches both from where an operator
// says. What a certificate itself says of where to ask is never followed.
package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// MaxListBytes bounds a revocation list that is fetched.
const MaxListBytes = 10 << 20

// clockTolerance is how far in the future something may say that it was made.
const clockTolerance = 5 * time.Minute

// List is a revocation list whose signature was checked.
type List struct {
	DER     []byte
	Issuer  []byte // subject of the authority, DER
	Made    time.Time
	Next    time.Time
	number  []byte              // CRL Number, big-endian; nil without
	revoked map[string]struct{} // serial numbers, big-endian
}

// ParseLists reads revocation lists in DER form, or several in PEM form. Each must
// be whole (no delta, no part of a list), say when the next one comes, and be
// signed by one of the authorities.
func ParseLists(b []byte, authorities []*x509.Certificate) ([]*List, error) {
	var ders [][]byte
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("a PEM block %q is no revocation list", block.Type)
		}
		ders = append(ders, block.Bytes)
	}
	if len(ders) == 0 {
		ders = [][]byte{b}
	}
	lists := make([]*List, 0, len(ders))
	for _, der := range ders {
		l, err := parseList(der, authorities)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func parseList(der []byte, authorities []*x509.Certificate) (*List, error) {
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, errors.New("the revocation list is not a CRL in PEM or DER form")
	}
	for _, e := range crl.Extensions {
		if e.Critical { // of a delta, of a part, of what we do not know
			return nil, fmt.Errorf("the revocation list has the critical extension %s; only whole lists of their own issuer are taken", e.Id)
		}
	}
	if crl.NextUpdate.IsZero() {
		return nil, errors.New("the revocation list does not say when the next one comes")
	}
	signed := false
	for _, a := range authorities {
		signed = signed || bytes.Equal(a.RawSubject, crl.RawIssuer) && crl.CheckSignatureFrom(a) == nil
	}
	if !signed {
		return nil, errors.New("the revocation list is signed by none of the authorities that are trusted")
	}
	l := &List{DER: der, Issuer: crl.RawIssuer, Made: crl.ThisUpdate, Next: crl.NextUpdate, revoked: make(map[string]struct{}, len(crl.RevokedCertificateEntries))}
	if crl.Number != nil {
		l.number = crl.Number.Bytes()
	}
	for i := range crl.RevokedCertificateEntries {
		e := &crl.RevokedCertificateEntries[i]
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("an entry of the revocation list has the critical extension %s; only lists of their own issuer are taken", x.Id)
			}
		}
		l.revoked[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	return l, nil
}

// Of reports whether the list is of the authority.
func (l *List) Of(authority *x509.Certificate) bool {
	return bytes.Equal(l.Issuer, authority.RawSubject)
}

// Fresh reports whether the list is the current one.
func (l *List) Fresh(now time.Time) bool {
	return now.Before(l.Next) && !l.Made.After(now.Add(clockTolerance))
}

// Revokes reports whether the list has a certificate of its issuer.
func (l *List) Revokes(c *x509.Certificate) bool {
	_, ok := l.revoked[string(c.SerialNumber.Bytes())]
	return ok
}

// Count is the number of certificates in the list.
func (l *List) Count() int { return len(l.revoked) }

// Older reports whether the list was made before another one of its issuer: who
// brings an old list back hides what was revoked since.
func (l *List) Older(than *List) bool {
	if l.number != nil && than.number != nil {
		if d := len(l.number) - len(than.number); d != 0 {
			return d < 0
		}
		return bytes.Compare(l.number, than.number) < 0
	}
	return l.Made.Before(than.Made)
}
