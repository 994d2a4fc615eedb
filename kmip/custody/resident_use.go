package custody

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	kmipcrypto "github.com/claviger/claviger/kmip/crypto"
)

// residentCipher encrypts or decrypts by a key that lives in a token.
func (s *Service) residentCipher(ctx context.Context, m *managed, args CipherArgs, encrypt bool) (kmipcrypto.CipherResult, error) {
	r := kmipcrypto.CipherRequest{
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Parameters: m.parameters(args.Parameters),
		Data: args.Data, IV: args.IV, AAD: args.AAD, Tag: args.Tag, Rand: s.random,
	}
	if args.TagInData && kmipcrypto.Authenticated(r.Algorithm, r.Parameters) && r.Tag == nil {
		var err error
		if r.Data, r.Tag, err = kmipcrypto.SplitTag(r.Data, r.Parameters); err != nil {
			return kmipcrypto.CipherResult{}, err
		}
	}
	plan, err := kmipcrypto.PlanCipher(r, encrypt)
	if err != nil {
		return kmipcrypto.CipherResult{}, err
	}
	where, token, err := s.atToken(ctx, m)
	if err != nil {
		return kmipcrypto.CipherResult{}, err
	}
	in := hsm.CipherRequest{Mode: cipherMode(plan), Hash: plan.Hash, IV: plan.IV, AAD: r.AAD, TagBits: 8 * plan.TagBytes, Data: r.Data}
	var result kmipcrypto.CipherResult
	if encrypt {
		if where.Public != nil {
			return result, kmip.Fail(kmip.KindObjectType, "encrypt with the public key; the private one lives in a token")
		}
		out, err := token.ObjectEncrypt(ctx, where.ID, in)
		if err != nil {
			return result, residentUse(err)
		}
		if n := len(out) - plan.TagBytes; n >= 0 {
			result.Data, result.Tag = out[:n:n], out[n:]
		}
		if plan.TagBytes == 0 {
			result.Tag = nil
		}
		if plan.Made {
			result.IV = plan.IV
		}
		return result, nil
	}
	in.Data = append(append(make([]byte, 0, len(r.Data)+len(r.Tag)), r.Data...), r.Tag...)
	result.Data, err = token.ObjectDecrypt(ctx, where.ID, in)
	return result, residentUse(err)
}

func cipherMode(p kmipcrypto.HeldCipher) hsm.CipherMode {
	switch p.Mode {
	case kmip.BlockCipherModeGCM:
		return hsm.ModeGCM
	case kmip.BlockCipherModeCTR:
		return hsm.ModeCTR
	case kmip.BlockCipherModeECB:
		return hsm.ModeECB
	case kmip.BlockCipherModeCBC:
		if p.Padding == kmip.PaddingMethodPKCS5 {
			return hsm.ModeCBCPad
		}
		return hsm.ModeCBC
	}
	if p.Padding == kmip.PaddingMethodOAEP {
		return hsm.ModeOAEP
	}
	return hsm.ModePKCS1
}

// residentSign signs by a private key that lives in a token.
func (s *Service) residentSign(ctx context.Context, m *managed, args SignArgs) ([]byte, error) {
	where, token, err := s.atToken(ctx, m)
	if err != nil {
		return nil, err
	}
	var public crypto.PublicKey
	if public, err = x509.ParsePKIXPublicKey(where.Public); err != nil {
		return nil, kmip.FailFrom(err, kmip.KindIntegrity, "the stored object is damaged")
	}
	plan, err := kmipcrypto.PlanSignature(kmipcrypto.SignatureRequest{
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Parameters: m.parameters(args.Parameters), Data: args.Data, Digested: args.Digested,
	}, public)
	if err != nil {
		return nil, err
	}
	in := hsm.SignRequest{Scheme: hsm.SchemeECDSA, Hash: plan.Hash, Digest: plan.Digest, SaltBytes: plan.SaltBytes}
	switch plan.Padding {
	case kmip.PaddingMethodPKCS1V15:
		in.Scheme = hsm.SchemePKCS1
	case kmip.PaddingMethodPSS:
		in.Scheme = hsm.SchemePSS
	}
	signature, err := token.ObjectSign(ctx, where.ID, in)
	return signature, residentUse(err)
}

// residentMAC computes a MAC by a key that lives in a token.
func (s *Service) residentMAC(ctx context.Context, m *managed, p *kmip.CryptographicParameters, data []byte) ([]byte, error) {
	hash, err := kmipcrypto.PlanMAC(kmipcrypto.CipherRequest{Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Parameters: m.parameters(p)})
	if err != nil {
		return nil, err
	}
	where, token, err := s.atToken(ctx, m)
	if err != nil {
		return nil, err
	}
	code, err := token.ObjectMAC(ctx, where.ID, hsm.MACRequest{Hash: hash, Data: data})
	return code, residentUse(err)
}

func (s *Service) atToken(ctx context.Context, m *managed) (residence, hsm.ObjectToken, error) {
	where, err := s.whereabouts(ctx, m)
	if err != nil {
		return where, nil, err
	}
	token, err := s.sealer.ObjectToken(where.Token)
	return where, token, err
}

// residentUse tells what a token said to a use.
func residentUse(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, hsm.ErrIntegrity):
		return kmip.FailFrom(err, kmip.KindCryptographicFailure, "the data cannot be processed with this key")
	case errors.Is(err, hsm.ErrUnsupported):
		return kmip.FailFrom(err, kmip.KindParametersUnsupported, "the token that the key lives in cannot do that")
	case errors.Is(err, hsm.ErrNotFound):
		return kmip.FailFrom(err, kmip.KindIntegrity, "the key is no longer in the token that it lived in")
	}
	return err
}
