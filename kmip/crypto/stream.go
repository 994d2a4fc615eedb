package crypto

import (
	"bytes"
	"crypto/subtle"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

// Stream is an operation whose data comes in several parts (KMIP 2.1 §6.1.17 and
// others: Init Indicator, Final Indicator, Correlation Value). What it gives
// out, put together, is what the operation in one part gives, wherever the data
// is divided. It keeps nothing of the memory of its request; keys that a library
// has expanded are beyond Destroy and are dropped.
//
// A stream is over after Finish, Destroy or an error: then it holds nothing, and
// takes nothing. It is not safe for concurrent use.
type Stream interface {
	// Update takes the next part and returns what can be given out already
	// (may be empty).
	//
	// A decryption with a tag gives out data that is not authenticated yet: only
	// Finish tells.
	Update(data []byte) ([]byte, error)
	// Finish takes the last part, and for a verification what is expected
	// (signature or MAC).
	Finish(data, expected []byte) (StreamResult, error)
	// Destroy overwrites what the stream holds. Safe to call twice.
	Destroy()
}

// StreamResult is what Finish gives.
type StreamResult struct {
	Data  []byte // last output of a cipher
	Tag   []byte // Authenticated Encryption Tag, of an encryption
	Code  []byte // signature, MAC or digest
	Valid bool   // of a verification
}

// MaxStreamBytes is what one stream may hold: data that has to be together
// before it can be used. Only CCM, AES key wrap, RSA and signatures of the
// message itself need that; the others hold a few kilobytes of state.
const MaxStreamBytes = 64 << 10

// EncryptStream begins an encryption. Data of the request is not used. The IV is
// returned if it was made here.
//
// Returns the kinds that Encrypt returns, for RSA in Finish; KindTooMany, then or
// later, for more than MaxStreamBytes where the algorithm cannot take data in
// parts.
func EncryptStream(r CipherRequest) (s Stream, iv []byte, err error) { return cipherStream(r, true) }

// DecryptStream begins a decryption; the tag of an authenticated one is given
// here (KMIP 2.1 §6.1.11). Errors are those of Decrypt and of EncryptStream.
func DecryptStream(r CipherRequest) (Stream, error) {
	s, _, err := cipherStream(r, false)
	return s, err
}

func cipherStream(r CipherRequest, encrypt bool) (Stream, []byte, error) {
	r.Data = nil
	r.IV, r.AAD, r.Tag = bytes.Clone(r.IV), bytes.Clone(r.AAD), bytes.Clone(r.Tag)
	r.Parameters.PSource = bytes.Clone(r.Parameters.PSource)
	var key *secret.Bytes
	if r.Algorithm == kmip.CryptographicAlgorithmRSA { // it is parsed when it is used
		key, r.Transparent = cloneKey(r.Key, r.Transparent)
		r.Key = key
	}
	c, iv, err := newCipher(&r, encrypt, true)
	if err != nil {
		key.Destroy()
		return nil, nil, err
	}
	if w, ok := c.(*whole); ok {
		if key != nil {
			w.wipe = wipeKey(key, r.Transparent)
		}
		if w.extra > MaxStreamBytes {
			c.destroy()
			return nil, nil, errStreamBytes()
		}
	}
	return &stream{parts: c}, bytes.Clone(iv), nil
}

// MACStream begins a MAC, or the verification of one: Finish gives the code, or
// with an expected one that is not nil whether that is it.
//
// Returns the kinds that MAC returns.
func MACStream(r CipherRequest) (Stream, error) {
	m, err := newMAC(&r)
	if err != nil {
		return nil, err
	}
	return &stream{parts: &macParts{m}}, nil
}

// HashStream begins a digest (KMIP 2.1 §6.1.24). Returns
// KindParametersUnsupported for a Hashing Algorithm that is not there.
func HashStream(a kmip.HashingAlgorithm) (Stream, error) {
	h, err := hashOf(a)
	if err != nil {
		return nil, err
	}
	return &stream{parts: &macParts{hashMAC{h.New()}}}, nil
}

// macParts gives nothing out before the end.
type macParts struct{ mac }

func (m *macParts) update(data []byte) ([]byte, error) {
	m.write(data)
	return nil, nil
}

func (m *macParts) finish(data, expected []byte) (StreamResult, error) {
	m.write(data)
	code, err := m.sum()
	if err != nil {
		return StreamResult{}, err
	}
	if expected != nil {
		return StreamResult{Valid: subtle.ConstantTimeCompare(code, expected) == 1}, nil
	}
	return StreamResult{Code: bytes.Clone(code)}, nil
}

// stream sees that a computation is over once.
type stream struct{ parts parts } // nil when it is over

func (s *stream) Update(data []byte) ([]byte, error) {
	if s.parts == nil {
		return nil, errStreamOver()
	}
	out, err := s.parts.update(data)
	if err != nil {
		s.Destroy()
		return nil, err
	}
	return out, nil
}

func (s *stream) Finish(data, expected []byte) (StreamResult, error) {
	if s.parts == nil {
		return StreamResult{}, errStreamOver()
	}
	defer s.Destroy()
	out, err := s.parts.finish(data, expected)
	if err != nil {
		return StreamResult{}, err
	}
	return out, nil
}

func (s *stream) Destroy() {
	if s.parts != nil {
		s.parts.destroy()
		s.parts = nil
	}
}

func errStreamOver() error {
	return kmip.Fail(kmip.KindInvalidField, "the operation in several parts is over")
}

// cloneKey copies the material of a key.
func cloneKey(key *secret.Bytes, transparent *kmip.Item) (*secret.Bytes, *kmip.Item) {
	if transparent != nil {
		own := transparent.Clone()
		transparent = &own
	}
	return key.Clone(), transparent
}

// wipeKey overwrites what cloneKey made.
func wipeKey(key *secret.Bytes, transparent *kmip.Item) func() {
	return func() {
		key.Destroy()
		if transparent != nil {
			wipeItem(transparent)
		}
	}
}

func wipeItem(i *kmip.Item) {
	clear(i.Bytes)
	for n := range i.Items {
		wipeItem(&i.Items[n])
	}
}
