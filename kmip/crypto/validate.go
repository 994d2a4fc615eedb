package crypto

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
)

// maxChain bounds the certificates of a chain, because each may be tried as the
// issuer of each.
const maxChain = 32

// ValidateChain tells whether certificates in DER, in any order, are a chain
// that is right at a time.
//
// KMIP 2.1 §6.1.57 (Validate), which leaves the method to the server. Here:
//
//   - Valid: the certificates build a path from the one that issued none of the
//     others to a self-signed one among them, and all signatures, dates and
//     constraints (RFC 5280 §6) are right. The self-signed one is trusted
//     because it is in the list: that it may be is the caller's business.
//   - Invalid: a date of any of them, a signature or a constraint is wrong, a
//     signature is made with SHA-1 or MD5, or there is not one end of a chain.
//   - Unknown: nothing is wrong, but an issuer is missing, or a signature is of
//     an algorithm that crypto/x509 does not verify.
//
// Revocation is not looked at. Returns KindInvalidField if one is no X.509
// certificate, or none is given, and KindTooMany.
func ValidateChain(certs [][]byte, at time.Time) (kmip.ValidityIndicator, error) {
	chain, err := parseChain(certs)
	if err != nil {
		return 0, err
	}
	for _, c := range chain {
		if at.Before(c.NotBefore) || at.After(c.NotAfter) {
			return kmip.ValidityIndicatorInvalid, nil
		}
	}
	leaf := leafOf(chain)
	if leaf == nil {
		return kmip.ValidityIndicatorInvalid, nil
	}
	root, state := climb(leaf, chain)
	if state != kmip.ValidityIndicatorValid {
		return state, nil
	}
	opts := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	opts.Roots.AddCert(root)
	for _, c := range chain {
		if c != root && c != leaf {
			opts.Intermediates.AddCert(c)
		}
	}
	if _, err := leaf.Verify(opts); err != nil {
		return kmip.ValidityIndicatorInvalid, nil
	}
	return kmip.ValidityIndicatorValid, nil
}

// parseChain reads certificates; one that is given twice counts once.
func parseChain(certs [][]byte) ([]*x509.Certificate, error) {
	switch {
	case len(certs) == 0:
		return nil, kmip.Fail(kmip.KindInvalidField, "a chain has at least one certificate")
	case len(certs) > maxChain:
		return nil, kmip.Fail(kmip.KindTooMany, "a chain has at most %d certificates", maxChain)
	}
	var chain []*x509.Certificate
	for _, der := range certs {
		c, err := parseCertificate(der)
		if err != nil {
			return nil, kmip.FailFrom(err, kmip.KindInvalidField, "one of the chain is not an X.509 certificate")
		}
		if !slices.ContainsFunc(chain, c.Equal) {
			chain = append(chain, c)
		}
	}
	return chain, nil
}

// isRoot reports whether a certificate names itself as its issuer.
func isRoot(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// names reports whether a certificate names another as its issuer: by its name
// and, where both have one, its key identifier.
func names(c, issuer *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, issuer.RawSubject) &&
		(len(c.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId))
}

// leafOf finds the end of the chain: the certificate that none of the others
// names as its issuer. A root is one only if there is nothing else; that of an
// authority only if there is no other, because a link may be missing. It is nil
// if there is not one.
func leafOf(chain []*x509.Certificate) *x509.Certificate {
	var ends, authorities, roots []*x509.Certificate
	for _, c := range chain {
		switch {
		case slices.ContainsFunc(chain, func(other *x509.Certificate) bool { return other != c && names(other, c) }):
		case isRoot(c):
			roots = append(roots, c)
		case c.IsCA:
			authorities = append(authorities, c)
		default:
			ends = append(ends, c)
		}
	}
	for _, candidates := range [][]*x509.Certificate{ends, authorities, roots} {
		if len(candidates) == 1 {
			return candidates[0]
		}
		if len(candidates) > 1 {
			return nil
		}
	}
	return nil
}

// climb goes from a certificate to the root of its chain, by signatures. The
// root is nil unless the state is Valid.
func climb(c *x509.Certificate, chain []*x509.Certificate) (*x509.Certificate, kmip.ValidityIndicator) {
	for range chain {
		if isRoot(c) {
			return c, signatureState(c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature))
		}
		var issuer *x509.Certificate
		state := kmip.ValidityIndicatorUnknown // if nobody has the issuer's name
		for _, candidate := range chain {
			if candidate == c || !names(c, candidate) {
				continue
			}
			if state = signatureState(c.CheckSignatureFrom(candidate)); state == kmip.ValidityIndicatorValid {
				issuer = candidate
				break
			}
		}
		if issuer == nil {
			return nil, state
		}
		c = issuer
	}
	return nil, kmip.ValidityIndicatorInvalid // a circle
}

func signatureState(err error) kmip.ValidityIndicator {
	switch {
	case err == nil:
		return kmip.ValidityIndicatorValid
	case errors.Is(err, x509.ErrUnsupportedAlgorithm):
		return kmip.ValidityIndicatorUnknown
	default:
		return kmip.ValidityIndicatorInvalid
	}
}
