package ovh

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipclient"
)

// eachThatEncrypts is each from KMIP 1.2 on, which brought cryptographic
// operations; before they are refused.
func eachThatEncrypts(t *testing.T, test func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion)) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		if since(v, kmip.V1_2) {
			test(t, c, v)
			return
		}
		if _, err := c.Encrypt("any").Data([]byte("plaintext")).Exec(); err == nil {
			t.Errorf("KMIP %s has no Encrypt", v)
		}
	})
}

func TestEncrypt(t *testing.T) {
	eachThatEncrypts(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		id := must(c.Create().AES(256, encrypts).Exec())(t).UniqueIdentifier
		plain := []byte("a plaintext of more than one block")
		cbc := kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeCBC, PaddingMethod: kmip.PaddingMethodPKCS5}
		if _, err := c.Encrypt(id).WithCryptographicParameters(cbc).Data(plain).Exec(); err == nil {
			t.Error("a key that is not active encrypted")
		}
		must(c.Activate(id).Exec())(t)
		iv := make([]byte, 16)
		_, _ = rand.Read(iv)
		sealed := must(c.Encrypt(id).WithCryptographicParameters(cbc).WithIvCounterNonce(iv).Data(plain).Exec())(t).Data
		if got := must(c.Decrypt(id).WithCryptographicParameters(cbc).WithIvCounterNonce(iv).Data(sealed).Exec())(t).Data; !bytes.Equal(got, plain) {
			t.Error("CBC: another plaintext comes back")
		}
		if since(v, kmip.V1_4) {
			gcm := kmip.CryptographicParameters{BlockCipherMode: kmip.BlockCipherModeGCM, TagLength: 16}
			box := must(c.Encrypt(id).WithCryptographicParameters(gcm).WithIvCounterNonce(iv[:12]).WithAAD([]byte("shelf")).Data(plain).Exec())(t)
			open := c.Decrypt(id).WithCryptographicParameters(gcm).WithIvCounterNonce(iv[:12]).WithAuthTag(box.AuthenticatedEncryptionTag)
			if got := must(open.WithAAD([]byte("shelf")).Data(box.Data).Exec())(t).Data; !bytes.Equal(got, plain) {
				t.Error("GCM: another plaintext comes back")
			}
			if _, err := open.WithAAD([]byte("other")).Data(box.Data).Exec(); err == nil {
				t.Error("GCM: additional data that were changed were taken")
			}
		}
		remove(t, c, id)
	})
}

func TestSign(t *testing.T) {
	eachThatEncrypts(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		message := []byte("what is signed")
		digest := sha256.Sum256(message)
		for name, pair := range map[string]kmipclient.ExecCreateKeyPairAttr{
			"RSA": c.CreateKeyPair().RSA(2048, signs, verifies),
			"EC":  c.CreateKeyPair().ECDSA(kmip.RecommendedCurveP_256, signs, verifies),
		} {
			made := must(pair.Exec())(t)
			private, public := made.PrivateKeyUniqueIdentifier, made.PublicKeyUniqueIdentifier
			must(c.Activate(private).Exec())(t)
			must(c.Activate(public).Exec())(t)
			params := kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmSHA_256WithRSAEncryption}
			if name == "EC" {
				params = kmip.CryptographicParameters{DigitalSignatureAlgorithm: kmip.DigitalSignatureAlgorithmECDSAWithSHA256}
			}
			signature := must(c.Sign(private).WithCryptographicParameters(params).Data(message).Exec())(t).SignatureData
			verify := func(data []byte) kmip.ValidityIndicator {
				return must(c.SignatureVerify(public).WithCryptographicParameters(params).Data(data).Signature(signature).Exec())(t).ValidityIndicator
			}
			if got := verify(message); got != kmip.ValidityIndicatorValid {
				t.Errorf("%s: the signature is %v", name, got)
			}
			if got := verify([]byte("something else")); got != kmip.ValidityIndicatorInvalid {
				t.Errorf("%s: the signature of another message is %v", name, got)
			}
			valid := false
			switch key := must(must(c.Get(public).Exec())(t).Object.(*kmip.PublicKey).CryptoPublicKey())(t).(type) {
			case *rsa.PublicKey:
				valid = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
			case *ecdsa.PublicKey:
				valid = ecdsa.VerifyASN1(key, digest[:], signature)
			}
			if !valid {
				t.Errorf("%s: the signature does not verify outside", name)
			}
			signer := must(c.Signer(t.Context(), private, public))(t)
			must(signer.Sign(rand.Reader, digest[:], crypto.SHA256))(t)
			remove(t, c, private, public)
		}
	})
}
