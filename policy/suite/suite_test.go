package suite_test

import (
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy/suite"
)

// levelOf finds the level of what is asked by asking for each use.
func levelOf(t *testing.T, profile string, q suite.Question) suite.Level {
	t.Helper()
	s := suite.Suite{Profile: suite.Named(profile)}
	level := suite.Never
	for _, use := range []suite.Use{suite.Process, suite.Protect, suite.Create} {
		if r := s.Check(use, q); r == nil {
			level = suite.Level(use) + suite.Legacy
		} else if r.Level != level || r.Profile != profile {
			t.Errorf("%s: the refusal %v says %s, and %s was allowed", profile, r, r.Level, level)
		}
	}
	return level
}

var letters = map[byte]suite.Level{'N': suite.Never, 'L': suite.Legacy, 'E': suite.Existing, 'F': suite.Full}

const columns = "legacy nist-800-131a fips-140-3 pci-dss-4 cnsa-2.0"

func alg(a kmip.CryptographicAlgorithm, bits int32) suite.Question {
	return suite.Question{Object: kmip.ObjectTypeSymmetricKey, Algorithm: a, Bits: bits}
}

func curve(c kmip.RecommendedCurve) suite.Question {
	return suite.Question{Object: kmip.ObjectTypePrivateKey, Algorithm: kmip.CryptographicAlgorithmEC, Bits: 256, Curve: c}
}

func mode(m kmip.BlockCipherMode) suite.Question {
	q := alg(kmip.CryptographicAlgorithmAES, 256)
	q.Mode = m
	return q
}

func padding(p kmip.PaddingMethod) suite.Question { return suite.Question{Padding: p} }

func hash(h kmip.HashingAlgorithm) suite.Question { return suite.Question{Hash: h} }

func signed(h kmip.HashingAlgorithm) suite.Question {
	return suite.Question{Hash: h, Signature: true}
}

func derived(d kmip.DerivationMethod) suite.Question { return suite.Question{Derivation: d} }

// The columns are: legacy, nist-800-131a, fips-140-3, pci-dss-4, cnsa-2.0.
// F full, E existing keys, L legacy use, N never.
func TestEachProfileHasItsLevels(t *testing.T) {
	for _, c := range []struct {
		name string
		q    suite.Question
		want string
	}{
		{"AES 128", alg(kmip.CryptographicAlgorithmAES, 128), "FFFFL"},
		{"AES 192", alg(kmip.CryptographicAlgorithmAES, 192), "FFFFL"},
		{"AES 256", alg(kmip.CryptographicAlgorithmAES, 256), "FFFFF"},
		{"AES 512, for XTS", alg(kmip.CryptographicAlgorithmAES, 512), "FFFFF"},
		{"AES of unknown length", alg(kmip.CryptographicAlgorithmAES, 0), "FNNNN"},
		{"a key of an unknown algorithm", alg(0, 256), "FNNNN"},
		{"secret data", suite.Question{Object: kmip.ObjectTypeSecretData, Bits: 8}, "FFFFF"},
		{"an opaque object", suite.Question{Object: kmip.ObjectTypeOpaqueObject}, "FFFFF"},
		{"3DES of three keys", alg(kmip.CryptographicAlgorithmDES3, 168), "FLLEL"},
		{"3DES of three keys with parity", alg(kmip.CryptographicAlgorithmDES3, 192), "FLLEL"},
		{"3DES of two keys", alg(kmip.CryptographicAlgorithmDES3, 112), "FLLLN"},
		{"DES", alg(kmip.CryptographicAlgorithmDES, 56), "FNNNN"},
		{"SKIPJACK", alg(kmip.CryptographicAlgorithmSKIPJACK, 80), "FLNNN"},
		{"RC4", alg(kmip.CryptographicAlgorithmRC4, 128), "FNNNN"},
		{"Blowfish", alg(kmip.CryptographicAlgorithmBlowfish, 128), "FNNNN"},
		{"Camellia", alg(kmip.CryptographicAlgorithmCamellia, 256), "FNNFN"},
		{"ARIA", alg(kmip.CryptographicAlgorithmARIA, 128), "FNNFN"},
		{"SEED", alg(kmip.CryptographicAlgorithmSEED, 128), "FNNFN"},
		{"SM4", alg(kmip.CryptographicAlgorithmSM4, 128), "FNNNN"},
		{"ChaCha20-Poly1305", alg(kmip.CryptographicAlgorithmChaCha20Poly1305, 256), "FNNFN"},
		{"RSA 1023", alg(kmip.CryptographicAlgorithmRSA, 1023), "FNNNN"},
		{"RSA 1024", alg(kmip.CryptographicAlgorithmRSA, 1024), "FLLLL"},
		{"RSA 2047", alg(kmip.CryptographicAlgorithmRSA, 2047), "FLLLL"},
		{"RSA 2048", alg(kmip.CryptographicAlgorithmRSA, 2048), "FFFFL"},
		{"RSA 3071", alg(kmip.CryptographicAlgorithmRSA, 3071), "FFFFL"},
		{"RSA 3072", alg(kmip.CryptographicAlgorithmRSA, 3072), "FFFFE"},
		{"RSA 4096", alg(kmip.CryptographicAlgorithmRSA, 4096), "FFFFE"},
		{"DSA 1024", alg(kmip.CryptographicAlgorithmDSA, 1024), "FLLLN"},
		{"DSA 2048", alg(kmip.CryptographicAlgorithmDSA, 2048), "FLLEN"},
		{"DH 1024", alg(kmip.CryptographicAlgorithmDH, 1024), "FNNNN"},
		{"DH 2048", alg(kmip.CryptographicAlgorithmDH, 2048), "FFFFL"},
		{"DH 3072", alg(kmip.CryptographicAlgorithmDH, 3072), "FFFFE"},
		{"EC 192", alg(kmip.CryptographicAlgorithmEC, 192), "FLLLN"},
		{"ECDSA 224", alg(kmip.CryptographicAlgorithmECDSA, 224), "FFFFL"},
		{"ECDSA 256", alg(kmip.CryptographicAlgorithmECDSA, 256), "FFFFL"},
		{"ECDSA 384", alg(kmip.CryptographicAlgorithmECDSA, 384), "FFFFE"},
		{"ECDSA 521", alg(kmip.CryptographicAlgorithmECDSA, 521), "FFFFL"},
		{"Ed25519", alg(kmip.CryptographicAlgorithmEd25519, 256), "FFFFN"},
		{"Ed448", alg(kmip.CryptographicAlgorithmEd448, 448), "FFFFN"},
		{"ML-KEM-512", alg(kmip.CryptographicAlgorithmMLKEM512, 0), "FFFFN"},
		{"ML-KEM-768", alg(kmip.CryptographicAlgorithmMLKEM768, 0), "FFFFL"},
		{"ML-KEM-1024", alg(kmip.CryptographicAlgorithmMLKEM1024, 0), "FFFFF"},
		{"ML-DSA-65", alg(kmip.CryptographicAlgorithmMLDSA65, 0), "FFFFL"},
		{"ML-DSA-87", alg(kmip.CryptographicAlgorithmMLDSA87, 0), "FFFFF"},
		{"SLH-DSA", alg(kmip.CryptographicAlgorithmSLHDSASHA2128s, 0), "FFFFN"},
		{"XMSS", alg(kmip.CryptographicAlgorithmXMSS, 0), "FNNNF"},
		{"HMAC-SHA1, 111 bits", alg(kmip.CryptographicAlgorithmHMACSHA1, 111), "FLLLN"},
		{"HMAC-SHA1, 112 bits", alg(kmip.CryptographicAlgorithmHMACSHA1, 112), "FFFEN"},
		{"HMAC-SHA256, 112 bits", alg(kmip.CryptographicAlgorithmHMACSHA256, 112), "FFFFL"},
		{"HMAC-SHA384, 256 bits", alg(kmip.CryptographicAlgorithmHMACSHA384, 256), "FFFFF"},
		{"HMAC-SHA3-256", alg(kmip.CryptographicAlgorithmHMACSHA3256, 256), "FFFFN"},
		{"HMAC-MD5", alg(kmip.CryptographicAlgorithmHMACMD5, 256), "FNNNN"},
		{"Poly1305", alg(kmip.CryptographicAlgorithmPoly1305, 256), "FNNFN"},
		{"P-192", curve(kmip.RecommendedCurveP192), "FLLLN"},
		{"P-224", curve(kmip.RecommendedCurveP224), "FFFFL"},
		{"P-256", curve(kmip.RecommendedCurveP256), "FFFFL"},
		{"P-384", curve(kmip.RecommendedCurveP384), "FFFFE"},
		{"P-521", curve(kmip.RecommendedCurveP521), "FFFFL"},
		{"K-233", curve(kmip.RecommendedCurveK233), "FEEEN"},
		{"secp256k1", curve(kmip.RecommendedCurveSECP256K1), "FENFN"},
		{"Brainpool 384", curve(kmip.RecommendedCurveBRAINPOOLP384R1), "FENFN"},
		{"X25519", curve(kmip.RecommendedCurveCURVE25519), "FFNFN"},
		{"ECB", mode(kmip.BlockCipherModeECB), "FFFLL"},
		{"CBC", mode(kmip.BlockCipherModeCBC), "FFFFF"},
		{"PCBC", mode(kmip.BlockCipherModePCBC), "FNNLN"},
		{"CFB", mode(kmip.BlockCipherModeCFB), "FFFFF"},
		{"OFB", mode(kmip.BlockCipherModeOFB), "FFFFF"},
		{"CTR", mode(kmip.BlockCipherModeCTR), "FFFFF"},
		{"CMAC", mode(kmip.BlockCipherModeCMAC), "FFFFF"},
		{"CCM", mode(kmip.BlockCipherModeCCM), "FFFFF"},
		{"GCM", mode(kmip.BlockCipherModeGCM), "FFFFF"},
		{"CBC-MAC", mode(kmip.BlockCipherModeCBCMAC), "FNNLN"},
		{"XTS", mode(kmip.BlockCipherModeXTS), "FFFFF"},
		{"key wrap", mode(kmip.BlockCipherModeNISTKeyWrap), "FFFFF"},
		{"key wrap with padding", mode(kmip.BlockCipherModeAESKeyWrapPadding), "FFFFF"},
		{"X9.102 AESKW", mode(kmip.BlockCipherModeX9102AESKW), "FNNFN"},
		{"X9.102 TDKW", mode(kmip.BlockCipherModeX9102TDKW), "FNNNN"},
		{"OAEP", padding(kmip.PaddingMethodOAEP), "FFFFF"},
		{"PKCS #1 v1.5 encryption", padding(kmip.PaddingMethodPKCS1V15), "FLLLL"},
		{"PKCS #5", padding(kmip.PaddingMethodPKCS5), "FFFFF"},
		{"MD5", hash(kmip.HashingAlgorithmMD5), "FNNNN"},
		{"SHA-1", hash(kmip.HashingAlgorithmSHA1), "FFFEN"},
		{"SHA-1 in signatures", signed(kmip.HashingAlgorithmSHA1), "FLLLN"},
		{"SHA-224 in signatures", signed(kmip.HashingAlgorithmSHA224), "FFFFN"},
		{"SHA-256 in signatures", signed(kmip.HashingAlgorithmSHA256), "FFFFL"},
		{"SHA-384 in signatures", signed(kmip.HashingAlgorithmSHA384), "FFFFF"},
		{"SHA-512 in signatures", signed(kmip.HashingAlgorithmSHA512), "FFFFF"},
		{"SHA3-384 in signatures", signed(kmip.HashingAlgorithmSHA3384), "FFFFL"},
		{"RIPEMD-160", hash(kmip.HashingAlgorithmRIPEMD160), "FNNNN"},
		{"derivation by a hash", derived(kmip.DerivationMethodHASH), "FNNNN"},
		{"derivation by HMAC", derived(kmip.DerivationMethodHMAC), "FNNFN"},
		{"derivation by encryption", derived(kmip.DerivationMethodENCRYPT), "FNNNN"},
		{"PBKDF2", derived(kmip.DerivationMethodPBKDF2), "FFFFF"},
		{"SP 800-108 counter mode", derived(kmip.DerivationMethodNIST800108C), "FFFFF"},
		{"HKDF", derived(kmip.DerivationMethodHKDF), "FFFFF"},
		{"key agreement", derived(kmip.DerivationMethodAsymmetricKey), "FFFFE"},
	} {
		for i, profile := range strings.Fields(columns) {
			if got, want := levelOf(t, profile, c.q), letters[c.want[i]]; got != want {
				t.Errorf("%s in %s: %s, want %s", c.name, profile, got, want)
			}
		}
	}
}

func TestDenialWinsAndAllowanceCountsForOneElementOnly(t *testing.T) {
	parse := func(texts ...string) (list []suite.Item) {
		for _, text := range texts {
			i, err := suite.ParseItem(text)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, i)
		}
		return list
	}
	cnsa := suite.Suite{Profile: suite.Named("cnsa-2.0"), Allow: parse("AES:128", "ECB"), Deny: parse("CBC")}
	legacy := suite.Suite{Profile: suite.Named("legacy"), Deny: parse("3DES", "RSA:1024", "MD5", "P-192", "AES:128"), Allow: parse("AES:128")}
	with := func(q suite.Question, m kmip.BlockCipherMode) suite.Question { q.Mode = m; return q }
	aes128 := alg(kmip.CryptographicAlgorithmAES, 128)
	for _, c := range []struct {
		name  string
		suite suite.Suite
		q     suite.Question
		fit   bool
	}{
		{"what is allowed besides", cnsa, aes128, true},
		{"another length", cnsa, alg(kmip.CryptographicAlgorithmAES, 192), false},
		{"what is allowed, with a mode that is", cnsa, with(aes128, kmip.BlockCipherModeECB), true},
		{"what is allowed, with a mode that is denied", cnsa, with(aes128, kmip.BlockCipherModeCBC), false},
		{"what the profile allows, with a mode that is denied", cnsa, with(alg(kmip.CryptographicAlgorithmAES, 256), kmip.BlockCipherModeCBC), false},
		{"an algorithm denied in all lengths", legacy, alg(kmip.CryptographicAlgorithmDES3, 168), false},
		{"a length that is denied", legacy, alg(kmip.CryptographicAlgorithmRSA, 1024), false},
		{"a length beside it", legacy, alg(kmip.CryptographicAlgorithmRSA, 2048), true},
		{"a hash that is denied", legacy, hash(kmip.HashingAlgorithmMD5), false},
		{"a curve that is denied", legacy, curve(kmip.RecommendedCurveP192), false},
		{"what is allowed and denied", legacy, aes128, false},
	} {
		if r := c.suite.Check(suite.Create, c.q); (r == nil) != c.fit {
			t.Errorf("%s: %v, want fit %v", c.name, r, c.fit)
		}
	}
}

func TestInFIPSModeOnlyWhatTheModuleHas(t *testing.T) {
	s := suite.Suite{Profile: suite.Named("legacy"), Module: true}
	with := func(q suite.Question, m kmip.BlockCipherMode) suite.Question { q.Mode = m; return q }
	aes := alg(kmip.CryptographicAlgorithmAES, 256)
	for _, c := range []struct {
		name string
		q    suite.Question
		fit  bool
	}{
		{"AES-GCM", with(aes, kmip.BlockCipherModeGCM), true},
		{"AES-CBC", with(aes, kmip.BlockCipherModeCBC), true},
		{"AES-CCM", with(aes, kmip.BlockCipherModeCCM), false},
		{"AES key wrap", with(aes, kmip.BlockCipherModeNISTKeyWrap), false},
		{"3DES", alg(kmip.CryptographicAlgorithmDES3, 168), false},
		{"ChaCha20-Poly1305", alg(kmip.CryptographicAlgorithmChaCha20Poly1305, 256), false},
		{"RSA 2048", alg(kmip.CryptographicAlgorithmRSA, 2048), true},
		{"RSA 1024", alg(kmip.CryptographicAlgorithmRSA, 1024), false},
		{"P-256", curve(kmip.RecommendedCurveP256), true},
		{"secp256k1", curve(kmip.RecommendedCurveSECP256K1), false},
		{"X25519", curve(kmip.RecommendedCurveCURVE25519), false},
		{"Ed25519", alg(kmip.CryptographicAlgorithmEd25519, 256), true},
		{"Ed448", alg(kmip.CryptographicAlgorithmEd448, 448), false},
		{"ML-KEM-768", alg(kmip.CryptographicAlgorithmMLKEM768, 0), true},
		{"ML-DSA-65", alg(kmip.CryptographicAlgorithmMLDSA65, 0), false},
		{"SHA-256", hash(kmip.HashingAlgorithmSHA256), true},
		{"SHA-1", hash(kmip.HashingAlgorithmSHA1), false},
		{"MD5", hash(kmip.HashingAlgorithmMD5), false},
		{"HKDF", derived(kmip.DerivationMethodHKDF), true},
		{"SP 800-108", derived(kmip.DerivationMethodNIST800108C), false},
	} {
		for _, use := range []suite.Use{suite.Process, suite.Protect, suite.Create} {
			if r := s.Check(use, c.q); (r == nil) != c.fit {
				t.Errorf("%s: %v, want fit %v", c.name, r, c.fit)
			}
		}
	}
}

func TestItemsAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"AES": "algorithm=AES", "aes:128": "algorithm=AES:128", "3DES": "algorithm=DES3", "3des:192": "algorithm=DES3:168", "TDEA": "algorithm=DES3",
		"P-256": "curve=P_256", "p256": "curve=P_256", "curve=P256": "curve=P_256", "CBC": "mode=CBC", "SHA-1": "hash=SHA_1", "sha_256": "hash=SHA_256",
		"MD5": "hash=MD5", "OAEP": "padding=OAEP", "HKDF": "derivation=HKDF", "hash=SHA3-256": "hash=SHA3_256", "HMAC-SHA256": "algorithm=HMAC_SHA256",
	} {
		i, err := suite.ParseItem(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		again, err := suite.ParseItem(i.Text())
		if err != nil || again != i {
			t.Errorf("%s is written %s, which reads as %+v, %v", text, i.Text(), again, err)
		}
		if plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }; plain(i.Text()) != plain(want) && !strings.Contains(i.Text(), "3DES") {
			t.Errorf("%s: %s, want %s", text, i.Text(), want)
		}
	}
	for _, text := range []string{"", "AES:", "AES:x", "AES:-1", "CBC:128", "ROT13", "curve=AES", "colour=AES", "mode="} {
		if i, err := suite.ParseItem(text); err == nil {
			t.Errorf("%q is read as %+v", text, i)
		}
	}
}

func TestProfilesCanBeShown(t *testing.T) {
	for _, p := range suite.Profiles() {
		if p.Title == "" || !p.Everything && (len(p.Documents) == 0 || len(p.Rules()) < 20) {
			t.Errorf("%s: %q, %v, %d rules", p.Name, p.Title, p.Documents, len(p.Rules()))
		}
		for _, r := range p.Rules() {
			if r.Source == "" || r.Level == "never" {
				t.Errorf("%s: the rule %+v", p.Name, r)
			}
		}
	}
	if suite.Named("nothing") != nil {
		t.Error("a profile that does not exist")
	}
}
