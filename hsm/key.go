package hsm

import (
	"fmt"
	"strings"
)

// Purpose is what a root key is for. A key has one purpose only: a key that
// both wraps and decrypts would hand out, as plaintext, what it wrapped.
type Purpose string

// The purposes of root keys.
const (
	// PurposeSeal keys encrypt and decrypt, by AES-256-GCM where the token has it.
	PurposeSeal Purpose = "seal"
	// PurposeWrap keys wrap and unwrap keys that stay in the token.
	PurposeWrap Purpose = "wrap"
	// AnyPurpose selects all keys in Token.Keys.
	AnyPurpose Purpose = ""
)

// RootKeyBits is the only size of root keys, in bits.
const RootKeyBits = 256

// KeySpec says what root key to make.
type KeySpec struct {
	Purpose Purpose
	Bits    int // 0 means RootKeyBits
}

// Check returns ErrUnsupported unless the specification is one that Claviger
// uses.
func (s KeySpec) Check() error {
	if s.Purpose != PurposeSeal && s.Purpose != PurposeWrap {
		return fmt.Errorf("root key for purpose %q: %w", s.Purpose, ErrUnsupported)
	}
	if s.Bits != 0 && s.Bits != RootKeyBits {
		return fmt.Errorf("root key of %d bits, only %d are used: %w", s.Bits, RootKeyBits, ErrUnsupported)
	}
	return nil
}

// Key is a root key as its token describes it. The attributes have the
// meaning of PKCS#11: for a software token they say what the token's interface
// allows, not what the owner of its file can do.
type Key struct {
	ID      string // lower-case hexadecimal
	Purpose Purpose
	Bits    int

	Sensitive        bool // the value cannot be read in plain
	Extractable      bool // the value can be wrapped and taken out
	AlwaysSensitive  bool
	NeverExtractable bool

	Encrypt, Decrypt bool
	Wrap, Unwrap     bool
	// Other names further uses that the key allows (sign, verify, derive).
	Other []string
}

// Fit returns ErrExtractable, with everything that is wrong, unless the key
// may be a root key: AES-256, sensitive and not extractable now and always,
// and with exactly the uses of its purpose.
func (k Key) Fit() error {
	var wrong []string
	note := func(bad bool, what string) {
		if bad {
			wrong = append(wrong, what)
		}
	}
	note(k.Bits != RootKeyBits, fmt.Sprintf("it has %d bits and not %d", k.Bits, RootKeyBits))
	note(k.Extractable, "it is extractable")
	note(!k.NeverExtractable && !k.Extractable, "it was extractable once or made outside of the token")
	note(!k.Sensitive, "it is not sensitive")
	note(!k.AlwaysSensitive && k.Sensitive, "it was not sensitive once")
	note(len(k.Other) > 0, "it also allows "+strings.Join(k.Other, ", "))
	switch k.Purpose {
	case PurposeSeal:
		note(!k.Encrypt || !k.Decrypt, "it does not allow encrypt and decrypt")
		note(k.Wrap || k.Unwrap, "it allows wrap or unwrap besides encrypt and decrypt")
	case PurposeWrap:
		note(!k.Wrap || !k.Unwrap, "it does not allow wrap and unwrap")
		note(k.Encrypt || k.Decrypt, "it allows encrypt or decrypt besides wrap and unwrap")
	default:
		note(true, fmt.Sprintf("its purpose %q is not known", k.Purpose))
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("root key %s: %s: %w", k.ID, strings.Join(wrong, "; "), ErrExtractable)
}
