package custody

import (
	"context"
	"io"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
)

// Create makes a symmetric key or secret data (§6.1.8) and returns its Unique Identifier.
// Algorithm and length may be left out: AES, 256 bits.
func (s *Service) Create(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes) (string, error) {
	var uid string
	err := s.do(ctx, sc, "Create", func() (outcome, error) {
		m, where, err := s.create(ctx, sc, typ, attrs)
		if err != nil {
			return outcome{}, err
		}
		uid = m.row.UID
		change := s.insert(m)
		settle(&change, where)
		return outcome{uid: uid, change: change}, nil
	})
	return uid, err
}

func (s *Service) create(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes) (m *managed, where residence, err error) {
	if err := s.authorize(ctx, sc, "Create", policy.Resource{Type: uint32(typ)}); err != nil {
		return nil, where, err
	}
	attrs, hardware, err := s.takeStorage(ctx, sc, attrs)
	if err != nil {
		return nil, where, err
	}
	if attrs, err = s.withDefaults(ctx, sc, typ, attrs); err != nil {
		return nil, where, err
	}
	if err := checkCreation(attrs); err != nil {
		return nil, where, err
	}
	switch {
	case typ == kmip.ObjectTypeSymmetricKey && hardware:
		return s.newResidentKey(ctx, sc, attrs, kmip.Dates{})
	case typ == kmip.ObjectTypeSymmetricKey:
		m, err = s.newSymmetricKey(ctx, sc, attrs)
	case typ == kmip.ObjectTypeSecretData && hardware:
		err = kmip.Fail(kmip.KindStorageMask, "secret data does not live in hardware")
	case typ == kmip.ObjectTypeSecretData:
		m, err = s.newSecretData(ctx, sc, attrs)
	default:
		err = kmip.Fail(kmip.KindObjectType, "Create makes symmetric keys and secret data")
	}
	return m, where, err
}

func (s *Service) newSymmetricKey(ctx context.Context, sc *Scope, attrs kmip.Attributes) (*managed, error) {
	n, err := generate(attrs, s.random)
	if err != nil {
		return nil, err
	}
	defer n.value.Destroy()
	return s.make(ctx, sc, n)
}

// generate makes a symmetric key as attributes say, of 256 bits of AES where they
// do not; the caller destroys the value.
func generate(attrs kmip.Attributes, random io.Reader) (newborn, error) {
	alg := kmip.CryptographicAlgorithm(attrs.Uint32(kmip.TagCryptographicAlgorithm))
	if alg == 0 {
		alg = kmip.CryptographicAlgorithmAES
	}
	length := attrs.Int32(kmip.TagCryptographicLength)
	if length == 0 {
		length = defaultLength(alg)
	}
	key, err := crypto.GenerateSymmetric(alg, length, random)
	if err != nil {
		return newborn{}, err
	}
	value := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: key, Algorithm: alg, LengthBits: length}}
	return newborn{
		typ: kmip.ObjectTypeSymmetricKey, attrs: attrs, value: value, algorithm: alg, length: length,
		format: kmip.KeyFormatTypeRaw, generated: true,
	}, nil
}

// randomFailure tells a generator that cannot be had now from a key that cannot be
// made.
func (s *Service) randomFailure(ctx context.Context, err error) error {
	if !isUnavailable(err) {
		return err
	}
	s.log.ErrorContext(ctx, "there are no random numbers for a key", "error", err)
	return kmip.FailFrom(err, kmip.KindUnavailable, "temporarily unavailable; try again")
}

// maxSecretBits bounds generated secret data.
const maxSecretBits = 64 << 10

// newSecretData makes a random secret of Cryptographic Length bits; 256 when
// none is given.
func (s *Service) newSecretData(ctx context.Context, sc *Scope, attrs kmip.Attributes) (*managed, error) {
	length := attrs.Int32(kmip.TagCryptographicLength)
	switch {
	case attrs.Has(kmip.TagCryptographicAlgorithm):
		return nil, kmip.Fail(kmip.KindAttributeNotApplicable, "secret data has no Cryptographic Algorithm")
	case length == 0:
		length = 256
	case length%8 != 0 || length > maxSecretBits:
		return nil, kmip.Fail(kmip.KindAttributeValue, "secret data has whole bytes, %d bits at most", maxSecretBits)
	}
	b := make([]byte, length/8)
	if _, err := io.ReadFull(s.random, b); err != nil {
		return nil, err
	}
	value := &kmip.Object{
		Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypeSeed,
		Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.New(b), LengthBits: length},
	}
	defer value.Destroy()
	return s.make(ctx, sc, newborn{
		typ: kmip.ObjectTypeSecretData, attrs: attrs, value: value, length: length, format: kmip.KeyFormatTypeRaw, generated: true,
	})
}

// defaultLength is the length in bits for clients that leave it to the server.
func defaultLength(alg kmip.CryptographicAlgorithm) int32 {
	switch alg {
	case kmip.CryptographicAlgorithmDES3:
		return 168
	case kmip.CryptographicAlgorithmDES:
		return 56
	case kmip.CryptographicAlgorithmRSA:
		return 3072
	}
	return 256
}
