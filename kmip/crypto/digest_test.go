package crypto

import (
	"encoding/hex"
	"testing"

	"github.com/claviger/claviger/kmip"
)

// "abc", from RFC 1320, RFC 1321, the RIPEMD-160 page, FIPS 180-4 and FIPS 202.
func TestDigest(t *testing.T) {
	for algorithm, want := range map[kmip.HashingAlgorithm]string{
		kmip.HashingAlgorithmMD4:       "a448017aaf21d8525fc10ae87aa6729d",
		kmip.HashingAlgorithmMD5:       "900150983cd24fb0d6963f7d28e17f72",
		kmip.HashingAlgorithmSHA1:      "a9993e364706816aba3e25717850c26c9cd0d89d",
		kmip.HashingAlgorithmSHA224:    "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
		kmip.HashingAlgorithmSHA256:    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		kmip.HashingAlgorithmSHA384:    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		kmip.HashingAlgorithmSHA512:    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		kmip.HashingAlgorithmRIPEMD160: "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
		kmip.HashingAlgorithmSHA512224: "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
		kmip.HashingAlgorithmSHA512256: "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
		kmip.HashingAlgorithmSHA3224:   "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
		kmip.HashingAlgorithmSHA3384:   "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
		kmip.HashingAlgorithmSHA3512:   "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
		kmip.HashingAlgorithmSHA3256:   "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
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
