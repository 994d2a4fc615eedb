package custody

import "github.com/claviger/claviger/kmip"

// quantumSafeBits is the least length of symmetric keys and MAC keys that
// withstand a quantum computer for long: that of CNSA 2.0.
const quantumSafeBits = 256

// checkQuantumSafe refuses an object that says of itself that it withstands a
// quantum computer (Quantum Safe, §4.45) with an algorithm or length that does
// not.
func checkQuantumSafe(a kmip.Attributes) error {
	if !a.Bool(kmip.TagQuantumSafe) {
		return nil
	}
	alg := kmip.CryptographicAlgorithm(a.Uint32(kmip.TagCryptographicAlgorithm))
	switch alg {
	case 0: // secret data, opaque objects: nothing is known of them
		return nil
	case kmip.CryptographicAlgorithmXMSS, kmip.CryptographicAlgorithmSPHINCS256, kmip.CryptographicAlgorithmMcEliece,
		kmip.CryptographicAlgorithmMcEliece6960119, kmip.CryptographicAlgorithmMcEliece8192128:
		return nil
	case kmip.CryptographicAlgorithmRSA, kmip.CryptographicAlgorithmDSA, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmDH,
		kmip.CryptographicAlgorithmECDH, kmip.CryptographicAlgorithmECMQV, kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmEd25519,
		kmip.CryptographicAlgorithmEd448, kmip.CryptographicAlgorithmSM2, kmip.CryptographicAlgorithmGOSTR34102012:
		return kmip.Fail(kmip.KindNotQuantumSafe, "%s does not withstand a quantum computer", alg)
	}
	if alg >= kmip.CryptographicAlgorithmMLKEM512 && alg <= kmip.CryptographicAlgorithmSLHDSASHAKE256f {
		return nil
	}
	if a.Int32(kmip.TagCryptographicLength) < quantumSafeBits {
		return kmip.Fail(kmip.KindNotQuantumSafe, "a quantum-safe %s key has %d bits or more", alg, quantumSafeBits)
	}
	return nil
}
