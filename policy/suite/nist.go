package suite

import "github.com/claviger/claviger/kmip"

// The rules of NIST SP 800-131A revision 2 (March 2019). Its "deprecated through 2023,
// disallowed after 2023" is disallowed. "Legacy use" is Legacy.

const (
	sp131aCipher  = "SP 800-131A r2 §2"
	sp131aSign    = "SP 800-131A r2 §3"
	sp131aAgree   = "SP 800-131A r2 §5"
	sp131aTransp  = "SP 800-131A r2 §6"
	sp131aWrap    = "SP 800-131A r2 §7"
	sp131aDerive  = "SP 800-131A r2 §8"
	sp131aHash    = "SP 800-131A r2 §9"
	sp131aMAC     = "SP 800-131A r2 §10"
	fips1865      = "FIPS 186-5"
	fips203       = "FIPS 203"
	fips204       = "FIPS 204"
	fips205       = "FIPS 205"
	tableCurves   = "SP 800-131A r2 §3 and SP 800-186"
	modesNIST     = "SP 800-38A to 38F"
	readingDSA    = "FIPS 186-5 withdraws DSA for new signatures"
	readingOfEdDS = "FIPS 186-5 §7"
)

// nistAlgorithms is what SP 800-131A says of algorithms; FIPS 140-3 builds on it.
func nistAlgorithms() map[kmip.CryptographicAlgorithm]algorithmRule {
	return table(map[kmip.CryptographicAlgorithm]algorithmRule{
		// §2, Table 1: AES-128, 192 and 256 are acceptable. A key for XTS-AES is two.
		kmip.CryptographicAlgorithmAES: exactly(sp131aCipher, Full, 128, 192, 256, 512),
		// §2, Table 1: three-key TDEA is disallowed for encryption after 2023, two-key since
		// 2016; decryption is legacy use for both. SKIPJACK the same.
		kmip.CryptographicAlgorithmDES3:     exactly(sp131aCipher, Legacy, 112, 168),
		kmip.CryptographicAlgorithmSKIPJACK: exactly(sp131aCipher, Legacy, 80),
		// §3, Table 2: 2048 bits and more; verification with 1024 and more is legacy use. §6,
		// Table 5 asks 2048 for key transport.
		kmip.CryptographicAlgorithmRSA: atLeast(sp131aSign+" and §6", 2048, Full).and(1024, 2047, Legacy),
		// §3, Table 2, with FIPS 186-5: no new signatures.
		kmip.CryptographicAlgorithmDSA: atLeast(readingDSA, 1024, Legacy),
		// §5, Table 4: 2048 bits and more.
		kmip.CryptographicAlgorithmDH:    atLeast(sp131aAgree, 2048, Full),
		kmip.CryptographicAlgorithmECMQV: atLeast(sp131aAgree, 224, Full),
		// SHA-3 and SHAKE as algorithms have no key: our reading.
	},
		// §3, Table 2 and §5, Table 4: 224 bits and more; 160 to 223 is legacy use.
		atLeast(sp131aSign+" and §5", 224, Full).and(160, 223, Legacy).in(ec),
		// FIPS 186-5 §7, which follows SP 800-131A r2: our reading.
		whole(readingOfEdDS, Full).in(edwards),
		// §10, Table 9: keys of 112 bits and more; verification with shorter ones is legacy
		// use. SHA-1 is acceptable here (§9).
		atLeast(sp131aMAC, 112, Full).and(1, 111, Legacy).in(hmacSHA1, hmacSHA2, hmacSHA3),
		// The standards of 2024 follow SP 800-131A r2: our reading.
		whole(fips203, Full).in(mlkem),
		whole(fips204, Full).in(mldsa),
		whole(fips205, Full).in(slhdsa),
	)
}

var nist800131a = Profile{
	Name: "nist-800-131a", Title: "NIST SP 800-131A revision 2: 112 bits of strength, with legacy use",
	Documents:  []string{"NIST SP 800-131A r2", "NIST SP 800-57 part 1 r5", "NIST SP 800-186", "FIPS 186-5", "FIPS 203", "FIPS 204", "FIPS 205"},
	algorithms: nistAlgorithms(),
	// SP 800-186: P-192, K-163 and B-163 have less than 112 bits; the other binary curves
	// are deprecated but allowed. Brainpool and secp256k1 are for interoperation only
	// (appendix H): our reading is that a key of them is used, and none is made.
	curves: map[kmip.RecommendedCurve]Level{
		kmip.RecommendedCurveP192: Legacy, kmip.RecommendedCurveK163: Legacy, kmip.RecommendedCurveB163: Legacy,
		kmip.RecommendedCurveP224: Full, kmip.RecommendedCurveP256: Full, kmip.RecommendedCurveP384: Full, kmip.RecommendedCurveP521: Full,
		kmip.RecommendedCurveK233: Existing, kmip.RecommendedCurveB233: Existing, kmip.RecommendedCurveK283: Existing, kmip.RecommendedCurveB283: Existing,
		kmip.RecommendedCurveK409: Existing, kmip.RecommendedCurveB409: Existing, kmip.RecommendedCurveK571: Existing, kmip.RecommendedCurveB571: Existing,
		kmip.RecommendedCurveCURVE25519: Full, kmip.RecommendedCurveCURVE448: Full,
		kmip.RecommendedCurveSECP256K1: Existing, kmip.RecommendedCurveBRAINPOOLP256R1: Existing, kmip.RecommendedCurveBRAINPOOLP320R1: Existing,
		kmip.RecommendedCurveBRAINPOOLP384R1: Existing, kmip.RecommendedCurveBRAINPOOLP512R1: Existing,
	},
	modes:       nistModes(),
	paddings:    nistPaddings(),
	hashes:      nistHashes(),
	derivations: nistDerivations(),
	sources:     nistSources(),
}

func nistSources() map[Kind]string {
	return map[Kind]string{KindCurve: tableCurves, KindMode: modesNIST, KindPadding: sp131aTransp, KindHash: sp131aHash, KindDerivation: sp131aDerive}
}

// nistModes are those of SP 800-38A (ECB, CBC, CFB, OFB, CTR), 38B (CMAC), 38C (CCM),
// 38D (GCM), 38E (XTS) and 38F (KW, KWP; also §7 of SP 800-131A).
func nistModes() map[kmip.BlockCipherMode]Level {
	return map[kmip.BlockCipherMode]Level{
		kmip.BlockCipherModeECB: Full, kmip.BlockCipherModeCBC: Full, kmip.BlockCipherModeCFB: Full, kmip.BlockCipherModeOFB: Full, kmip.BlockCipherModeCTR: Full,
		kmip.BlockCipherModeCMAC: Full, kmip.BlockCipherModeCCM: Full, kmip.BlockCipherModeGCM: Full, kmip.BlockCipherModeXTS: Full,
		kmip.BlockCipherModeNISTKeyWrap: Full, kmip.BlockCipherModeAESKeyWrapPadding: Full,
	}
}

// nistPaddings: SP 800-131A r2 §6 disallows PKCS #1 v1.5 for key transport after 2023;
// unwrapping is legacy use. In signatures (§3) it is acceptable and is not asked about.
// SP 800-38A appendix A leaves the padding of blocks to the application.
func nistPaddings() map[kmip.PaddingMethod]Level {
	return map[kmip.PaddingMethod]Level{
		kmip.PaddingMethodNone: Full, kmip.PaddingMethodOAEP: Full, kmip.PaddingMethodPSS: Full, kmip.PaddingMethodPKCS5: Full, kmip.PaddingMethodSSL3: Full,
		kmip.PaddingMethodZeros: Full, kmip.PaddingMethodANSIX923: Full, kmip.PaddingMethodISO10126: Full,
		kmip.PaddingMethodPKCS1V15: Legacy, kmip.PaddingMethodX931: Legacy,
	}
}

// nistHashes: §9, Table 8: SHA-1 is disallowed for new signatures, legacy use for
// verification, acceptable elsewhere.
func nistHashes() map[kmip.HashingAlgorithm]hashRule {
	return hashTable(Full, map[kmip.HashingAlgorithm]hashRule{kmip.HashingAlgorithmSHA1: {signature: Legacy, other: Full}})
}

// nistDerivations: §8 names SP 800-108 and 800-56C, which has HKDF; SP 800-132 has
// PBKDF2; SP 800-56A has key agreement. A bare hash, HMAC or encryption is none of
// them: our reading.
func nistDerivations() map[kmip.DerivationMethod]Level {
	return map[kmip.DerivationMethod]Level{
		kmip.DerivationMethodPBKDF2: Full, kmip.DerivationMethodNIST800108C: Full, kmip.DerivationMethodNIST800108F: Full,
		kmip.DerivationMethodNIST800108DPI: Full, kmip.DerivationMethodAsymmetricKey: Full, kmip.DerivationMethodHKDF: Full,
	}
}

const sp140c = "SP 800-140C and FIPS 140-3 IG C"

// fips1403 are the approved security functions of FIPS 140-3: those of SP 800-131A,
// less what has no approved use.
var fips1403 = Profile{
	Name: "fips-140-3", Title: "approved security functions of FIPS 140-3",
	Documents:  []string{"FIPS 140-3", "NIST SP 800-140C", "FIPS 140-3 Implementation Guidance C.A to C.M", "NIST SP 800-131A r2"},
	algorithms: fipsAlgorithms(),
	// IG C.A and SP 800-186: the curves of NIST. SP 800-56A r3 does not approve X25519 and
	// X448 for key agreement, so their keys are not approved; Ed25519 and Ed448 are no
	// named curves in KMIP.
	curves: map[kmip.RecommendedCurve]Level{
		kmip.RecommendedCurveP192: Legacy, kmip.RecommendedCurveK163: Legacy, kmip.RecommendedCurveB163: Legacy,
		kmip.RecommendedCurveP224: Full, kmip.RecommendedCurveP256: Full, kmip.RecommendedCurveP384: Full, kmip.RecommendedCurveP521: Full,
		kmip.RecommendedCurveK233: Existing, kmip.RecommendedCurveB233: Existing, kmip.RecommendedCurveK283: Existing, kmip.RecommendedCurveB283: Existing,
		kmip.RecommendedCurveK409: Existing, kmip.RecommendedCurveB409: Existing, kmip.RecommendedCurveK571: Existing, kmip.RecommendedCurveB571: Existing,
	},
	modes: nistModes(), paddings: nistPaddings(), hashes: nistHashes(), derivations: nistDerivations(),
	sources: map[Kind]string{KindCurve: "SP 800-186 and FIPS 140-3 IG C.A", KindMode: sp140c, KindPadding: "SP 800-56B r2", KindHash: sp140c, KindDerivation: "SP 800-140D"},
}

func fipsAlgorithms() map[kmip.CryptographicAlgorithm]algorithmRule {
	all := nistAlgorithms()
	for a, r := range all {
		r.source = sp140c
		all[a] = r
	}
	// IG C.M: the legacy algorithms. SKIPJACK was withdrawn: our reading.
	delete(all, kmip.CryptographicAlgorithmSKIPJACK)
	delete(all, kmip.CryptographicAlgorithmECMQV)
	return all
}
