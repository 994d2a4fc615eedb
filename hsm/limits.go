package hsm

import "fmt"

// CheckPlaintext returns ErrUnsupported unless Encrypt takes n bytes. Backends
// call it so that they agree.
func CheckPlaintext(n int) error {
	if n < 1 || n > MaxPlaintextBytes {
		return fmt.Errorf("plaintext of %d bytes, 1 to %d are taken: %w", n, MaxPlaintextBytes, ErrUnsupported)
	}
	return nil
}

// CheckCiphertext returns ErrIntegrity unless n bytes can be what Encrypt made.
func CheckCiphertext(n int) error {
	if n <= OverheadBytes || n > MaxPlaintextBytes+MaxOverheadBytes {
		return fmt.Errorf("ciphertext of %d bytes: %w", n, ErrIntegrity)
	}
	return nil
}

// CheckRandom returns ErrUnsupported unless Random gives n bytes in one call.
func CheckRandom(n int) error {
	if n < 1 || n > MaxRandomBytes {
		return fmt.Errorf("%d random bytes, 1 to %d are given: %w", n, MaxRandomBytes, ErrUnsupported)
	}
	return nil
}
