package crypto

import (
	"crypto/cipher"
	"io"

	"github.com/claviger/claviger/kmip"
)

func errMissingIV() error {
	return kmip.Fail(kmip.KindMissingIV, "an IV/Counter/Nonce is needed")
}

func errIVLength() error {
	return kmip.Fail(kmip.KindInvalidField, "the IV/Counter/Nonce does not have a length that the mode takes")
}

const (
	gcmIVBytes    = 12  // what GCM is made for (SP 800-38D §5.2.1.1)
	gcmMaxIVBytes = 128 // of those that are made here
)

// needIV makes the IV that a block cipher mode needs and the request does not
// have; into the request and, if it was made, as the result.
func needIV(r *CipherRequest, block cipher.Block, encrypt bool) ([]byte, error) {
	p := &r.Parameters
	switch p.BlockCipherMode {
	case kmip.BlockCipherModeECB, kmip.BlockCipherModeNISTKeyWrap, kmip.BlockCipherModeAESKeyWrapPadding:
		return nil, nil
	}
	if err := checkFields(p, 8*block.BlockSize(), 8*len(r.IV)); err != nil {
		return nil, err
	}
	if len(r.IV) > 0 {
		return nil, nil
	}
	if !encrypt {
		return nil, errMissingIV()
	}
	made, err := makeIV(r, block)
	r.IV = made
	return made, err
}

// makeIV makes a random IV. For GCM it has 96 bits or more, so that random ones
// do not meet too soon (SP 800-38D §8.2.2); for CTR the bytes of the counter are
// left out or zero.
func makeIV(r *CipherRequest, block cipher.Block) ([]byte, error) {
	p := &r.Parameters
	n, least, most := block.BlockSize(), block.BlockSize(), block.BlockSize()
	counter := 0
	switch p.BlockCipherMode {
	case kmip.BlockCipherModeGCM:
		n, least, most = gcmIVBytes, gcmIVBytes, gcmMaxIVBytes
	case kmip.BlockCipherModeCCM:
		n, least, most = ccmNonceBytes, ccmLeastNonceBytes, ccmMostNonceBytes
	case kmip.BlockCipherModeCTR:
		counter = counterBytes(p)
		if counter == n {
			counter = 0 // all of the block counts, from a random start
		}
		if p.InitialCounterValue != nil {
			if counter == 0 {
				return nil, kmip.Fail(kmip.KindParametersUnsupported, "with this Counter Length, Initial Counter Value leaves no room for an IV")
			}
			n, counter = n-counter, 0
			least, most = n, n
		}
	}
	iv, err := randomIV(r, n, least, most)
	if err == nil {
		clear(iv[len(iv)-counter:])
	}
	return iv, err
}

// randomIV makes an IV of n bytes, or what IV Length says if that is between
// least and most.
func randomIV(r *CipherRequest, n, least, most int) ([]byte, error) {
	p := &r.Parameters
	if p.RandomIV != nil && !*p.RandomIV {
		return nil, errMissingIV()
	}
	if p.IVLength != nil {
		if *p.IVLength%8 != 0 || int(*p.IVLength) < 8*least || int(*p.IVLength) > 8*most {
			return nil, kmip.Fail(kmip.KindParametersUnsupported, "IV Length is not supported with these parameters")
		}
		n = int(*p.IVLength / 8)
	}
	iv := make([]byte, n)
	if _, err := io.ReadFull(r.rand(), iv); err != nil {
		return nil, kmip.FailFrom(err, kmip.KindCryptographicFailure, "no random IV")
	}
	return iv, nil
}

// defaultCounterBytes is the width of the counter that Initial Counter Value
// starts (RFC 3686 §4) when Counter Length does not say.
const defaultCounterBytes = 4

// counterBytes is the width of the counter of CTR mode; 0 if nothing limits it.
func counterBytes(p *kmip.CryptographicParameters) int {
	switch {
	case p.CounterLength != nil && *p.CounterLength > 0:
		return int(*p.CounterLength / 8)
	case p.InitialCounterValue != nil:
		return defaultCounterBytes
	default:
		return 0
	}
}

// checkFields checks how an IV is constructed (KMIP 2.1 §4.16, SP 800-38D
// §8.2): Fixed Field Length and Invocation Field Length describe an IV that the
// client made, and cannot be fulfilled here, where nothing is kept from one
// invocation to the next (§6.1.17). Counter Length is the width of the counter in
// CTR mode; elsewhere the mode says it. ivBits is 0 for an IV that is not given.
func checkFields(p *kmip.CryptographicParameters, blockBits, ivBits int) error {
	of := func(v *int32) int {
		if v == nil {
			return 0
		}
		return int(*v)
	}
	fixed, invocation, counter := of(p.FixedFieldLength), of(p.InvocationFieldLength), of(p.CounterLength)
	if fixed == 0 && invocation == 0 && counter == 0 {
		return nil
	}
	if fixed < 0 || invocation < 0 || counter < 0 {
		return kmip.Fail(kmip.KindInvalidField, "the length of a field of the IV is negative")
	}
	room := ivBits
	switch p.BlockCipherMode {
	case kmip.BlockCipherModeCTR:
		if counter%8 != 0 || counter > blockBits {
			return kmip.Fail(kmip.KindParametersUnsupported, "Counter Length is whole bytes, and at most a block")
		}
		if room == blockBits { // the counter is a part of what was given
			room -= counter
		}
	case kmip.BlockCipherModeGCM:
		if counter != 0 && counter != 32 {
			return kmip.Fail(kmip.KindParametersUnsupported, "the counter of GCM has 32 bits")
		}
	case kmip.BlockCipherModeCCM:
		if counter != 0 && ivBits != 0 && counter != blockBits-8-ivBits {
			return kmip.Fail(kmip.KindParametersUnsupported, "the counter of CCM has what the nonce leaves of 120 bits")
		}
	case 0, kmip.BlockCipherModeAEAD: // ChaCha20: RFC 8439 §2.3, and the original
		if counter != 0 && ivBits != 0 && counter != 128-ivBits {
			return kmip.Fail(kmip.KindParametersUnsupported, "the counter of ChaCha20 has what the nonce leaves of 128 bits")
		}
	default:
		return kmip.Fail(kmip.KindParametersUnsupported, "the IV of this mode does not consist of fields")
	}
	switch {
	case fixed == 0 && invocation == 0:
		return nil
	case ivBits == 0:
		return kmip.Fail(kmip.KindParametersUnsupported, "an IV that is made here is random and has no Fixed Field and no Invocation Field")
	case fixed > room || invocation > room-fixed:
		return kmip.Fail(kmip.KindInvalidField, "the fields of the IV are longer than the IV")
	}
	return nil
}
