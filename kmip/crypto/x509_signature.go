package crypto

import (
	"crypto/x509/pkix"
	"encoding/asn1"

	"github.com/claviger/claviger/kmip"
)

// pkcs1Signature are the parameters of a signature by PKCS #1 v1.5.
func pkcs1Signature(h kmip.HashingAlgorithm) kmip.CryptographicParameters {
	return kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPKCS1V15, HashingAlgorithm: h}
}

// hashedSignature are those of a signature by DSA or ECDSA.
func hashedSignature(h kmip.HashingAlgorithm) kmip.CryptographicParameters {
	return kmip.CryptographicParameters{HashingAlgorithm: h}
}

// x509Signatures are the parameters of the signature algorithms of X.509 (RFC
// 3279, 4055, 5758, 8410, 8702, 9814, 9881): what a request for a certificate
// may be signed with. Those with MD5 are not there.
var x509Signatures = map[string]kmip.CryptographicParameters{
	"1.2.840.113549.1.1.5":    pkcs1Signature(kmip.HashingAlgorithmSHA1),
	"1.2.840.113549.1.1.14":   pkcs1Signature(kmip.HashingAlgorithmSHA224),
	"1.2.840.113549.1.1.11":   pkcs1Signature(kmip.HashingAlgorithmSHA256),
	"1.2.840.113549.1.1.12":   pkcs1Signature(kmip.HashingAlgorithmSHA384),
	"1.2.840.113549.1.1.13":   pkcs1Signature(kmip.HashingAlgorithmSHA512),
	"2.16.840.1.101.3.4.3.13": pkcs1Signature(kmip.HashingAlgorithmSHA3224),
	"2.16.840.1.101.3.4.3.14": pkcs1Signature(kmip.HashingAlgorithmSHA3256),
	"2.16.840.1.101.3.4.3.15": pkcs1Signature(kmip.HashingAlgorithmSHA3384),
	"2.16.840.1.101.3.4.3.16": pkcs1Signature(kmip.HashingAlgorithmSHA3512),
	"1.2.840.10045.4.1":       hashedSignature(kmip.HashingAlgorithmSHA1),
	"1.2.840.10045.4.3.1":     hashedSignature(kmip.HashingAlgorithmSHA224),
	"1.2.840.10045.4.3.2":     hashedSignature(kmip.HashingAlgorithmSHA256),
	"1.2.840.10045.4.3.3":     hashedSignature(kmip.HashingAlgorithmSHA384),
	"1.2.840.10045.4.3.4":     hashedSignature(kmip.HashingAlgorithmSHA512),
	"1.2.840.10040.4.3":       hashedSignature(kmip.HashingAlgorithmSHA1),
	"2.16.840.1.101.3.4.3.1":  hashedSignature(kmip.HashingAlgorithmSHA224),
	"2.16.840.1.101.3.4.3.2":  hashedSignature(kmip.HashingAlgorithmSHA256),
}

// oidPSS is id-RSASSA-PSS (RFC 4055 §3.1).
const oidPSS = "1.2.840.113549.1.1.10"

// x509Hashes are the hashes that parameters of PSS name.
var x509Hashes = map[string]kmip.HashingAlgorithm{
	"1.3.14.3.2.26":           kmip.HashingAlgorithmSHA1,
	"2.16.840.1.101.3.4.2.4":  kmip.HashingAlgorithmSHA224,
	"2.16.840.1.101.3.4.2.1":  kmip.HashingAlgorithmSHA256,
	"2.16.840.1.101.3.4.2.2":  kmip.HashingAlgorithmSHA384,
	"2.16.840.1.101.3.4.2.3":  kmip.HashingAlgorithmSHA512,
	"2.16.840.1.101.3.4.2.8":  kmip.HashingAlgorithmSHA3256,
	"2.16.840.1.101.3.4.2.9":  kmip.HashingAlgorithmSHA3384,
	"2.16.840.1.101.3.4.2.10": kmip.HashingAlgorithmSHA3512,
}

// pssParameters is RSASSA-PSS-params (RFC 4055 §3.1). A hash that is not given
// is SHA-1.
type pssParameters struct {
	Hash       pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
	Mask       pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
	SaltLength int                      `asn1:"explicit,optional,tag:2,default:20"`
	Trailer    int                      `asn1:"explicit,optional,tag:3,default:1"`
}

// signatureParameters reads the algorithm of a signature of X.509 for a key.
func signatureParameters(alg pkix.AlgorithmIdentifier, key any) (kmip.CryptographicParameters, error) {
	name := alg.Algorithm.String()
	if name == oidPSS {
		return pssSignature(alg.Parameters.FullBytes)
	}
	if p, ok := x509Signatures[name]; ok {
		return p, nil
	}
	if k, ok := key.(interface{ oid() string }); ok && k.oid() == name { // signs the data itself
		return kmip.CryptographicParameters{}, nil
	}
	if name == oidEd25519 && AlgorithmOf(key) == kmip.CryptographicAlgorithmEd25519 {
		return kmip.CryptographicParameters{}, nil
	}
	return kmip.CryptographicParameters{}, kmip.Fail(kmip.KindParametersUnsupported, "the algorithm of the signature, %s, is not supported", name)
}

// oidEd25519 is id-Ed25519 (RFC 8410 §3).
const oidEd25519 = "1.3.101.112"

func pssSignature(parameters []byte) (kmip.CryptographicParameters, error) {
	var pss pssParameters
	p := kmip.CryptographicParameters{PaddingMethod: kmip.PaddingMethodPSS, HashingAlgorithm: kmip.HashingAlgorithmSHA1}
	if len(parameters) > 0 {
		if rest, err := asn1.Unmarshal(parameters, &pss); err != nil || len(rest) > 0 {
			return p, kmip.FailFrom(err, kmip.KindInvalidField, "the parameters of the PSS signature do not parse")
		}
	}
	if len(pss.Hash.Algorithm) > 0 {
		h, ok := x509Hashes[pss.Hash.Algorithm.String()]
		if !ok {
			return p, kmip.Fail(kmip.KindParametersUnsupported, "the hash of the PSS signature is not supported")
		}
		p.HashingAlgorithm = h
	}
	p.MaskGeneratorHashingAlgorithm = kmip.HashingAlgorithmSHA1
	if len(pss.Mask.Algorithm) > 0 {
		var hash pkix.AlgorithmIdentifier
		rest, err := asn1.Unmarshal(pss.Mask.Parameters.FullBytes, &hash)
		if err != nil || len(rest) > 0 {
			return p, kmip.FailFrom(err, kmip.KindInvalidField, "the parameters of the PSS signature do not parse")
		}
		h, ok := x509Hashes[hash.Algorithm.String()]
		if !ok {
			return p, kmip.Fail(kmip.KindParametersUnsupported, "the mask of the PSS signature is not supported")
		}
		p.MaskGeneratorHashingAlgorithm = h
	}
	if pss.SaltLength < 0 || pss.SaltLength > maxMaterialBytes || pss.Trailer < 0 || pss.Trailer > 255 {
		return p, kmip.Fail(kmip.KindInvalidField, "the parameters of the PSS signature are out of range")
	}
	salt, trailer := int32(pss.SaltLength), int32(pss.Trailer)
	p.SaltLength, p.TrailerField = &salt, &trailer
	return p, nil
}

// verifyX509 tells whether a signature of X.509 is that of data under a key.
func verifyX509(alg pkix.AlgorithmIdentifier, key any, data, signature []byte) (bool, error) {
	p, err := signatureParameters(alg, key)
	if err != nil {
		return false, err
	}
	return verifyWith(key, &SignatureRequest{Parameters: p, Data: data}, signature)
}
