package custody_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"testing"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/testenv/service"
)

// source is a generator that a test can count and break. It repeats a pattern, so
// that a key shows where it comes from.
type source struct {
	mu   sync.Mutex
	read int   // bytes; guarded by mu
	err  error // guarded by mu
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	for i := range p {
		p[i] = byte(s.read + i)
	}
	s.read += len(p)
	return len(p), nil
}

func (s *source) reset(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read, s.err = 0, err
}

func pattern(n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(&source{}, b)
	return b
}

func TestKeysAreMadeOfTheGivenSource(t *testing.T) {
	ctx := context.Background()
	src := &source{}
	s := service.With(t, service.Options{Random: src})
	for _, c := range []struct {
		name string
		make func() (string, error)
		want []byte
	}{
		{"a symmetric key", func() (string, error) {
			return s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
		}, pattern(32)},
		{"secret data", func() (string, error) {
			return s.Create(ctx, s.Client("default"), kmip.ObjectTypeSecretData, attrs(kmip.Integer(kmip.TagCryptographicLength, 384)))
		}, pattern(48)},
		{"the replacement of a key", func() (string, error) {
			uid := create(t, s, s.Client("default"))
			src.reset(nil)
			return s.ReKey(ctx, s.Client("default"), uid, nil, nil)
		}, pattern(32)},
	} {
		src.reset(nil)
		uid, err := c.make()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := material(t, s, uid); !bytes.Equal([]byte(got), c.want) {
			t.Errorf("%s is %x, want %x", c.name, got, c.want)
		}
	}
	for name, alg := range map[string]kmip.CryptographicAlgorithm{
		"Ed25519": kmip.CryptographicAlgorithmEd25519,
		"Ed448":   kmip.CryptographicAlgorithmEd448,
		"ML-DSA":  kmip.CryptographicAlgorithmMLDSA44,
		"ML-KEM":  kmip.CryptographicAlgorithmMLKEM768,
		"SLH-DSA": kmip.CryptographicAlgorithmSLHDSASHA2128f,
	} {
		common := attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, alg)) // the name says the length
		src.reset(nil)
		first, _, err := s.CreateKeyPair(ctx, s.Client("default"), common, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if src.read == 0 {
			t.Errorf("%s: the source was not read", name)
		}
		src.reset(nil)
		second, _, err := s.CreateKeyPair(ctx, s.Client("default"), common, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if material(t, s, first) != material(t, s, second) {
			t.Errorf("%s: the same numbers give another key: it is made of others too", name)
		}
	}
}

// stream is a source that never ends in a pattern, as the search for primes needs.
type stream struct {
	mu   sync.Mutex
	c    *mathrand.ChaCha8 // guarded by mu
	read int               // bytes; guarded by mu
}

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read += len(p)
	return s.c.Read(p)
}

// The standard library lets nobody give the numbers of these, unless it is told.
func TestKeysOfTheStandardLibraryAreMadeOfTheGivenSource(t *testing.T) {
	t.Setenv("GODEBUG", "cryptocustomrand=1")
	ctx := context.Background()
	src := &stream{c: mathrand.NewChaCha8([32]byte{1})}
	s := service.With(t, service.Options{Random: src})
	for name, common := range map[string]kmip.Attributes{
		"RSA":    attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)),
		"P-256":  attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDSA), kmip.Integer(kmip.TagCryptographicLength, 256)),
		"P-521":  attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDH), kmip.Integer(kmip.TagCryptographicLength, 521)),
		"X25519": attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDH), kmip.Structure(kmip.TagCryptographicDomainParameters, kmip.Enumeration(kmip.TagRecommendedCurve, kmip.RecommendedCurveCURVE25519))),
	} {
		src.read = 0
		if _, _, err := s.CreateKeyPair(ctx, s.Client("default"), common, nil, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if src.read < 32 {
			t.Errorf("%s: %d bytes of the source were read", name, src.read)
		}
	}
}

func TestPartsOfAKeyAreMadeOfTheGivenSource(t *testing.T) {
	ctx := context.Background()
	src := &source{}
	s := service.With(t, service.Options{Random: src})
	uid := create(t, s, s.Client("default"))
	for _, method := range []kmip.SplitKeyMethod{kmip.SplitKeyMethodXOR, kmip.SplitKeyMethodPolynomialSharingGF28} {
		src.reset(nil)
		_, err := s.CreateSplitKey(ctx, s.Client("default"), custody.SplitArgs{Type: kmip.ObjectTypeSymmetricKey, UID: uid, Parts: 3, Threshold: 3, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if src.read < 64 {
			t.Errorf("%s: %d bytes of the source were read, want those of two parts", method, src.read)
		}
	}
}

func TestAGeneratorThatFailsIsATemporaryFailure(t *testing.T) {
	ctx := context.Background()
	src := &source{}
	s := service.With(t, service.Options{Random: src})
	uid := create(t, s, s.Client("default"))
	want := material(t, s, uid)
	src.reset(fmt.Errorf("random numbers of the token: %w", hsm.ErrUnavailable))
	for name, err := range map[string]error{
		"Create a key": func() error {
			_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256())
			return err
		}(),
		"Create secret data": func() error {
			_, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSecretData, nil)
			return err
		}(),
		"Create a pair": func() error {
			_, _, err := s.CreateKeyPair(ctx, s.Client("default"), attrs(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmEd25519)), nil, nil)
			return err
		}(),
		"Re-key": func() error { _, err := s.ReKey(ctx, s.Client("default"), uid, nil, nil); return err }(),
		"Create Split Key": func() error {
			_, err := s.CreateSplitKey(ctx, s.Client("default"), custody.SplitArgs{Type: kmip.ObjectTypeSymmetricKey, Parts: 3, Threshold: 2, Method: kmip.SplitKeyMethodPolynomialSharingGF28, Attrs: aes256()})
			return err
		}(),
	} {
		if err == nil || kmip.KindOf(err) != kmip.KindUnavailable {
			t.Errorf("%s without random numbers = %v, want %q", name, err, kmip.KindUnavailable)
		}
	}
	if material(t, s, uid) != want {
		t.Error("a key that is there is another one")
	}
	src.reset(nil)
	create(t, s, s.Client("default"))
	src.reset(errors.New("something else"))
	if _, err := s.Create(ctx, s.Client("default"), kmip.ObjectTypeSymmetricKey, aes256()); err == nil {
		t.Error("a key was made without random numbers")
	}
}
