//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"

	"github.com/claviger/claviger/hsm"
)

// ObjectSign implements hsm.Token.
func (t *Token) ObjectSign(ctx context.Context, id string, r hsm.SignRequest) ([]byte, error) {
	if _, ok := hashMechanisms[r.Hash]; !ok || len(r.Digest) != r.Hash.Size() {
		return nil, fmt.Errorf("sign a digest of %d bytes by hash %d: %w", len(r.Digest), r.Hash, hsm.ErrUnsupported)
	}
	r.Digest = bytes.Clone(r.Digest)
	return run(ctx, t, "sign by an object", func(_ context.Context, s *session) ([]byte, error) {
		kind := hsm.ObjectRSA
		if r.Scheme == hsm.SchemeECDSA {
			kind = hsm.ObjectEC
		}
		return t.withObject(s, id, func(o *object) ([]byte, error) { return t.signDigest(s, o, kind, r) })
	})
}

func (t *Token) signDigest(s *session, o *object, kind hsm.ObjectKind, r hsm.SignRequest) ([]byte, error) {
	if err := o.isA(kind); err != nil {
		return nil, err
	}
	if n := (o.bits + 7) / 8; r.Scheme == hsm.SchemeECDSA && len(r.Digest) > n {
		r.Digest = r.Digest[:n] // of a longer digest the leftmost bits count, but not every token knows
	}
	m, data, err := signMechanism(r)
	if err != nil {
		return nil, err
	}
	out, err := t.objectSign(s, o, string(r.Scheme), m, data)
	if err != nil || r.Scheme != hsm.SchemeECDSA {
		return out, err
	}
	return ecdsaDER(out)
}

// ObjectMAC implements hsm.Token.
func (t *Token) ObjectMAC(ctx context.Context, id string, r hsm.MACRequest) ([]byte, error) {
	kind, m, what := hsm.ObjectAES, mechanism(pkcs11.CKM_AES_CMAC, nil), "CMAC"
	if r.Hash != 0 {
		h, ok := hashMechanisms[r.Hash]
		if !ok {
			return nil, fmt.Errorf("HMAC with hash %d: %w", r.Hash, hsm.ErrUnsupported)
		}
		kind, m, what = hsm.ObjectHMAC, mechanism(h.hmac, nil), "HMAC"
	}
	data := bytes.Clone(r.Data)
	return run(ctx, t, "MAC by an object", func(_ context.Context, s *session) ([]byte, error) {
		return t.withObject(s, id, func(o *object) ([]byte, error) {
			if err := o.isA(kind); err != nil {
				return nil, err
			}
			return t.objectSign(s, o, what, m, data)
		})
	})
}

func (o *object) isA(kind hsm.ObjectKind) error {
	if o.kind != kind {
		return fmt.Errorf("object %s is of kind %s and not %s: %w", o.id, o.kind, kind, hsm.ErrUnsupported)
	}
	return nil
}

func (t *Token) objectSign(s *session, o *object, what string, m []*pkcs11.Mechanism, data []byte) ([]byte, error) {
	if err := t.calls.SignInit(s.handle, m, o.handle); err != nil {
		return nil, initError(what, err)
	}
	out, err := t.calls.Sign(s.handle, data)
	return out, t.objectError(s, &object{id: o.id, kind: o.kind, handle: o.handle}, hsm.CipherRequest{}, err, hsm.ErrUnsupported)
}

// signMechanism is how PKCS#11 calls a scheme, and what it signs.
func signMechanism(r hsm.SignRequest) ([]*pkcs11.Mechanism, []byte, error) {
	switch r.Scheme {
	case hsm.SchemePKCS1:
		data, err := digestInfo(r.Hash, r.Digest)
		return mechanism(pkcs11.CKM_RSA_PKCS, nil), data, err
	case hsm.SchemePSS:
		if r.SaltBytes < 0 || r.SaltBytes > 512 {
			return nil, nil, fmt.Errorf("PSS with a salt of %d bytes: %w", r.SaltBytes, hsm.ErrUnsupported)
		}
		h := hashMechanisms[r.Hash]
		return mechanism(pkcs11.CKM_RSA_PKCS_PSS, pkcs11.NewPSSParams(h.digest, h.mgf, uint(r.SaltBytes))), r.Digest, nil
	case hsm.SchemeECDSA:
		return mechanism(pkcs11.CKM_ECDSA, nil), r.Digest, nil
	}
	return nil, nil, fmt.Errorf("signature scheme %q: %w", r.Scheme, hsm.ErrUnsupported)
}

// hashOIDs name the hashes in a DigestInfo.
var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA224: {2, 16, 840, 1, 101, 3, 4, 2, 4},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// digestInfo is the DigestInfo of RFC 8017 §9.2, which PKCS#11 leaves to the
// caller.
func digestInfo(h crypto.Hash, digest []byte) ([]byte, error) {
	return asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}{pkix.AlgorithmIdentifier{Algorithm: hashOIDs[h], Parameters: asn1.NullRawValue}, digest})
}

// ecdsaDER makes the DER form of r and s, which PKCS#11 gives side by side.
func ecdsaDER(raw []byte) ([]byte, error) {
	n := len(raw) / 2
	if n == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("the token gave an ECDSA signature of %d bytes: %w", len(raw), hsm.ErrUnavailable)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:n]), new(big.Int).SetBytes(raw[n:])})
}
