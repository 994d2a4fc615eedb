package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/store"
)

// CipherArgs are the arguments of Encrypt and Decrypt. Parameters are those of
// the request; nil takes the first Cryptographic Parameters of the key.
type CipherArgs struct {
	Parameters *kmip.CryptographicParameters
	Data       []byte
	IV         []byte
	AAD        []byte
	Tag        []byte
	// TagInData: an authentication tag stands at the end of Data.
	TagInData bool

	way      way  // what is done with the key
	existing bool // to what is protected already
}

// Encrypt encrypts under a managed key (§6.1.17). It takes from the Usage
// Limits of the key.
func (s *Service) Encrypt(ctx context.Context, sc *Scope, uid string, args CipherArgs) (crypto.CipherResult, error) {
	return s.cipher(ctx, sc, "Encrypt", uid, args, kmip.CryptographicUsageMaskEncrypt, lifecycle.MayProtect, crypto.Encrypt)
}

// Decrypt decrypts under a managed key (§6.1.11), also one that is Deactivated
// or Compromised.
func (s *Service) Decrypt(ctx context.Context, sc *Scope, uid string, args CipherArgs) (crypto.CipherResult, error) {
	return s.cipher(ctx, sc, "Decrypt", uid, args, kmip.CryptographicUsageMaskDecrypt, lifecycle.MayProcess, crypto.Decrypt)
}

func (s *Service) cipher(ctx context.Context, sc *Scope, action, uid string, args CipherArgs, mask kmip.CryptographicUsageMask,
	may mayUse, compute func(crypto.CipherRequest) (crypto.CipherResult, error),
) (crypto.CipherResult, error) {
	var result crypto.CipherResult
	args.existing = mask != kmip.CryptographicUsageMaskEncrypt
	err := s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: uid, bytes: len(args.Data)}
		m, err := s.usable(ctx, sc, action, uid, mask, may)
		if err != nil {
			return o, err
		}
		if mask == kmip.CryptographicUsageMaskEncrypt {
			if o.change.Counters, err = m.allocate(len(args.Data), true); err != nil {
				return o, err
			}
		}
		if m.resident() {
			if err := s.mayProcess(ctx, sc, m, ciphers, args.existing, m.parameters(args.Parameters), nil); err != nil {
				return o, err
			}
			result, err = s.residentCipher(ctx, m, args, mask == kmip.CryptographicUsageMaskEncrypt)
			return o, err
		}
		r, value, err := s.cipherRequest(ctx, sc, action, m, args)
		if err != nil {
			return o, err
		}
		defer value.Destroy()
		if args.TagInData && crypto.Authenticated(r.Algorithm, r.Parameters) && r.Tag == nil {
			if r.Data, r.Tag, err = crypto.SplitTag(r.Data, r.Parameters); err != nil {
				return o, err
			}
		}
		result, err = compute(r)
		return o, err
	})
	if err != nil {
		return crypto.CipherResult{}, err
	}
	return result, nil
}

// cipherRequest brings a key and arguments into the form of package crypto. The
// request uses the memory of the value, which the caller destroys.
func (s *Service) cipherRequest(ctx context.Context, sc *Scope, action string, m *managed, args CipherArgs) (crypto.CipherRequest, *kmip.Object, error) {
	if err := s.mayProcess(ctx, sc, m, args.way, args.existing, m.parameters(args.Parameters), nil); err != nil {
		return crypto.CipherRequest{}, nil, err
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return crypto.CipherRequest{}, nil, err
	}
	if err := s.readyForUse(ctx, sc, action, m, value); err != nil {
		value.Destroy()
		return crypto.CipherRequest{}, nil, err
	}
	return crypto.CipherRequest{
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Parameters: m.parameters(args.Parameters),
		Key: value.Key.Material, Format: value.Key.Format, Transparent: value.Key.Transparent,
		Data: args.Data, IV: args.IV, AAD: args.AAD, Tag: args.Tag,
	}, value, nil
}

// mayUse tells whether state and dates allow a use.
type mayUse = func(kmip.State, kmip.Dates, time.Time) error

// usable loads an object for a cryptographic operation: its type, usage mask,
// state and dates allow it.
func (s *Service) usable(ctx context.Context, sc *Scope, action, uid string, mask kmip.CryptographicUsageMask, may mayUse) (*managed, error) {
	m, err := s.load(ctx, sc, action, uid)
	if err != nil {
		return nil, err
	}
	switch m.objectType() {
	case kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey:
	case kmip.ObjectTypeCertificate:
		if mask != kmip.CryptographicUsageMaskVerify {
			return nil, kmip.Fail(kmip.KindObjectType, "a certificate cannot be used for %s", action)
		}
	default:
		return nil, kmip.Fail(kmip.KindObjectType, "a %s cannot be used for %s", m.objectType(), action)
	}
	if err := may(m.state, m.attrs.Dates(), sc.Now); err != nil {
		return nil, err
	}
	if kmip.CryptographicUsageMask(m.row.UsageMask)&(mask|kmip.CryptographicUsageMaskUnrestricted) == 0 {
		return nil, kmip.Fail(kmip.KindUsageMask, "the Cryptographic Usage Mask of the key does not allow %s", action)
	}
	if !m.hasValue() {
		return nil, kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key")
	}
	sc.touch(m)
	return m, nil
}

// allocate takes what an operation protects from the Usage Limits (§4.59). An
// operation in several parts counts once, with its first, and its bytes with
// each.
func (m *managed) allocate(dataBytes int, first bool) ([]store.CounterChange, error) {
	v, ok := m.attrs.Get(kmip.TagUsageLimits)
	if !ok {
		return nil, nil
	}
	take := int64(1)
	if kmip.UsageLimitsOf(v).Unit == kmip.UsageLimitsUnitByte {
		take = int64(dataBytes)
	} else if !first {
		take = 0
	}
	if take == 0 {
		return nil, nil
	}
	return []store.CounterChange{{Domain: m.row.Domain, UID: m.row.UID, Take: take}}, nil
}

// parameters are those of the request, or the first that the key has.
func (m *managed) parameters(asked *kmip.CryptographicParameters) kmip.CryptographicParameters {
	if asked != nil {
		return *asked
	}
	v, _ := m.attrs.Get(kmip.TagCryptographicParameters)
	return kmip.CryptographicParametersOf(v)
}
