package crypto

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/claviger/claviger/kmip"
)

// The library derives keys as often as a container says, which may be for
// years: what that is, is looked at before.

// maxIterations bounds the derivations that a container asks for.
const maxIterations = 2_000_000

// inspectPKCS12 checks what opening a container will cost, and returns the name
// of its key.
func inspectPKCS12(der []byte, password string) (name string, err error) {
	frame, contents, err := openPFX(der)
	if err != nil {
		return "", err
	}
	switch mac := frame.MAC.Digest.Algorithm; {
	case len(mac.Algorithm) == 0:
		return "", errWithoutMAC
	case mac.Algorithm.Equal(oidPBMAC1):
		err = checkPBES2(mac.Parameters.FullBytes)
	default:
		err = checkIterations(frame.MAC.Iterations)
	}
	if err != nil {
		return "", err
	}
	for _, content := range contents {
		switch {
		case content.Type.Equal(oidPFXData):
			bags, err := content.bags()
			if err != nil {
				return "", err
			}
			for _, bag := range bags {
				if bag.Type.Equal(oidShroudedBag) {
					var key encryptedBag
					if err := unmarshal(bag.Value.Bytes, &key); err != nil {
						return "", err
					}
					if err := checkPBE(key.Algorithm); err != nil {
						return "", err
					}
				}
				if name == "" && (bag.Type.Equal(oidShroudedBag) || bag.Type.Equal(oidKeyBag)) {
					name = bag.friendlyName()
				}
			}
		case content.Type.Equal(oidPFXEncrypted):
			if err := checkEncrypted(content, password); err != nil {
				return "", err
			}
		default:
			return "", errNotFormat
		}
	}
	return name, nil
}

func checkIterations(n int) error {
	if n < 1 || n > maxIterations {
		return errTooDear()
	}
	return nil
}

// checkPBE checks the parameters of an encryption.
func checkPBE(alg pkix.AlgorithmIdentifier) error {
	if alg.Algorithm.Equal(oidPBES2) {
		return checkPBES2(alg.Parameters.FullBytes)
	}
	var p pbeParameters
	if err := unmarshal(alg.Parameters.FullBytes, &p); err != nil {
		return err
	}
	return checkIterations(p.Iterations)
}

func checkPBES2(parameters []byte) error {
	var scheme pbes2
	var p pbkdf2Parameters
	if err := unmarshal(parameters, &scheme); err != nil {
		return err
	}
	if !scheme.Derivation.Algorithm.Equal(oidPBKDF2) {
		return errNotFormat
	}
	if err := unmarshal(scheme.Derivation.Parameters.FullBytes, &p); err != nil {
		return err
	}
	if p.KeyLength < 0 || p.KeyLength > 64 {
		return errNotFormat
	}
	return checkIterations(p.Iterations)
}

// checkEncrypted checks a content that is encrypted, inside too: it must not
// hold an encrypted key, whose iterations nobody sees before they are done. The
// library refuses a second key before it decrypts it; so it gets the content
// behind a key that is nobody's.
func checkEncrypted(content pfxContent, password string) error {
	var outside encryptedContent
	if err := unmarshal(content.Content.Bytes, &outside); err != nil {
		return err
	}
	if err := checkPBE(outside.Info.Algorithm); err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		return err
	}
	first, err := dataContent([]safeBag{{Type: oidKeyBag, Value: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: key}}})
	if err != nil {
		return err
	}
	probe, err := sealPFX([]pfxContent{first, content}, password, 1)
	if err != nil {
		return err
	}
	if _, _, _, err = pkcs12.DecodeChain(probe, password); err != nil {
		return kmip.FailFrom(err, kmip.KindInvalidField, "the password of the PKCS#12 is wrong, or its encrypted part is not certificates alone")
	}
	return nil
}

func errTooDear() error {
	return kmip.Fail(kmip.KindInvalidField, "the PKCS#12 asks for more iterations than %d", maxIterations)
}
