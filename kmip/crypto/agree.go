package crypto

import (
	"crypto/ecdh"
	"crypto/ecdsa"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// KeyInput is a private or public key in one Key Format Type: Material, or
// Transparent in the transparent formats. An Algorithm of 0 is not checked.
type KeyInput struct {
	Algorithm   kmip.CryptographicAlgorithm
	Format      kmip.KeyFormatType
	Material    *secret.Bytes
	Transparent *kmip.Item
}

func (k KeyInput) private() (any, error) {
	return ParsePrivate(k.Format, k.Algorithm, k.Material.Reveal(), k.Transparent)
}

func (k KeyInput) public() (any, error) {
	return ParsePublic(k.Format, k.Algorithm, k.Material.Reveal(), k.Transparent)
}

// agreer is a private key of an algorithm that crypto/ecdh does not have. agree
// returns an error for a public key of another group or outside its own.
type agreer interface {
	agree(public any) ([]byte, error)
}

// Agree computes the secret that a private key shares with the public key of
// the other side, for Derive Key with the method Asymmetric Key (KMIP 2.1
// §6.1.14 and §11.14, since 1.4): ECDH on P-256, P-384, P-521 and secp256k1,
// X25519, X448, Diffie-Hellman.
//
// The result is what the algorithm gives, without a key derivation function:
// the x-coordinate of the common point (SP 800-56A §5.7.1.2), the output of
// RFC 7748, or the power as long as the prime (SP 800-56A §5.7.1.1).
//
// Returns KindKeyFormat and KindInvalidField for keys that do not parse,
// KindInvalidField for keys of two algorithms or groups and for a public key
// that is none of its group, KindParametersUnsupported for keys that agree on
// nothing here. The result is the caller's to destroy.
func Agree(private, public KeyInput) (*secret.Bytes, error) {
	own, err := private.private()
	if err != nil {
		return nil, err
	}
	other, err := public.public()
	if err != nil {
		return nil, err
	}
	var shared []byte
	switch key := own.(type) {
	case *ecdsa.PrivateKey:
		ours, ecdhErr := key.ECDH()
		if ecdhErr != nil {
			return nil, errNoAgreement()
		}
		theirs, ok := other.(*ecdsa.PublicKey)
		if !ok || theirs.Curve != key.Curve {
			return nil, errOtherGroup(nil)
		}
		point, ecdhErr := theirs.ECDH()
		if ecdhErr != nil {
			return nil, errOtherGroup(ecdhErr)
		}
		shared, err = ours.ECDH(point)
	case *ecdh.PrivateKey:
		theirs, ok := other.(*ecdh.PublicKey)
		if !ok || theirs.Curve() != key.Curve() {
			return nil, errOtherGroup(nil)
		}
		shared, err = key.ECDH(theirs)
	case agreer:
		shared, err = key.agree(other)
	default:
		return nil, errNoAgreement()
	}
	if err != nil {
		return nil, errOtherGroup(err)
	}
	return secret.New(shared), nil
}

func errNoAgreement() error {
	return kmip.Fail(kmip.KindParametersUnsupported, "keys of this algorithm agree on no secret here")
}

func errOtherGroup(cause error) error {
	return kmip.FailFrom(cause, kmip.KindInvalidField, "the public key does not fit the private key")
}
