package custody

import (
	"context"
	"crypto/rand"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/policy"
)

// maxRandomBytes bounds what one RNG Retrieve gives.
const maxRandomBytes = 64 << 10

// RNGRetrieve returns random bytes (§6.1.48).
func (s *Service) RNGRetrieve(ctx context.Context, sc *Scope, n int) ([]byte, error) {
	var b []byte
	err := s.stateless(ctx, sc, "RNGRetrieve", func() error {
		if n < 0 || n > maxRandomBytes {
			return kmip.Fail(kmip.KindInvalidField, "Data Length is 0 to %d", maxRandomBytes)
		}
		b = make([]byte, n)
		_, _ = rand.Read(b) // never fails
		return nil
	})
	return b, err
}

// RNGSeed takes a seed from a client (§6.1.49) and tells how much of it is
// used: nothing. The generator is the operating system's and seeds itself; that
// a client could influence it is not wanted.
func (s *Service) RNGSeed(ctx context.Context, sc *Scope, _ []byte) (used int, err error) {
	return 0, s.stateless(ctx, sc, "RNGSeed", func() error { return nil })
}

// Hash hashes data (§6.1.24).
func (s *Service) Hash(ctx context.Context, sc *Scope, a kmip.HashingAlgorithm, data []byte) ([]byte, error) {
	var sum []byte
	err := s.stateless(ctx, sc, "Hash", func() (err error) {
		if a == 0 {
			return kmip.Fail(kmip.KindParametersMissing, "Hash needs a Hashing Algorithm")
		}
		if err := s.mayProcess(ctx, sc, nil, hashes, false, kmip.CryptographicParameters{HashingAlgorithm: a}, nil); err != nil {
			return err
		}
		sum, err = crypto.Digest(a, data)
		return err
	})
	return sum, err
}

// RNGParameters describes the generator of keys (§7.36).
func RNGParameters() kmip.Item { return randomNumberGenerator().WithTag(kmip.TagRNGParameters) }

// Permit records a call that touches no object, if it is permitted.
func (s *Service) Permit(ctx context.Context, sc *Scope, action string) error {
	return s.stateless(ctx, sc, action, func() error { return nil })
}

// Log writes a message of a client into the audit (§6.1.29).
func (s *Service) Log(ctx context.Context, sc *Scope, message string) error {
	return s.do(ctx, sc, "Log", func() (outcome, error) {
		return outcome{detail: printable(message)}, s.authorize(ctx, sc, "Log", policy.Resource{})
	})
}

// Ping answers (§6.1.37).
func (s *Service) Ping(ctx context.Context, sc *Scope) error {
	return s.stateless(ctx, sc, "Ping", func() error { return nil })
}

// stateless runs a use case that touches no object.
func (s *Service) stateless(ctx context.Context, sc *Scope, action string, run func() error) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		if err := s.authorizeNone(ctx, sc, action); err != nil {
			return outcome{}, err
		}
		return outcome{}, run()
	})
}

// authorizeNone asks policy about an action that concerns no object.
func (s *Service) authorizeNone(ctx context.Context, sc *Scope, action string) error {
	return s.authorize(ctx, sc, action, policy.Resource{})
}
