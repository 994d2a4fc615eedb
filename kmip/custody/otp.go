package custody

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" //nolint:gosec // RFC 4226 is HMAC-SHA-1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/claviger/claviger/kmip"
)

// Windows within which a one-time password is accepted: codes that a client made
// and did not send, and clocks that differ.
const (
	hotpAhead = 10
	totpSteps = 1
)

// otp is a generator of one-time passwords: HOTP (RFC 4226) or TOTP (RFC 6238).
type otp struct {
	timed  bool
	seed   []byte
	hash   crypto.Hash
	digits int
	period time.Duration
}

var otpHashes = map[kmip.HashingAlgorithm]crypto.Hash{
	0: crypto.SHA1, kmip.HashingAlgorithmSHA1: crypto.SHA1, kmip.HashingAlgorithmSHA256: crypto.SHA256, kmip.HashingAlgorithmSHA512: crypto.SHA512,
}

// otpOf reads an OTP Credential (KMIP 3.0).
func otpOf(value kmip.Item) (otp, error) {
	o := otp{digits: 6, period: 30 * time.Second, hash: crypto.SHA1}
	for _, f := range value.Items {
		switch f.Tag {
		case kmip.TagOTPAlgorithm:
			switch kmip.OTPAlgorithm(f.Uint32()) {
			case kmip.OTPAlgorithmHOTP:
			case kmip.OTPAlgorithmTOTP:
				o.timed = true
			default:
				return o, kmip.Fail(kmip.KindInvalidField, "OTP Algorithm %s is not supported", kmip.OTPAlgorithm(f.Uint32()))
			}
		case kmip.TagOTPDigest:
			h, ok := otpHashes[kmip.HashingAlgorithm(f.Uint32())]
			if !ok {
				return o, kmip.Fail(kmip.KindInvalidField, "OTP Digest %s is not supported", kmip.HashingAlgorithm(f.Uint32()))
			}
			o.hash = h
		case kmip.TagOTPSeed:
			o.seed = f.Bytes
		case kmip.TagOTPInterval:
			o.period = time.Duration(f.Int) * time.Second
		case kmip.TagOTPDigits:
			o.digits = int(f.Int)
		}
	}
	switch {
	case len(o.seed) < 16 || len(o.seed) > 1024:
		return o, kmip.Fail(kmip.KindInvalidField, "an OTP Seed has 16 to 1024 bytes")
	case o.digits < 6 || o.digits > 8:
		return o, kmip.Fail(kmip.KindInvalidField, "one-time passwords have 6 to 8 digits")
	case o.period < time.Second || o.period > time.Hour:
		return o, kmip.Fail(kmip.KindInvalidField, "an OTP Interval is 1 to 3600 seconds")
	}
	return o, nil
}

// code is the one-time password of a counter (RFC 4226 §5.3).
func (o otp) code(counter int64) string {
	mac := hmac.New(o.hash.New, o.seed)
	_ = binary.Write(mac, binary.BigEndian, counter) // a hash never fails
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	truncated := binary.BigEndian.Uint32(sum[at:]) & math.MaxInt32
	return fmt.Sprintf("%0*d", o.digits, truncated%uint32(math.Pow10(o.digits)))
}

// verify tells whether a code is right, and the counter that is the next that
// may be used: no code is accepted twice.
func (o otp) verify(code string, next int64, now time.Time) (after int64, ok bool) {
	from, to := next, next+hotpAhead
	if o.timed {
		step := now.Unix() / int64(o.period/time.Second)
		from, to = max(next, step-totpSteps), step+totpSteps
	}
	after = next
	for c := from; c <= to; c++ { // all of them, so that time tells nothing
		if subtle.ConstantTimeCompare([]byte(o.code(c)), []byte(code)) == 1 && !ok {
			after, ok = c+1, true
		}
	}
	return after, ok
}
