package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
)

// SignArgs are the arguments of Sign and SignatureVerify.
type SignArgs struct {
	Parameters *kmip.CryptographicParameters
	Data       []byte
	Digested   []byte // in the place of Data

	existing bool // the signature is there already
}

// Sign signs under a managed private key (§6.1.55). It takes from the Usage
// Limits of the key.
func (s *Service) Sign(ctx context.Context, sc *Scope, uid string, args SignArgs) ([]byte, error) {
	var signature []byte
	err := s.do(ctx, sc, "Sign", func() (outcome, error) {
		o := outcome{uid: uid, bytes: len(args.Data) + len(args.Digested)}
		m, err := s.usable(ctx, sc, "Sign", uid, kmip.CryptographicUsageMaskSign, lifecycle.MayProtect)
		if err != nil {
			return o, err
		}
		if err := signs(m, kmip.CryptographicUsageMaskSign); err != nil {
			return o, err
		}
		if o.change.Counters, err = m.allocate(len(args.Data)+len(args.Digested), true); err != nil {
			return o, err
		}
		if m.resident() {
			if err := s.mayProcess(ctx, sc, m, signatures, false, m.parameters(args.Parameters), nil); err != nil {
				return o, err
			}
			signature, err = s.residentSign(ctx, m, args)
			return o, err
		}
		value, err := s.reveal(ctx, m)
		if err != nil {
			return o, err
		}
		defer value.Destroy()
		r, err := s.signatureRequest(ctx, sc, "Sign", m, value, args)
		if err != nil {
			return o, err
		}
		signature, err = crypto.Sign(r)
		return o, err
	})
	if err != nil {
		return nil, err
	}
	return signature, nil
}

// SignatureVerify tells whether a signature is that of the data, under a
// managed public key, certificate or private key (§6.1.56).
func (s *Service) SignatureVerify(ctx context.Context, sc *Scope, uid string, args SignArgs, signature []byte) (bool, error) {
	valid := false
	args.existing = true
	err := s.do(ctx, sc, "SignatureVerify", func() (outcome, error) {
		o := outcome{uid: uid, bytes: len(args.Data) + len(args.Digested)}
		m, err := s.usable(ctx, sc, "SignatureVerify", uid, kmip.CryptographicUsageMaskVerify, lifecycle.MayProcess)
		if err != nil {
			return o, err
		}
		if err := signs(m, kmip.CryptographicUsageMaskVerify); err != nil {
			return o, err
		}
		value, err := s.reveal(ctx, m)
		if err != nil {
			return o, err
		}
		defer value.Destroy()
		r, err := s.signatureRequest(ctx, sc, "SignatureVerify", m, value, args)
		if err != nil {
			return o, err
		}
		valid, err = crypto.VerifySignature(r, signature)
		return o, err
	})
	return valid && err == nil, err
}

// signs refuses objects that neither sign nor verify.
func signs(m *managed, mask kmip.CryptographicUsageMask) error {
	switch {
	case mask == kmip.CryptographicUsageMaskSign && m.objectType() != kmip.ObjectTypePrivateKey:
		return kmip.Fail(kmip.KindObjectType, "only a private key signs; this is a %s", m.objectType())
	case m.objectType() == kmip.ObjectTypeSymmetricKey:
		return kmip.Fail(kmip.KindObjectType, "a symmetric key verifies no signatures")
	}
	return nil
}

// signatureRequest brings a key, or the key of a certificate, into the form of
// package crypto.
func (s *Service) signatureRequest(ctx context.Context, sc *Scope, action string, m *managed, value *kmip.Object, args SignArgs) (crypto.SignatureRequest, error) {
	r := crypto.SignatureRequest{
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Parameters: m.parameters(args.Parameters),
		Data: args.Data, Digested: args.Digested,
	}
	if value.Type == kmip.ObjectTypeCertificate {
		public, err := crypto.CertificateKey(value.CertificateValue)
		if err != nil {
			return r, err
		}
		r.Key, r.Format = public.Bytes, public.Format
		return r, s.maySign(ctx, sc, m, r, args.existing)
	}
	if err := s.readyForUse(ctx, sc, action, m, value); err != nil {
		return r, err
	}
	r.Key, r.Format, r.Transparent = value.Key.Material, value.Key.Format, value.Key.Transparent
	return r, s.maySign(ctx, sc, m, r, args.existing)
}

// maySign asks whether the domain allows a signature.
func (s *Service) maySign(ctx context.Context, sc *Scope, m *managed, r crypto.SignatureRequest, existing bool) error {
	return s.mayProcess(ctx, sc, m, signatures, existing, r.Parameters, func() kmip.RecommendedCurve {
		return crypto.CurveOf(m.objectType(), r.Algorithm, r.Format, r.Key, r.Transparent)
	})
}
