package custody

import (
	"context"
	"crypto/subtle"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
)

// MAC computes a message authentication code under a managed key (§6.1.32).
func (s *Service) MAC(ctx context.Context, sc *Scope, uid string, p *kmip.CryptographicParameters, data []byte) ([]byte, error) {
	var code []byte
	err := s.authenticateData(ctx, sc, "MAC", uid, kmip.CryptographicUsageMaskMACGenerate, lifecycle.MayProtect, p, data, func(got []byte) { code = got })
	if err != nil {
		return nil, err
	}
	return code, nil
}

// MACVerify tells whether a code is that of the data (§6.1.33).
func (s *Service) MACVerify(ctx context.Context, sc *Scope, uid string, p *kmip.CryptographicParameters, data, code []byte) (bool, error) {
	valid := false
	err := s.authenticateData(ctx, sc, "MACVerify", uid, kmip.CryptographicUsageMaskMACVerify, lifecycle.MayProcess, p, data, func(want []byte) {
		valid = subtle.ConstantTimeCompare(code, want) == 1
	})
	return valid && err == nil, err
}

func (s *Service) authenticateData(ctx context.Context, sc *Scope, action, uid string, mask kmip.CryptographicUsageMask, may mayUse,
	p *kmip.CryptographicParameters, data []byte, take func(code []byte),
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
		args := CipherArgs{Parameters: p, Data: data, way: codes, existing: mask == kmip.CryptographicUsageMaskMACVerify}
		if m.resident() {
			if err := s.mayProcess(ctx, sc, m, codes, args.existing, m.parameters(p), nil); err != nil {
				return o, err
			}
			code, err := s.residentMAC(ctx, m, p, data)
			take(code)
			return o, err
		}
		r, value, err := s.cipherRequest(ctx, sc, action, m, args)
		if err != nil {
			return o, err
		}
		defer value.Destroy()
		code, err := crypto.MAC(r)
		take(code)
		return o, err
	})
}
