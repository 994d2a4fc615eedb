package crypto

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
)

const (
	awsPrefix     = "AWS4"
	awsTerminator = "aws4_request"
)

// deriveAWS makes the signing key of AWS Signature Version 4: four times
// HMAC-SHA-256, of Date, Region, Service (KMIP 2.1 §7.12) and a constant. The
// base key is the secret access key.
func deriveAWS(r *DeriveRequest, _ int) ([]byte, error) {
	fields := r.Repeated
	if fields == nil {
		fields = bytes.Split(bytes.TrimSuffix(r.Data, []byte("/"+awsTerminator)), []byte("/"))
	}
	if len(fields) != 3 || len(fields[0]) == 0 || len(fields[1]) == 0 || len(fields[2]) == 0 {
		return nil, errNeeds("Date, Region and Service as Derivation Data")
	}
	key := append([]byte(awsPrefix), r.Key.Reveal()...)
	for _, f := range append(fields[:3:3], []byte(awsTerminator)) {
		m := hmac.New(sha256.New, key)
		_, _ = m.Write(f) // never fails
		clear(key)
		key = m.Sum(nil)
	}
	return key, nil
}
