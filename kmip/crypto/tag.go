package crypto

import "github.com/claviger/claviger/kmip"

// Authenticated reports whether algorithm and parameters make an authentication
// tag.
func Authenticated(alg kmip.CryptographicAlgorithm, p kmip.CryptographicParameters) bool {
	switch p.BlockCipherMode {
	case kmip.BlockCipherModeGCM, kmip.BlockCipherModeCCM, kmip.BlockCipherModeAEAD:
		return true
	}
	return alg == kmip.CryptographicAlgorithmChaCha20Poly1305
}

// SplitTag separates a tag from the ciphertext that it follows, as it does
// where a message has no field for it (KMIP 1.2 and 1.3). Returns
// KindTagLength for an impossible Tag Length, KindCryptographicFailure if
// there is not even a tag.
func SplitTag(data []byte, p kmip.CryptographicParameters) (ciphertext, tag []byte, err error) {
	n, err := tagLength(&p)
	if err != nil {
		return nil, nil, err
	}
	if n > len(data) {
		return nil, nil, errDecrypt()
	}
	return data[:len(data)-n], data[len(data)-n:], nil
}
