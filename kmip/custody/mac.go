package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
)

// MAC computes a message authentication code under a managed key (§6.1.32).
func (s *Service) MAC(ctx context.Context, sc *Scope, uid string, p *kmip.CryptographicParameters, data []byte) ([]byte, error) {
	var code []byte
	err := s.authenticateData(ctx, sc, "MAC", uid, kmip.CryptographicUsageMaskMACGenerate, lifecycle.MayProtect, p, data, func(r crypto.CipherRequest) (err error) {
		code, err = crypto.MAC(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return code, nil
}

// MACVerify tells whether a code is that of the data (§6.1.33).
func (s *Service) MACVerify(ctx context.Context, sc *Scope, uid string, p *kmip.CryptographicParameters, data, code []byte) (bool, error) {
	valid := false
	err := s.authenticateData(ctx, sc, "MACVerify", uid, kmip.CryptographicUsageMaskMACVerify, lifecycle.MayProcess, p, data, func(r crypto.CipherRequest) (err error) {
		valid, err = crypto.VerifyMAC(r, code)
		return err
	})
	return valid && err == nil, err
}

func (s *Service) authenticateData(ctx context.Context, sc *Scope, action, uid string, mask kmip.CryptographicUsageMask, may mayUse,
	p *kmip.CryptographicParameters, data []byte, compute func(crypto.CipherRequest) error,
) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: uid, bytes: len(data)}
		m, err := s.usable(ctx, sc, action, uid, mask, may)
		if err != nil {
			return o, err
		}
		if m.objectType() != kmip.ObjectTypeSymmetricKey {
			return o, kmip.Fail(kmip.KindObjectType, "a %s cannot be used for %s", m.objectType(), action)
		}
		r, value, err := s.cipherRequest(ctx, sc, action, m, CipherArgs{Parameters: p, Data: data})
		if err != nil {
			return o, err
		}
		defer value.Destroy()
		return o, compute(r)
	})
}
