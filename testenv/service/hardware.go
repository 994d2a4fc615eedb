package service

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/soft"
)

// Hardware is a token that says that it is hardware and keeps resident objects,
// in the memory of a test.
type Hardware struct {
	*soft.Token

	mu      sync.Mutex
	objects map[string]*resident // by identifier; guarded by mu
	away    error                // of every use of objects; guarded by mu
	made    int                  // how many were ever made; guarded by mu
}

type resident struct {
	spec   hsm.ObjectSpec
	secret []byte
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
}

// Away makes every use of resident objects fail; nil brings the token back.
func (h *Hardware) Away(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = err
}

// Made is how many objects were ever made.
func (h *Hardware) Made() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.made
}

// Lose forgets an object, as a token does that was reset.
func (h *Hardware) Lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.objects)
}

// Info implements hsm.Token.
func (h *Hardware) Info(ctx context.Context) (hsm.Info, error) {
	i, err := h.Token.Info(ctx)
	i.Kind, i.Hardware = hsm.KindPKCS11, true
	return i, err
}

// Capabilities implements hsm.Token.
func (h *Hardware) Capabilities(ctx context.Context) (hsm.Capabilities, error) {
	c, err := h.Token.Capabilities(ctx)
	c.Objects = []hsm.ObjectKind{hsm.ObjectAES, hsm.ObjectHMAC, hsm.ObjectRSA, hsm.ObjectEC}
	return c, err
}

// GenerateObject implements hsm.ObjectToken.
func (h *Hardware) GenerateObject(_ context.Context, spec hsm.ObjectSpec) (hsm.Object, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away != nil {
		return hsm.Object{}, h.away
	}
	r := &resident{spec: spec}
	o := hsm.Object{ID: spec.ID, Kind: spec.Kind, Bits: spec.Bits}
	var err error
	switch spec.Kind {
	case hsm.ObjectAES, hsm.ObjectHMAC:
		if spec.Kind == hsm.ObjectAES && !slices.Contains([]int{128, 192, 256}, spec.Bits) {
			return o, fmt.Errorf("AES of %d bits: %w", spec.Bits, hsm.ErrUnsupported)
		}
		r.secret = make([]byte, spec.Bits/8)
		_, _ = rand.Read(r.secret)
	case hsm.ObjectRSA:
		if !slices.Contains([]int{2048, 3072, 4096}, spec.Bits) {
			return o, fmt.Errorf("RSA of %d bits: %w", spec.Bits, hsm.ErrUnsupported)
		}
		if r.rsa, err = rsa.GenerateKey(rand.Reader, spec.Bits); err == nil {
			o.Public, err = x509.MarshalPKIXPublicKey(&r.rsa.PublicKey)
		}
	case hsm.ObjectEC:
		curve := map[int]elliptic.Curve{256: elliptic.P256(), 384: elliptic.P384(), 521: elliptic.P521()}[spec.Bits]
		if curve == nil {
			return o, fmt.Errorf("EC of %d bits: %w", spec.Bits, hsm.ErrUnsupported)
		}
		if r.ec, err = ecdsa.GenerateKey(curve, rand.Reader); err == nil {
			o.Public, err = x509.MarshalPKIXPublicKey(&r.ec.PublicKey)
		}
	default:
		return o, fmt.Errorf("object of kind %s: %w", spec.Kind, hsm.ErrUnsupported)
	}
	if err != nil {
		return o, err
	}
	if h.objects == nil {
		h.objects = map[string]*resident{}
	}
	h.objects[spec.ID] = r
	h.made++
	return o, nil
}

// Objects implements hsm.ObjectToken.
func (h *Hardware) Objects(context.Context) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.objects)), h.away
}

// DestroyObject implements hsm.ObjectToken.
func (h *Hardware) DestroyObject(_ context.Context, id string) error {
	if _, err := h.object(id, true); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.objects, id)
	return nil
}

// object finds an object that may be used so.
func (h *Hardware) object(id string, allowed bool) (*resident, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.objects[id]
	switch {
	case h.away != nil:
		return nil, h.away
	case r == nil:
		return nil, fmt.Errorf("object %s: %w", id, hsm.ErrNotFound)
	case !allowed:
		return nil, fmt.Errorf("object %s may not be used so: %w", id, hsm.ErrUnsupported)
	}
	return r, nil
}

func (h *Hardware) may(id string, use func(hsm.ObjectSpec) bool) (*resident, error) {
	r, err := h.object(id, true)
	if err != nil {
		return nil, err
	}
	return h.object(id, use(r.spec))
}

// ObjectEncrypt implements hsm.ObjectToken.
func (h *Hardware) ObjectEncrypt(_ context.Context, id string, q hsm.CipherRequest) ([]byte, error) {
	r, err := h.may(id, func(s hsm.ObjectSpec) bool { return s.Encrypt && s.Kind == hsm.ObjectAES })
	if err != nil {
		return nil, err
	}
	return r.cipher(q, true)
}

// ObjectDecrypt implements hsm.ObjectToken.
func (h *Hardware) ObjectDecrypt(_ context.Context, id string, q hsm.CipherRequest) ([]byte, error) {
	r, err := h.may(id, func(s hsm.ObjectSpec) bool { return s.Decrypt })
	if err != nil {
		return nil, err
	}
	var out []byte
	switch q.Mode {
	case hsm.ModeOAEP:
		out, err = rsa.DecryptOAEP(q.Hash.New(), nil, r.rsa, q.Data, nil)
	case hsm.ModePKCS1:
		//lint:ignore SA1019 clients ask for it
		out, err = rsa.DecryptPKCS1v15(nil, r.rsa, q.Data) //nolint:staticcheck // clients ask for it
	default:
		return r.cipher(q, false)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", hsm.ErrIntegrity, err)
	}
	return out, nil
}

func (r *resident) cipher(q hsm.CipherRequest, encrypt bool) ([]byte, error) {
	block, err := aes.NewCipher(r.secret)
	if err != nil {
		return nil, err
	}
	switch q.Mode {
	case hsm.ModeGCM:
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		if encrypt {
			return aead.Seal(nil, q.IV, q.Data, q.AAD), nil
		}
		out, err := aead.Open(nil, q.IV, q.Data, q.AAD)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", hsm.ErrIntegrity, err)
		}
		return out, nil
	case hsm.ModeCTR:
		out := make([]byte, len(q.Data))
		cipher.NewCTR(block, q.IV).XORKeyStream(out, q.Data)
		return out, nil
	case hsm.ModeCBC, hsm.ModeCBCPad, hsm.ModeECB:
		return inBlocks(block, q, encrypt)
	}
	return nil, fmt.Errorf("mode %s: %w", q.Mode, hsm.ErrUnsupported)
}

// inBlocks encrypts or decrypts whole blocks, chained unless the mode is ECB.
func inBlocks(block cipher.Block, q hsm.CipherRequest, encrypt bool) ([]byte, error) {
	data := slices.Clone(q.Data)
	if pad := aes.BlockSize - len(data)%aes.BlockSize; encrypt && q.Mode == hsm.ModeCBCPad {
		data = append(data, bytes.Repeat([]byte{byte(pad)}, pad)...)
	}
	if len(data)%aes.BlockSize != 0 || !encrypt && len(data) == 0 {
		return nil, fmt.Errorf("no whole blocks: %w", hsm.ErrIntegrity)
	}
	switch {
	case q.Mode != hsm.ModeECB && encrypt:
		cipher.NewCBCEncrypter(block, q.IV).CryptBlocks(data, data)
	case q.Mode != hsm.ModeECB:
		cipher.NewCBCDecrypter(block, q.IV).CryptBlocks(data, data)
	default:
		for part := range slices.Chunk(data, aes.BlockSize) {
			if encrypt {
				block.Encrypt(part, part)
			} else {
				block.Decrypt(part, part)
			}
		}
	}
	if encrypt || q.Mode != hsm.ModeCBCPad {
		return data, nil
	}
	pad := int(data[len(data)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.HasSuffix(data, bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, fmt.Errorf("padding: %w", hsm.ErrIntegrity)
	}
	return data[:len(data)-pad], nil
}

// ObjectSign implements hsm.ObjectToken.
func (h *Hardware) ObjectSign(_ context.Context, id string, q hsm.SignRequest) ([]byte, error) {
	r, err := h.may(id, func(s hsm.ObjectSpec) bool { return s.Sign })
	if err != nil {
		return nil, err
	}
	switch {
	case q.Scheme == hsm.SchemePKCS1 && r.rsa != nil:
		return rsa.SignPKCS1v15(nil, r.rsa, q.Hash, q.Digest)
	case q.Scheme == hsm.SchemePSS && r.rsa != nil:
		return rsa.SignPSS(rand.Reader, r.rsa, q.Hash, q.Digest, &rsa.PSSOptions{SaltLength: q.SaltBytes})
	case q.Scheme == hsm.SchemeECDSA && r.ec != nil:
		return ecdsa.SignASN1(rand.Reader, r.ec, q.Digest)
	}
	return nil, fmt.Errorf("scheme %s: %w", q.Scheme, hsm.ErrUnsupported)
}

// ObjectMAC implements hsm.ObjectToken.
func (h *Hardware) ObjectMAC(_ context.Context, id string, q hsm.MACRequest) ([]byte, error) {
	r, err := h.may(id, func(s hsm.ObjectSpec) bool { return s.Sign })
	if err != nil {
		return nil, err
	}
	switch {
	case r.spec.Kind == hsm.ObjectHMAC && q.Hash != crypto.Hash(0):
		m := hmac.New(q.Hash.New, r.secret)
		m.Write(q.Data)
		return m.Sum(nil), nil
	case r.spec.Kind == hsm.ObjectAES && q.Hash == 0:
		return cmac(r.secret, q.Data)
	}
	return nil, fmt.Errorf("MAC of a key of kind %s: %w", r.spec.Kind, hsm.ErrUnsupported)
}

// cmac is AES-CMAC (RFC 4493).
func cmac(key, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	double := func(b []byte) []byte {
		out := make([]byte, len(b))
		for i := range b {
			out[i] = b[i] << 1
			if i+1 < len(b) {
				out[i] |= b[i+1] >> 7
			}
		}
		out[len(b)-1] ^= 0x87 * (b[0] >> 7)
		return out
	}
	zero := make([]byte, aes.BlockSize)
	block.Encrypt(zero, zero)
	last := double(zero)
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		last = double(last)
		data = append(slices.Clone(data), 0x80)
		data = append(data, make([]byte, (aes.BlockSize-len(data)%aes.BlockSize)%aes.BlockSize)...)
	}
	x := make([]byte, aes.BlockSize)
	for i := 0; i < len(data); i += aes.BlockSize {
		for j := range x {
			x[j] ^= data[i+j]
			if i+aes.BlockSize == len(data) {
				x[j] ^= last[j]
			}
		}
		block.Encrypt(x, x)
	}
	return x, nil
}
