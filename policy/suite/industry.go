package suite

import "github.com/claviger/claviger/kmip"

const (
	pciStrong  = "PCI DSS 4.0.1 glossary, strong cryptography"
	pciReading = "PCI DSS 4.0.1 glossary, strong cryptography; our reading"
)

// pciDSS4 is the glossary of PCI DSS 4.0.1, "strong cryptography": algorithms that are
// tested and accepted by the industry, 112 bits of effective strength at least. It
// names documents (SP 800-57 among them) and no table; the table is our reading.
var pciDSS4 = Profile{
	Name: "pci-dss-4", Title: "strong cryptography of PCI DSS 4.0.1: 112 bits of effective strength",
	Documents: []string{"PCI DSS 4.0.1, glossary, strong cryptography", "NIST SP 800-57 part 1 r5 §5.6.1"},
	algorithms: table(map[kmip.CryptographicAlgorithm]algorithmRule{
		kmip.CryptographicAlgorithmAES: exactly(pciStrong, Full, 128, 192, 256, 512),
		// Three-key TDEA has 112 bits of effective strength (SP 800-57 Table 2), and NIST
		// disallows it: our reading is that keys that exist go on, and none is made.
		kmip.CryptographicAlgorithmDES3: exactly(pciReading, Existing, 168).and(112, 112, Legacy),
		// ISO/IEC 18033-3 has these; the glossary names no list.
		kmip.CryptographicAlgorithmCamellia: exactly(pciReading, Full, 128, 192, 256),
		kmip.CryptographicAlgorithmARIA:     exactly(pciReading, Full, 128, 192, 256),
		kmip.CryptographicAlgorithmSEED:     exactly(pciReading, Full, 128),
		// RFC 8439.
		kmip.CryptographicAlgorithmChaCha20:         exactly(pciReading, Full, 256),
		kmip.CryptographicAlgorithmChaCha20Poly1305: exactly(pciReading, Full, 256),
		kmip.CryptographicAlgorithmPoly1305:         exactly(pciReading, Full, 256),
		// SP 800-57 Table 2: 2048 bits have 112.
		kmip.CryptographicAlgorithmRSA:   atLeast(pciStrong, 2048, Full).and(1024, 2047, Legacy),
		kmip.CryptographicAlgorithmDSA:   atLeast(pciStrong, 2048, Existing).and(1024, 2047, Legacy),
		kmip.CryptographicAlgorithmDH:    atLeast(pciStrong, 2048, Full),
		kmip.CryptographicAlgorithmECMQV: atLeast(pciStrong, 224, Full),
	},
		atLeast(pciStrong, 224, Full).and(160, 223, Legacy).in(ec),
		whole(pciReading, Full).in(edwards, mlkem, mldsa, slhdsa),
		atLeast(pciReading, 112, Full).and(1, 111, Legacy).in(hmacSHA2, hmacSHA3),
		atLeast(pciReading, 112, Existing).and(1, 111, Legacy).in(hmacSHA1),
	),
	curves: map[kmip.RecommendedCurve]Level{
		kmip.RecommendedCurveP192: Legacy,
		kmip.RecommendedCurveP224: Full, kmip.RecommendedCurveP256: Full, kmip.RecommendedCurveP384: Full, kmip.RecommendedCurveP521: Full,
		kmip.RecommendedCurveK233: Existing, kmip.RecommendedCurveB233: Existing, kmip.RecommendedCurveK283: Existing, kmip.RecommendedCurveB283: Existing,
		kmip.RecommendedCurveK409: Existing, kmip.RecommendedCurveB409: Existing, kmip.RecommendedCurveK571: Existing, kmip.RecommendedCurveB571: Existing,
		kmip.RecommendedCurveSECP256K1: Full, kmip.RecommendedCurveCURVE25519: Full, kmip.RecommendedCurveCURVE448: Full,
		kmip.RecommendedCurveBRAINPOOLP224R1: Full, kmip.RecommendedCurveBRAINPOOLP256R1: Full, kmip.RecommendedCurveBRAINPOOLP320R1: Full,
		kmip.RecommendedCurveBRAINPOOLP384R1: Full, kmip.RecommendedCurveBRAINPOOLP512R1: Full,
	},
	// ECB shows patterns of the data; our reading: only what exists is decrypted.
	modes: map[kmip.BlockCipherMode]Level{
		kmip.BlockCipherModeECB: Legacy, kmip.BlockCipherModePCBC: Legacy, kmip.BlockCipherModeCBCMAC: Legacy,
		kmip.BlockCipherModeCBC: Full, kmip.BlockCipherModeCFB: Full, kmip.BlockCipherModeOFB: Full, kmip.BlockCipherModeCTR: Full,
		kmip.BlockCipherModeCMAC: Full, kmip.BlockCipherModeCCM: Full, kmip.BlockCipherModeGCM: Full, kmip.BlockCipherModeXTS: Full,
		kmip.BlockCipherModeNISTKeyWrap: Full, kmip.BlockCipherModeAESKeyWrapPadding: Full, kmip.BlockCipherModeX9102AESKW: Full, kmip.BlockCipherModeAEAD: Full,
	},
	paddings: nistPaddings(),
	hashes:   hashTable(Full, map[kmip.HashingAlgorithm]hashRule{kmip.HashingAlgorithmSHA1: {signature: Legacy, other: Existing}}),
	derivations: map[kmip.DerivationMethod]Level{
		kmip.DerivationMethodPBKDF2: Full, kmip.DerivationMethodHMAC: Full, kmip.DerivationMethodNIST800108C: Full, kmip.DerivationMethodNIST800108F: Full,
		kmip.DerivationMethodNIST800108DPI: Full, kmip.DerivationMethodAsymmetricKey: Full, kmip.DerivationMethodHKDF: Full,
	},
	sources: map[Kind]string{KindCurve: pciReading, KindMode: pciReading, KindPadding: pciReading, KindHash: pciReading, KindDerivation: pciReading},
}

const (
	cnsaTable   = "CNSA 2.0 advisory, tables I and III"
	cnsaFormer  = "CNSA 1.0 (CNSSP 15), until the transition to CNSA 2.0 is over; our reading"
	cnsaReading = "CNSA 2.0 advisory; our reading"
)

// cnsa2 is the Commercial National Security Algorithm Suite 2.0 (NSA, September 2022,
// FAQ of December 2024). New keys are of its algorithms only. Those of CNSA 1.0 are
// used with the keys that exist while the transition lasts (the advisory has 2030 to
// 2033, by kind of equipment); what neither has can be decrypted and verified: our
// reading.
var cnsa2 = Profile{
	Name: "cnsa-2.0", Title: "Commercial National Security Algorithm Suite 2.0",
	Documents: []string{"NSA, Announcing the Commercial National Security Algorithm Suite 2.0", "CNSSP 15"},
	algorithms: table(map[kmip.CryptographicAlgorithm]algorithmRule{
		// Table III: AES-256. A key for XTS-AES-256 is two.
		kmip.CryptographicAlgorithmAES:       exactly(cnsaTable, Full, 256, 512).and(128, 128, Legacy).and(192, 192, Legacy),
		kmip.CryptographicAlgorithmMLKEM1024: whole(cnsaTable, Full),
		kmip.CryptographicAlgorithmMLDSA87:   whole(cnsaTable, Full),
		kmip.CryptographicAlgorithmMLKEM768:  whole(cnsaReading, Legacy),
		kmip.CryptographicAlgorithmMLDSA65:   whole(cnsaReading, Legacy),
		kmip.CryptographicAlgorithmMLDSA44:   whole(cnsaReading, Legacy),
		// Table I: LMS and XMSS sign software and firmware.
		kmip.CryptographicAlgorithmXMSS: whole(cnsaTable, Full),
		kmip.CryptographicAlgorithmRSA:  atLeast(cnsaFormer, 3072, Existing).and(1024, 3071, Legacy),
		kmip.CryptographicAlgorithmDH:   atLeast(cnsaFormer, 3072, Existing).and(2048, 3071, Legacy),
		kmip.CryptographicAlgorithmDES3: exactly(cnsaReading, Legacy, 168),
		// HMAC with the hashes of table III: our reading. Keys as SP 800-57 has them for 256
		// bits of strength.
		kmip.CryptographicAlgorithmHMACSHA384:  atLeast(cnsaReading, 256, Full).and(1, 255, Legacy),
		kmip.CryptographicAlgorithmHMACSHA512:  atLeast(cnsaReading, 256, Full).and(1, 255, Legacy),
		kmip.CryptographicAlgorithmHMACSHA256:  atLeast(cnsaReading, 1, Legacy),
		kmip.CryptographicAlgorithmHMACSHA3384: atLeast(cnsaReading, 1, Legacy),
		kmip.CryptographicAlgorithmHMACSHA3512: atLeast(cnsaReading, 1, Legacy),
	},
		exactly(cnsaFormer, Existing, 384).and(224, 383, Legacy).and(385, 521, Legacy).in(ec),
	),
	curves: map[kmip.RecommendedCurve]Level{
		kmip.RecommendedCurveP384: Existing, kmip.RecommendedCurveP224: Legacy, kmip.RecommendedCurveP256: Legacy, kmip.RecommendedCurveP521: Legacy,
	},
	modes: map[kmip.BlockCipherMode]Level{
		kmip.BlockCipherModeECB: Legacy,
		kmip.BlockCipherModeCBC: Full, kmip.BlockCipherModeCFB: Full, kmip.BlockCipherModeOFB: Full, kmip.BlockCipherModeCTR: Full,
		kmip.BlockCipherModeCMAC: Full, kmip.BlockCipherModeCCM: Full, kmip.BlockCipherModeGCM: Full, kmip.BlockCipherModeXTS: Full,
		kmip.BlockCipherModeNISTKeyWrap: Full, kmip.BlockCipherModeAESKeyWrapPadding: Full,
	},
	paddings: nistPaddings(),
	// Table III: SHA-384 and SHA-512; SHA3-384 and SHA3-512 inside hardware only.
	hashes: map[kmip.HashingAlgorithm]hashRule{
		kmip.HashingAlgorithmSHA384: {Full, Full}, kmip.HashingAlgorithmSHA512: {Full, Full},
		kmip.HashingAlgorithmSHA256: {Legacy, Legacy}, kmip.HashingAlgorithmSHA3384: {Legacy, Legacy}, kmip.HashingAlgorithmSHA3512: {Legacy, Legacy},
	},
	derivations: map[kmip.DerivationMethod]Level{
		kmip.DerivationMethodPBKDF2: Full, kmip.DerivationMethodNIST800108C: Full, kmip.DerivationMethodNIST800108F: Full,
		kmip.DerivationMethodNIST800108DPI: Full, kmip.DerivationMethodHKDF: Full, kmip.DerivationMethodAsymmetricKey: Existing,
	},
	sources: map[Kind]string{KindCurve: cnsaFormer, KindMode: cnsaReading, KindPadding: cnsaReading, KindHash: cnsaTable, KindDerivation: cnsaReading},
}
