package custody

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// approvalPrefix keeps a signature under an approval from being one under anything
// else.
const approvalPrefix = "claviger approval 1\x00"

// minRSABits is the shortest RSA key that approves.
const minRSABits = 2048

// ErrApprovalSignature: the signature is none by this certificate under this
// request and comment.
var ErrApprovalSignature = errors.New("the signature does not belong to the request, the comment and the certificate")

// approvalDigest is what is signed: SHA-256 over prefix, length of the canonical
// form of the subject (8 bytes, high one first), canonical form, comment.
func approvalDigest(canonical []byte, comment string) [sha256.Size]byte {
	h := sha256.New()
	_, _ = io.WriteString(h, approvalPrefix)
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(canonical))))
	_, _ = h.Write(canonical)
	_, _ = io.WriteString(h, comment)
	return [sha256.Size]byte(h.Sum(nil))
}

// SignApproval signs the canonical form of a subject and a comment: by ECDSA (ASN.1),
// RSA-PSS (salt as long as the digest) or Ed25519, over SHA-256. It returns an error
// for keys of other kinds.
func SignApproval(key crypto.Signer, canonical []byte, comment string) ([]byte, error) {
	digest := approvalDigest(canonical, comment)
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	case *rsa.PublicKey:
		return key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case ed25519.PublicKey:
		return key.Sign(rand.Reader, digest[:], crypto.Hash(0))
	}
	return nil, fmt.Errorf("a key of type %T cannot sign approvals; ECDSA, RSA and Ed25519 can", key.Public())
}

// VerifyApproval reports, by ErrApprovalSignature, a signature that is not by the
// certificate under the canonical form of a subject and a comment. It does not look
// at the validity of the certificate.
func VerifyApproval(cert *x509.Certificate, canonical []byte, comment string, signature []byte) error {
	digest := approvalDigest(canonical, comment)
	good := false
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(key, digest[:], signature)
	case *rsa.PublicKey:
		good = key.N.BitLen() >= minRSABits &&
			rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case ed25519.PublicKey:
		good = ed25519.Verify(key, digest[:], signature)
	}
	if !good {
		return ErrApprovalSignature
	}
	return nil
}

// signsApprovals reports whether approvals by a key can be verified.
func signsApprovals(key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	}
	return false
}

// verify checks the signature of an approval and returns its certificate.
func (a Approval) verify(canonical []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return nil, err
	}
	return cert, VerifyApproval(cert, canonical, a.Comment, a.Signature)
}
