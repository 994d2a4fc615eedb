package split

import (
	"crypto/subtle"
	"io"
)

// splitXOR makes random parts, and a last one that makes up for them.
func splitXOR(secret []byte, n int, rand io.Reader) ([]Part, error) {
	if n*len(secret) > maxProducts {
		return nil, ErrSize
	}
	last := append([]byte(nil), secret...)
	parts := make([]Part, n)
	for i := range parts[:n-1] {
		value := make([]byte, len(secret))
		if _, err := io.ReadFull(rand, value); err != nil {
			return nil, err
		}
		subtle.XORBytes(last, last, value)
		parts[i] = Part{i + 1, value}
	}
	parts[n-1] = Part{n, last}
	return parts, nil
}

func joinXOR(parts []Part, size int) ([]byte, error) {
	if size != len(parts[0].Value) {
		return nil, ErrSize
	}
	secret := make([]byte, size)
	for _, p := range parts {
		subtle.XORBytes(secret, secret, p.Value)
	}
	return secret, nil
}
