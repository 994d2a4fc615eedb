package custody

import (
	"context"
	"crypto/rand"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/policy"
)

// Create makes a symmetric key (§6.1.8) and returns its Unique Identifier.
// Algorithm and length may be left out: AES, 256 bits.
func (s *Service) Create(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes) (string, error) {
	var uid string
	err := s.do(ctx, sc, "Create", func() (outcome, error) {
		m, err := s.createSymmetric(ctx, sc, typ, attrs)
		if err != nil {
			return outcome{}, err
		}
		uid = m.row.UID
		return outcome{uid, s.insert(m)}, nil
	})
	return uid, err
}

func (s *Service) createSymmetric(ctx context.Context, sc *Scope, typ kmip.ObjectType, attrs kmip.Attributes) (*managed, error) {
	if err := s.authorize(sc, "Create", policy.Resource{Type: uint32(typ)}); err != nil {
		return nil, err
	}
	if typ != kmip.ObjectTypeSymmetricKey {
		return nil, kmip.Fail(kmip.KindObjectType, "Create makes symmetric keys only")
	}
	if err := checkCreation(attrs); err != nil {
		return nil, err
	}
	alg := kmip.CryptographicAlgorithm(attrs.Uint32(kmip.TagCryptographicAlgorithm))
	if alg == 0 {
		alg = kmip.CryptographicAlgorithmAES
	}
	length := attrs.Int32(kmip.TagCryptographicLength)
	if length == 0 {
		length = defaultLength(alg)
	}
	key, err := crypto.GenerateSymmetric(alg, length, rand.Reader)
	if err != nil {
		return nil, err
	}
	value := &kmip.Object{Type: typ, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: key, Algorithm: alg, LengthBits: length}}
	defer value.Destroy()
	return s.make(ctx, sc, newborn{
		typ: typ, attrs: attrs, value: value, algorithm: alg, length: length,
		format: kmip.KeyFormatTypeRaw, generated: true,
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
