package crypto

import (
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
)

// "abc", from RFC 1321, FIPS 180-4 and FIPS 202.
func TestDigest(t *testing.T) {
	for algorithm, want := range map[kmip.HashingAlgorithm]string{
		kmip.HashingAlgorithmMD5:     "900150983cd24fb0d6963f7d28e17f72",
		kmip.HashingAlgorithmSHA1:    "a9993e364706816aba3e25717850c26c9cd0d89d",
		kmip.HashingAlgorithmSHA224:  "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
		kmip.HashingAlgorithmSHA256:  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		kmip.HashingAlgorithmSHA3256: "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
	} {
		got, err := Digest(algorithm, []byte("abc"))
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%v: %x, %v; want %s", algorithm, got, err, want)
		}
	}
	for algorithm, hash := range hashes {
		if got, err := Digest(algorithm, nil); err != nil || len(got) != hash.Size() {
			t.Errorf("%v: %d bytes, %v", algorithm, len(got), err)
		}
	}
	if _, err := Digest(kmip.HashingAlgorithmWhirlpool, nil); kmip.KindOf(err) != kmip.KindParametersUnsupported {
		t.Errorf("Whirlpool: %v", err)
	}
}
