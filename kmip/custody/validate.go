package custody

import (
	"bytes"
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
)

// maxValidated bounds the certificates of one Validate.
const maxValidated = 31

// Validate tells whether certificates, given and managed, make a chain that is
// valid at a moment (§6.1.57). The authority of the domain is trusted. A managed
// certificate that was revoked, or is past its Deactivation Date, makes it
// invalid.
func (s *Service) Validate(ctx context.Context, sc *Scope, given [][]byte, uids []string, at time.Time) (kmip.ValidityIndicator, error) {
	var verdict kmip.ValidityIndicator
	if at.IsZero() {
		at = sc.Now
	}
	err := s.do(ctx, sc, "Validate", func() (outcome, error) {
		var o outcome
		if len(uids) > 0 {
			o.uid = uids[0]
		}
		if err := s.authorizeNone(ctx, sc, "Validate"); err != nil {
			return o, err
		}
		if n := len(given) + len(uids); n == 0 || n > maxValidated {
			return o, kmip.Fail(kmip.KindMissingField, "Validate takes 1 to %d certificates", maxValidated)
		}
		chain := given[:len(given):len(given)]
		good := true
		for _, uid := range uids {
			m, err := s.load(ctx, sc, "Validate", uid)
			if err != nil {
				return o, err
			}
			if m.objectType() != kmip.ObjectTypeCertificate {
				return o, kmip.Fail(kmip.KindObjectType, "a %s is no certificate", m.objectType())
			}
			value, err := s.reveal(ctx, m)
			if err != nil {
				return o, err
			}
			chain = append(chain, value.CertificateValue)
			good = good && m.state != kmip.StateCompromised && m.state != kmip.StateDeactivated
		}
		if chain, err := s.withAuthority(ctx, sc, chain); err != nil {
			return o, err
		} else if verdict, err = crypto.ValidateChain(chain, at); err != nil {
			return o, err
		}
		if !good {
			verdict = kmip.ValidityIndicatorInvalid
		}
		return o, nil
	})
	return verdict, err
}

// withAuthority adds the certificate of the domain's authority to a chain that it
// has issued a part of.
func (s *Service) withAuthority(ctx context.Context, sc *Scope, chain [][]byte) ([][]byte, error) {
	authority, err := s.domainAuthority(ctx, sc)
	if err != nil {
		return nil, err
	}
	ours, issued := authority.Certificate, false
	for _, der := range chain {
		if bytes.Equal(der, ours.Raw) {
			return chain, nil
		}
		info, err := crypto.InspectCertificate(der)
		issued = issued || err == nil && bytes.Equal(info.Issuer, ours.RawSubject)
	}
	if issued {
		chain = append(chain, ours.Raw)
	}
	return chain, nil
}
