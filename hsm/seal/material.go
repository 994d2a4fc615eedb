package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// MaxMaterialBytes bounds what is sealed at once.
const MaxMaterialBytes = 16 << 20

// OverheadBytes is what Seal adds to the plaintext: version, nonce and tag.
const OverheadBytes = 1 + 12 + 16

// typicalAAD is room for the associated data of most objects without a second
// allocation.
const typicalAAD = 160

// Seal seals material under the current generation of the domain's key, and
// says which that was. Returns hsm.ErrNotFound if the domain has no key and
// ErrExhausted if the generation has sealed MaxSeals times.
func (r *Ring) Seal(ctx context.Context, domain string, b Binding, plaintext *secret.Bytes) (int32, []byte, error) {
	generation, err := r.Current(ctx, domain)
	if err != nil {
		return 0, nil, err
	}
	sealed, err := r.SealAt(ctx, domain, generation, b, plaintext)
	if err != nil {
		return 0, nil, err
	}
	return generation, sealed, nil
}

// SealAt is Seal under a given generation.
func (r *Ring) SealAt(ctx context.Context, domain string, generation int32, b Binding, plaintext *secret.Bytes) ([]byte, error) {
	k, err := r.key(ctx, domain, generation)
	if err != nil {
		return nil, err
	}
	if plaintext.Len() > MaxMaterialBytes {
		return nil, fmt.Errorf("seal %d bytes, at most %d are taken: %w", plaintext.Len(), MaxMaterialBytes, hsm.ErrUnsupported)
	}
	switch n := k.seals.Add(1); {
	case n > r.maxSeal:
		k.seals.Add(^uint64(0)) // stay where it is
		return nil, fmt.Errorf("domain %q, generation %d: %w", domain, generation, ErrExhausted)
	case n == r.maxSeal/2:
		r.log.WarnContext(ctx, "the key of a domain has sealed half as often as it may; rotate it with claviger domain rotate-key",
			"domain", domain, "generation", generation, "sealed", n, "most", r.maxSeal)
	}
	var room [typicalAAD]byte
	if k.direct != nil {
		sealed, err := r.sealDirect(ctx, k, plaintext, b.append(nil, k.at))
		if err != nil {
			return nil, fmt.Errorf("seal for domain %q: %w", domain, err)
		}
		return sealed, nil
	}
	out := make([]byte, 1, OverheadBytes+plaintext.Len())
	out[0] = formatVersion
	return k.material.Seal(out, nil, plaintext.Reveal(), b.append(room[:0], k.at)), nil //nolint:gosec // the cipher makes the nonce itself
}

// Open opens what Seal made. Returns hsm.ErrIntegrity unless blob, domain,
// generation and binding are those of Seal. The caller destroys the result.
func (r *Ring) Open(ctx context.Context, domain string, generation int32, b Binding, sealed []byte) (*secret.Bytes, error) {
	k, err := r.key(ctx, domain, generation)
	if err != nil {
		return nil, err
	}
	if len(sealed) < OverheadBytes || len(sealed) > MaxMaterialBytes+OverheadBytes+sealedContentKeyBytes {
		return nil, fmt.Errorf("open material of domain %q: unknown format: %w", domain, hsm.ErrIntegrity)
	}
	var room [typicalAAD]byte
	var plain *secret.Bytes
	switch aad := b.append(room[:0], k.at); {
	case sealed[0] == formatVersion && k.direct == nil: // of every day
		opened, failed := k.material.Open(nil, nil, sealed[1:], aad)
		if failed == nil {
			return secret.New(opened), nil
		}
		err = hsm.ErrIntegrity
	case sealed[0] == formatVersion:
		plain, err = r.openToken(ctx, k, sealed[1:], b.append(nil, k.at))
	case sealed[0] == formatContent:
		plain, err = r.openContent(ctx, k, sealed[1:], b.append(nil, k.at))
	default:
		err = fmt.Errorf("unknown format: %w", hsm.ErrIntegrity)
	}
	if err != nil {
		return nil, fmt.Errorf("open material of domain %q, generation %d: %w", domain, generation, err)
	}
	return plain, nil
}

// MAC returns the HMAC-SHA-256 of a message under the key that a generation of
// the domain's key gives for MACs.
func (r *Ring) MAC(ctx context.Context, domain string, generation int32, message []byte) ([]byte, error) {
	k, err := r.key(ctx, domain, generation)
	if err != nil {
		return nil, err
	}
	var sum [sha256.Size]byte
	if err := k.sum(&sum, message); err != nil {
		return nil, err
	}
	return sum[:], nil
}

// VerifyMAC returns hsm.ErrIntegrity unless mac is the MAC of message, whole.
func (r *Ring) VerifyMAC(ctx context.Context, domain string, generation int32, message, mac []byte) error {
	k, err := r.key(ctx, domain, generation)
	if err != nil {
		return err
	}
	var sum [sha256.Size]byte
	if err := k.sum(&sum, message); err != nil {
		return err
	}
	if !hmac.Equal(sum[:], mac) {
		return fmt.Errorf("record of domain %q, generation %d: %w", domain, generation, hsm.ErrIntegrity)
	}
	return nil
}
