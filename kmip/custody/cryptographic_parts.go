package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/store"
)

// EncryptPart encrypts one part of data (§6.1.17).
func (s *Service) EncryptPart(ctx context.Context, sc *Scope, uid string, p Part, args CipherArgs) (Parted, error) {
	return s.cipherPart(ctx, sc, "Encrypt", uid, p, args, kmip.CryptographicUsageMaskEncrypt, lifecycle.MayProtect, crypto.EncryptStream)
}

// DecryptPart decrypts one part of data (§6.1.11). An authentication tag is
// given with the first part and checked with the last: what the parts before it
// gave must not be trusted until then.
func (s *Service) DecryptPart(ctx context.Context, sc *Scope, uid string, p Part, args CipherArgs) (Parted, error) {
	return s.cipherPart(ctx, sc, "Decrypt", uid, p, args, kmip.CryptographicUsageMaskDecrypt, lifecycle.MayProcess,
		func(r crypto.CipherRequest) (crypto.Stream, []byte, error) {
			st, err := crypto.DecryptStream(r)
			return st, nil, err
		})
}

func (s *Service) cipherPart(ctx context.Context, sc *Scope, action, uid string, p Part, args CipherArgs,
	mask kmip.CryptographicUsageMask, may mayUse, open func(crypto.CipherRequest) (crypto.Stream, []byte, error),
) (Parted, error) {
	return s.inParts(ctx, sc, partArgs{
		action: action, uid: uid, part: p, data: args.Data,
		use: s.useOf(ctx, sc, action, mask, may, len(args.Data)),
		open: func(m *managed) (crypto.Stream, []byte, error) {
			args.existing = mask != kmip.CryptographicUsageMaskEncrypt
			r, value, err := s.cipherRequest(ctx, sc, action, m, args)
			if err != nil {
				return nil, nil, err
			}
			defer value.Destroy()
			return open(r)
		},
	})
}

// useOf loads the key of a part and counts what the part protects.
func (s *Service) useOf(ctx context.Context, sc *Scope, action string, mask kmip.CryptographicUsageMask, may mayUse, dataBytes int,
) func(string, bool) (*managed, []store.CounterChange, error) {
	return func(uid string, first bool) (*managed, []store.CounterChange, error) {
		m, err := s.usable(ctx, sc, action, uid, mask, may)
		if err != nil || mask != kmip.CryptographicUsageMaskEncrypt && mask != kmip.CryptographicUsageMaskSign {
			return m, nil, err
		}
		counters, err := m.allocate(dataBytes, first)
		return m, counters, err
	}
}

// SignPart signs data that comes in parts (§6.1.55).
func (s *Service) SignPart(ctx context.Context, sc *Scope, uid string, p Part, args SignArgs) (Parted, error) {
	return s.signaturePart(ctx, sc, "Sign", uid, p, args, nil, kmip.CryptographicUsageMaskSign, lifecycle.MayProtect, crypto.SignStream)
}

// SignatureVerifyPart verifies the signature of data that comes in parts
// (§6.1.56); the signature comes with the last.
func (s *Service) SignatureVerifyPart(ctx context.Context, sc *Scope, uid string, p Part, args SignArgs, signature []byte) (Parted, error) {
	return s.signaturePart(ctx, sc, "SignatureVerify", uid, p, args, signature, kmip.CryptographicUsageMaskVerify, lifecycle.MayProcess, crypto.VerifyStream)
}

func (s *Service) signaturePart(ctx context.Context, sc *Scope, action, uid string, p Part, args SignArgs, signature []byte,
	mask kmip.CryptographicUsageMask, may mayUse, open func(crypto.SignatureRequest) (crypto.Stream, error),
) (Parted, error) {
	return s.inParts(ctx, sc, partArgs{
		action: action, uid: uid, part: p, data: args.Data, expected: signature,
		use: s.useOf(ctx, sc, action, mask, may, len(args.Data)),
		open: func(m *managed) (crypto.Stream, []byte, error) {
			if args.Digested != nil {
				return nil, nil, kmip.Fail(kmip.KindInvalidField, "Digested Data comes in one part")
			}
			if err := signs(m, mask); err != nil {
				return nil, nil, err
			}
			value, err := s.reveal(ctx, m)
			if err != nil {
				return nil, nil, err
			}
			defer value.Destroy()
			args.existing = mask == kmip.CryptographicUsageMaskVerify
			r, err := s.signatureRequest(ctx, sc, action, m, value, args)
			if err != nil {
				return nil, nil, err
			}
			st, err := open(r)
			return st, nil, err
		},
	})
}

// MACPart computes the code of data that comes in parts (§6.1.32).
func (s *Service) MACPart(ctx context.Context, sc *Scope, uid string, part Part, p *kmip.CryptographicParameters, data []byte) (Parted, error) {
	return s.codePart(ctx, sc, "MAC", uid, part, p, data, nil, kmip.CryptographicUsageMaskMACGenerate, lifecycle.MayProtect)
}

// MACVerifyPart verifies the code of data that comes in parts (§6.1.33); the
// code comes with the last.
func (s *Service) MACVerifyPart(ctx context.Context, sc *Scope, uid string, part Part, p *kmip.CryptographicParameters, data, code []byte) (Parted, error) {
	return s.codePart(ctx, sc, "MACVerify", uid, part, p, data, code, kmip.CryptographicUsageMaskMACVerify, lifecycle.MayProcess)
}

func (s *Service) codePart(ctx context.Context, sc *Scope, action, uid string, part Part, p *kmip.CryptographicParameters, data, code []byte,
	mask kmip.CryptographicUsageMask, may mayUse,
) (Parted, error) {
	return s.inParts(ctx, sc, partArgs{
		action: action, uid: uid, part: part, data: data, expected: code,
		use: s.useOf(ctx, sc, action, mask, may, len(data)),
		open: func(m *managed) (crypto.Stream, []byte, error) {
			if m.objectType() != kmip.ObjectTypeSymmetricKey {
				return nil, nil, kmip.Fail(kmip.KindObjectType, "a %s cannot be used for %s", m.objectType(), action)
			}
			r, value, err := s.cipherRequest(ctx, sc, action, m, CipherArgs{Parameters: p, way: codes, existing: mask == kmip.CryptographicUsageMaskMACVerify})
			if err != nil {
				return nil, nil, err
			}
			defer value.Destroy()
			st, err := crypto.MACStream(r)
			return st, nil, err
		},
	})
}

// HashPart hashes data that comes in parts (§6.1.24).
func (s *Service) HashPart(ctx context.Context, sc *Scope, part Part, a kmip.HashingAlgorithm, data []byte) (Parted, error) {
	return s.inParts(ctx, sc, partArgs{
		action: "Hash", part: part, data: data,
		use: func(string, bool) (*managed, []store.CounterChange, error) {
			return nil, nil, s.authorizeNone(ctx, sc, "Hash")
		},
		open: func(*managed) (crypto.Stream, []byte, error) {
			if a == 0 {
				return nil, nil, kmip.Fail(kmip.KindParametersMissing, "Hash needs a Hashing Algorithm")
			}
			if err := s.mayProcess(ctx, sc, nil, hashes, false, kmip.CryptographicParameters{HashingAlgorithm: a}, nil); err != nil {
				return nil, nil, err
			}
			st, err := crypto.HashStream(a)
			return st, nil, err
		},
	})
}
