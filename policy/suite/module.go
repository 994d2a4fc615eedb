package suite

import "github.com/claviger/claviger/kmip"

const inModule = "not in the Go Cryptographic Module"

// module is what the Go Cryptographic Module (crypto/internal/fips140) computes itself.
// What this server adds to it, with other modules or by modes of its own over a block
// cipher, is outside of its boundary: ChaCha20, Triple DES, Camellia, RC4, MD5, SHA-1,
// ML-DSA, SLH-DSA, Ed448, X25519 and secp256k1 among the algorithms; ECB, CFB, OFB, CCM,
// XTS, CMAC and key wrap among the modes. That a mode over the module's AES counts as
// outside is our reading.
var module = Profile{
	Name: "of the FIPS 140-3 module", Title: "what the Go Cryptographic Module has",
	algorithms: table(map[kmip.CryptographicAlgorithm]algorithmRule{
		kmip.CryptographicAlgorithmAES:       exactly(inModule, Full, 128, 192, 256),
		kmip.CryptographicAlgorithmRSA:       atLeast(inModule, 2048, Full),
		kmip.CryptographicAlgorithmEd25519:   whole(inModule, Full),
		kmip.CryptographicAlgorithmMLKEM768:  whole(inModule, Full),
		kmip.CryptographicAlgorithmMLKEM1024: whole(inModule, Full),
	},
		atLeast(inModule, 224, Full).in(ec),
		atLeast(inModule, 112, Full).in(hmacSHA2, hmacSHA3),
	),
	curves: map[kmip.RecommendedCurve]Level{
		kmip.RecommendedCurveP224: Full, kmip.RecommendedCurveP256: Full, kmip.RecommendedCurveP384: Full, kmip.RecommendedCurveP521: Full,
	},
	modes: map[kmip.BlockCipherMode]Level{kmip.BlockCipherModeCBC: Full, kmip.BlockCipherModeCTR: Full, kmip.BlockCipherModeGCM: Full},
	paddings: map[kmip.PaddingMethod]Level{
		kmip.PaddingMethodNone: Full, kmip.PaddingMethodOAEP: Full, kmip.PaddingMethodPSS: Full, kmip.PaddingMethodPKCS5: Full,
		kmip.PaddingMethodZeros: Full, kmip.PaddingMethodANSIX923: Full, kmip.PaddingMethodSSL3: Full, kmip.PaddingMethodISO10126: Full,
	},
	hashes:      hashTable(Full, map[kmip.HashingAlgorithm]hashRule{}),
	derivations: map[kmip.DerivationMethod]Level{kmip.DerivationMethodPBKDF2: Full, kmip.DerivationMethodHKDF: Full},
	sources: map[Kind]string{
		KindAlgorithm: inModule, KindCurve: inModule, KindMode: inModule, KindPadding: inModule, KindHash: inModule, KindDerivation: inModule,
	},
}
