package crypto

import (
	"crypto/subtle"
	"io"

	"github.com/claviger/claviger/kmip"
)

func checkPadding(m kmip.PaddingMethod) error {
	switch m {
	case 0, kmip.PaddingMethodNone, kmip.PaddingMethodPKCS5, kmip.PaddingMethodZeros, kmip.PaddingMethodSSL3, kmip.PaddingMethodANSIX923, kmip.PaddingMethodISO10126:
		return nil
	default: // OAEP, PKCS #1 v1.5, PSS and X9.31 are of RSA
		return kmip.Fail(kmip.KindParametersUnsupported, "Padding Method %v is not supported for a block cipher", m)
	}
}

// checkNoPadding refuses a padding where the cipher is a key stream.
func checkNoPadding(r *CipherRequest) error {
	if m := r.Parameters.PaddingMethod; m != 0 && m != kmip.PaddingMethodNone {
		return kmip.Fail(kmip.KindParametersUnsupported, "Padding Method %v does not go with a key stream", m)
	}
	return nil
}

// removable tells whether the last byte of data says what its padding is.
func removable(m kmip.PaddingMethod) bool {
	switch m {
	case kmip.PaddingMethodPKCS5, kmip.PaddingMethodSSL3, kmip.PaddingMethodANSIX923, kmip.PaddingMethodISO10126:
		return true
	default:
		return false
	}
}

// pad returns a copy of data, padded to whole blocks of size bytes. PKCS5, ANSI
// X9.23 and ISO 10126 always add something and end in the number of bytes that
// they added, SSL3 (RFC 6101 §5.2.3.2) in that number without the last byte;
// Zeros adds as few zeros as possible (KMIP 2.1 §11.37 names the methods and does
// not define them).
func pad(m kmip.PaddingMethod, data []byte, size int, rand io.Reader) ([]byte, error) {
	missing := size - len(data)%size
	if m == kmip.PaddingMethodZeros {
		missing %= size
	}
	if m == 0 || m == kmip.PaddingMethodNone {
		missing = 0
	}
	out := make([]byte, len(data)+missing)
	filler := out[copy(out, data):]
	switch m {
	case kmip.PaddingMethodPKCS5:
		for i := range filler {
			filler[i] = byte(missing)
		}
	case kmip.PaddingMethodISO10126:
		if _, err := io.ReadFull(rand, filler); err != nil {
			clear(out)
			return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "no random padding")
		}
		filler[missing-1] = byte(missing)
	case kmip.PaddingMethodANSIX923:
		filler[missing-1] = byte(missing)
	case kmip.PaddingMethodSSL3:
		filler[missing-1] = byte(missing - 1) //nolint:gosec // less than a block
	}
	return out, nil
}

// unpad removes the padding of decrypted data, in a time that depends on
// nothing but the size of a block. Zeros stay: nothing says which are padding.
func unpad(m kmip.PaddingMethod, data []byte, size int) ([]byte, error) {
	if !removable(m) {
		return data, nil
	}
	if len(data) == 0 {
		return nil, errDecrypt()
	}
	last := data[len(data)-size:]
	n := int(last[size-1])
	if m == kmip.PaddingMethodSSL3 {
		n++
	}
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, size)
	want := 0 // what the bytes of the padding are, but for the last
	if m == kmip.PaddingMethodPKCS5 {
		want = n
	}
	anything := m == kmip.PaddingMethodISO10126 || m == kmip.PaddingMethodSSL3
	for i := range size - 1 {
		inside := subtle.ConstantTimeLessOrEq(size, i+n)
		right := subtle.ConstantTimeByteEq(last[i], byte(want))
		if !anything {
			good &= right | (inside ^ 1)
		}
	}
	if good != 1 {
		clear(data)
		return nil, errDecrypt()
	}
	return data[:len(data)-n], nil
}
