package crypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"hash"

	"github.com/claviger/claviger/kmip"
)

// SignStream begins a signature (KMIP 2.1 §6.1.55). RSA and ECDSA hash the parts;
// what signs the message itself, such as Ed25519, holds them up to
// MaxStreamBytes.
//
// Returns the kinds that Sign returns; KindInvalidField for Digested Data, which
// has no parts.
func SignStream(r SignatureRequest) (Stream, error) {
	key, err := ParsePrivate(r.Format, r.Algorithm, r.Key.Reveal(), r.Transparent)
	if err != nil {
		return nil, err
	}
	return signatureStream(r, key, func(r SignatureRequest, _ []byte) (StreamResult, error) {
		signature, err := Sign(r)
		return StreamResult{Code: signature}, err
	})
}

// VerifyStream begins the verification of a signature (KMIP 2.1 §6.1.56), which
// Finish is given. Errors are those of SignStream.
func VerifyStream(r SignatureRequest) (Stream, error) {
	key, err := verificationKey(&r)
	if err != nil {
		return nil, err
	}
	return signatureStream(r, key, func(r SignatureRequest, signature []byte) (StreamResult, error) {
		valid, err := VerifySignature(r, signature)
		return StreamResult{Valid: valid}, err
	})
}

func signatureStream(r SignatureRequest, key any, compute func(r SignatureRequest, expected []byte) (StreamResult, error)) (Stream, error) {
	if r.Digested != nil {
		return nil, kmip.Fail(kmip.KindInvalidField, "Digested Data has no parts")
	}
	r.Data = nil
	r.Parameters.PSource = bytes.Clone(r.Parameters.PSource)
	var h hash.Hash
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey, *ecdsa.PrivateKey, *ecdsa.PublicKey:
		s, err := schemeOf(&r.Parameters, key)
		if err != nil {
			return nil, err
		}
		h = s.hash.New()
		// Verifying nothing tells whether key and parameters can be used.
		r.Digested = make([]byte, s.hash.Size())
		if _, err := VerifySignature(r, nil); err != nil {
			return nil, err
		}
		r.Digested = nil
	}
	r.Key, r.Transparent = cloneKey(r.Key, r.Transparent)
	wipe := wipeKey(r.Key, r.Transparent)
	if h == nil {
		return &stream{parts: &whole{wipe: wipe, compute: func(data, expected []byte) (StreamResult, error) {
			r.Data = data
			return compute(r, expected)
		}}}, nil
	}
	return &stream{parts: &hashed{hash: h, wipe: wipe, compute: func(digest, expected []byte) (StreamResult, error) {
		r.Digested = digest
		return compute(r, expected)
	}}}, nil
}

// hashed is a signature of a digest.
type hashed struct {
	hash    hash.Hash
	compute func(digest, expected []byte) (StreamResult, error)
	wipe    func()
}

func (h *hashed) update(data []byte) ([]byte, error) {
	_, _ = h.hash.Write(data) // never fails
	return nil, nil
}

func (h *hashed) finish(data, expected []byte) (StreamResult, error) {
	_, _ = h.hash.Write(data) // never fails
	return h.compute(h.hash.Sum(nil), expected)
}

func (h *hashed) destroy() {
	h.hash.Reset()
	h.wipe()
}
