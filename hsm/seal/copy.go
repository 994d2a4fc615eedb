package seal

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// The first byte of a copy of a domain key tells its mode. A copy of mode
// envelope is the domain key, encrypted under the seal root key. One of mode
// direct has four parts, each after its length:
//
//	the domain key under the seal root key, opened only to wrap it anew
//	MAC key, witness and check value under the seal root key
//	the key for material under the wrap root key
//	the witness, encrypted under the key for material
//
// Wrapping under AES binds to nothing, so the witness proves that what was
// unwrapped is the key of this domain and generation.
const (
	copyEnvelope = 1
	copyDirect   = 2
)

const witnessBytes = 32

// mode tells how the generation is used that the copy is of.
func (k DomainKey) mode() Mode {
	if len(k.Wrapped) > 0 && k.Wrapped[0] == copyDirect {
		return ModeDirect
	}
	return ModeEnvelope
}

// aad binds a part of a copy to what it is a copy of.
func (k DomainKey) aad(part string) []byte {
	dst := append([]byte{formatVersion}, part...)
	dst = append(dst, 0)
	dst = appendText(dst, k.Domain)
	dst = appendUint32(dst, uint32(k.Generation)) //nolint:gosec // bits, and lengths of short texts
	dst = appendText(dst, k.Token)
	return appendText(dst, k.RootKey)
}

const (
	partKey       = "claviger domain key"
	partDirectKey = "claviger domain key for direct use"
	partMAC       = "claviger MAC key"
	partWitness   = "claviger witness"
)

// wrapFor makes the copy of a domain key for a token, under its current root
// keys, and opens it again.
func (r *Ring) wrapFor(ctx context.Context, h handle, at ref, mode Mode, value *secret.Bytes) (DomainKey, error) {
	root, err := r.ensureRoot(ctx, h)
	if err != nil {
		return DomainKey{}, err
	}
	return r.wrapUnder(ctx, h, root, at, mode, value)
}

// wrapUnder is wrapFor under given root keys.
func (r *Ring) wrapUnder(ctx context.Context, h handle, root rootPair, at ref, mode Mode, value *secret.Bytes) (DomainKey, error) {
	k := DomainKey{Domain: at.domain, Generation: at.generation, Token: h.serial, RootKey: root.String(), Created: r.now().UTC()}
	var err error
	if mode == ModeDirect {
		k.Wrapped, err = r.wrapDirect(ctx, h, root, k, at, value)
	} else {
		k.Wrapped, err = h.Encrypt(ctx, root.seal, value, k.aad(partKey))
		k.Wrapped = append([]byte{copyEnvelope}, k.Wrapped...)
	}
	if err != nil {
		return DomainKey{}, fmt.Errorf("wrap: %w", err)
	}
	opened, err := r.openCopy(ctx, h, k)
	if err != nil {
		return DomainKey{}, fmt.Errorf("open what was just wrapped: %w", err)
	}
	defer opened.Destroy()
	if !opened.Equal(value) {
		return DomainKey{}, fmt.Errorf("what was just wrapped opens as another key: %w", hsm.ErrUnavailable)
	}
	if mode != ModeDirect {
		return k, nil
	}
	used, err := r.openDirect(ctx, h, at, map[string]DomainKey{h.serial: k})
	if err != nil {
		return DomainKey{}, fmt.Errorf("use what was just wrapped: %w", err)
	}
	used.destroy()
	return k, nil
}

func (r *Ring) wrapDirect(ctx context.Context, h handle, root rootPair, k DomainKey, at ref, value *secret.Bytes) ([]byte, error) {
	if root.wrap == "" {
		return nil, fmt.Errorf("mode direct needs a token that has AES key wrap (RFC 3394 or 5649) and AES-GCM; use mode envelope with it: %w", hsm.ErrUnsupported)
	}
	whole, err := h.Encrypt(ctx, root.seal, value, k.aad(partDirectKey))
	if err != nil {
		return nil, err
	}
	material, err := derive(at, value, "material")
	if err != nil {
		return nil, err
	}
	defer material.Destroy()
	mac, err := derive(at, value, "mac")
	if err != nil {
		return nil, err
	}
	defer mac.Destroy()
	check, err := derive(at, value, "check")
	if err != nil {
		return nil, err
	}
	witness := make([]byte, witnessBytes)
	_, _ = rand.Read(witness) // never fails
	block, err := aes.NewCipher(material.Reveal())
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	proof := aead.Seal(nil, nil, witness, k.aad(partWitness)) //nolint:gosec // the cipher makes the nonce itself
	held := secret.New(bytes.Join([][]byte{mac.Reveal(), witness, check.Reveal()}, nil))
	defer held.Destroy()
	inProcess, err := h.Encrypt(ctx, root.seal, held, k.aad(partMAC))
	if err != nil {
		return nil, err
	}
	wrapped, err := h.Wrap(ctx, root.wrap, material)
	if err != nil {
		return nil, err
	}
	return joinParts(whole, inProcess, wrapped.Value, proof), nil
}

// openCopy opens the domain key of a copy.
func (r *Ring) openCopy(ctx context.Context, h handle, k DomainKey) (*secret.Bytes, error) {
	root := parsePair(k.RootKey)
	if k.mode() == ModeDirect {
		parts, err := splitParts(k.Wrapped)
		if err != nil {
			return nil, err
		}
		return h.Decrypt(ctx, root.seal, parts[0], k.aad(partDirectKey))
	}
	if len(k.Wrapped) == 0 || k.Wrapped[0] != copyEnvelope {
		return nil, fmt.Errorf("copy of unknown format: %w", hsm.ErrIntegrity)
	}
	return h.Decrypt(ctx, root.seal, k.Wrapped[1:], k.aad(partKey))
}

// openDirect opens what the process holds of a domain key of mode direct, and has
// the token prove that it holds the key for material.
func (r *Ring) openDirect(ctx context.Context, h handle, at ref, rows map[string]DomainKey) (*domainKey, error) {
	held, err := r.proveDirect(ctx, h, rows[h.serial])
	if err != nil {
		return nil, err
	}
	k := &domainKey{at: at, mac: held.mac, check: held.check, direct: newDirectCopies(rows)}
	k.direct.proved(h.serial, held.wrapped)
	return k, nil
}

// heldKey is what is in the process of a domain key of mode direct.
type heldKey struct {
	mac     *secret.Bytes
	check   [sha256.Size]byte
	wrapped hsm.WrappedKey
}

func (r *Ring) proveDirect(ctx context.Context, h handle, k DomainKey) (heldKey, error) {
	parts, err := splitParts(k.Wrapped)
	if err != nil {
		return heldKey{}, err
	}
	root := parsePair(k.RootKey)
	opened, err := h.Decrypt(ctx, root.seal, parts[1], k.aad(partMAC))
	if err != nil {
		return heldKey{}, err
	}
	defer opened.Destroy()
	b := opened.Reveal()
	if len(b) != domainKeyBytes+witnessBytes+sha256.Size {
		return heldKey{}, fmt.Errorf("MAC key of unknown format: %w", hsm.ErrIntegrity)
	}
	wrapped := hsm.WrappedKey{RootKey: root.wrap, Value: parts[2]}
	witness, err := h.DecryptWrapped(ctx, wrapped, parts[3], k.aad(partWitness))
	if err != nil {
		return heldKey{}, err
	}
	defer witness.Destroy()
	if subtle.ConstantTimeCompare(witness.Reveal(), b[domainKeyBytes:domainKeyBytes+witnessBytes]) != 1 {
		return heldKey{}, fmt.Errorf("the key in the token is not the one of the domain: %w", hsm.ErrIntegrity)
	}
	held := heldKey{mac: secret.Copy(b[:domainKeyBytes]), wrapped: wrapped}
	copy(held.check[:], b[domainKeyBytes+witnessBytes:])
	return held, nil
}

func joinParts(parts ...[]byte) []byte {
	out := []byte{copyDirect}
	for _, p := range parts {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(p))), p...) //nolint:gosec // below 8 KiB, see hsm.MaxPlaintextBytes
	}
	return out
}

func splitParts(b []byte) (parts [4][]byte, err error) {
	damaged := fmt.Errorf("copy of unknown format: %w", hsm.ErrIntegrity)
	if len(b) == 0 || b[0] != copyDirect {
		return parts, damaged
	}
	b = b[1:]
	for i := range parts {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return parts, damaged
		}
		n := int(binary.BigEndian.Uint16(b))
		parts[i], b = b[2:2+n], b[2+n:]
	}
	if len(b) != 0 {
		return parts, damaged
	}
	return parts, nil
}
