package ovh

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipclient"
)

const (
	encrypts = kmip.CryptographicUsageEncrypt | kmip.CryptographicUsageDecrypt
	signs    = kmip.CryptographicUsageSign
	verifies = kmip.CryptographicUsageVerify
)

// remove takes an object out of the way, whatever its state.
func remove(t testing.TB, c *kmipclient.Client, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, _ = c.Revoke(id).WithRevocationReasonCode(kmip.RevocationReasonCodeCessationOfOperation).Exec() // refused for what was never active
		must(c.Destroy(id).Exec())(t)
		if _, err := c.Get(id).Exec(); err == nil {
			t.Errorf("%s is still there after Destroy", id)
		}
	}
}

func TestCreate(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		for _, bits := range []int{128, 192, 256} {
			id := must(c.Create().AES(bits, encrypts).WithName(t.Name()).Exec())(t).UniqueIdentifier
			key := must(c.Get(id).Exec())(t).Object.(*kmip.SymmetricKey)
			if material := must(key.KeyMaterial())(t); len(material)*8 != bits {
				t.Errorf("%d bytes for a key of %d bits", len(material), bits)
			}
			remove(t, c, id)
		}
		id := must(c.Create().SymmetricKey(kmip.CryptographicAlgorithm3DES, 192, encrypts).Exec())(t).UniqueIdentifier
		remove(t, c, id)
	})
}

func TestCreateKeyPair(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		pair := must(c.CreateKeyPair().RSA(2048, signs, verifies).Exec())(t)
		private := must(must(c.Get(pair.PrivateKeyUniqueIdentifier).Exec())(t).Object.(*kmip.PrivateKey).RSA())(t)
		public := must(must(c.Get(pair.PublicKeyUniqueIdentifier).Exec())(t).Object.(*kmip.PublicKey).RSA())(t)
		if !private.PublicKey.Equal(public) || private.N.BitLen() != 2048 {
			t.Error("RSA: the keys do not belong together")
		}
		remove(t, c, pair.PrivateKeyUniqueIdentifier, pair.PublicKeyUniqueIdentifier)

		pair = must(c.CreateKeyPair().ECDSA(kmip.RecommendedCurveP_256, signs, verifies).Exec())(t)
		ecPrivate := must(must(c.Get(pair.PrivateKeyUniqueIdentifier).Exec())(t).Object.(*kmip.PrivateKey).ECDSA())(t)
		ecPublic := must(must(c.Get(pair.PublicKeyUniqueIdentifier).Exec())(t).Object.(*kmip.PublicKey).ECDSA())(t)
		if !ecPrivate.PublicKey.Equal(ecPublic) {
			t.Error("EC: the keys do not belong together")
		}
		remove(t, c, pair.PrivateKeyUniqueIdentifier, pair.PublicKeyUniqueIdentifier)
	})
}

func TestRegisterSymmetricKey(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		for _, format := range []kmipclient.KeyFormat{kmipclient.RAW, kmipclient.Transparent} {
			material := []byte("0123456789abcdef")
			id := must(c.Register().WithKeyFormat(format).SymmetricKey(kmip.CryptographicAlgorithmAES, encrypts, material).Exec())(t).UniqueIdentifier
			got := must(must(c.Get(id).Exec())(t).Object.(*kmip.SymmetricKey).KeyMaterial())(t)
			if !bytes.Equal(got, material) {
				t.Errorf("format %d: another key comes back", format)
			}
			remove(t, c, id)
		}
	})
}

func TestRegisterRSA(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		for _, format := range []kmipclient.KeyFormat{kmipclient.PKCS1, kmipclient.PKCS8, kmipclient.Transparent} {
			id := must(c.Register().WithKeyFormat(format).RsaPrivateKey(key, signs).Exec())(t).UniqueIdentifier
			if got := must(must(c.Get(id).Exec())(t).Object.(*kmip.PrivateKey).RSA())(t); !got.Equal(key) {
				t.Errorf("format %d: another private key comes back", format)
			}
			remove(t, c, id)
		}
		for _, format := range []kmipclient.KeyFormat{kmipclient.PKCS1, kmipclient.X509, kmipclient.Transparent} {
			id := must(c.Register().WithKeyFormat(format).RsaPublicKey(&key.PublicKey, verifies).Exec())(t).UniqueIdentifier
			if got := must(must(c.Get(id).Exec())(t).Object.(*kmip.PublicKey).RSA())(t); !got.Equal(&key.PublicKey) {
				t.Errorf("format %d: another public key comes back", format)
			}
			remove(t, c, id)
		}
	})
}

func TestRegisterEC(t *testing.T) {
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		key := must(ecdsa.GenerateKey(curve, rand.Reader))(t)
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
				for _, format := range []kmipclient.KeyFormat{kmipclient.SEC1, kmipclient.PKCS8, kmipclient.Transparent} {
					id := must(c.Register().WithKeyFormat(format).EcdsaPrivateKey(key, signs).Exec())(t).UniqueIdentifier
					if got := must(must(c.Get(id).Exec())(t).Object.(*kmip.PrivateKey).ECDSA())(t); !got.Equal(key) {
						t.Errorf("format %d: another private key comes back", format)
					}
					remove(t, c, id)
				}
				for _, format := range []kmipclient.KeyFormat{kmipclient.X509, kmipclient.Transparent} {
					id := must(c.Register().WithKeyFormat(format).EcdsaPublicKey(&key.PublicKey, verifies).Exec())(t).UniqueIdentifier
					if got := must(must(c.Get(id).Exec())(t).Object.(*kmip.PublicKey).ECDSA())(t); !got.Equal(&key.PublicKey) {
						t.Errorf("format %d: another public key comes back", format)
					}
					remove(t, c, id)
				}
			})
		})
	}
}

func TestRegisterCertificate(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "array-17"}, NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		id := must(c.Register().Certificate(kmip.CertificateTypeX_509, der).Exec())(t).UniqueIdentifier
		got := must(must(c.Get(id).Exec())(t).Object.(*kmip.Certificate).X509Certificate())(t)
		if got.Subject.CommonName != "array-17" || !bytes.Equal(got.Raw, der) {
			t.Errorf("got the certificate of %s", got.Subject)
		}
		remove(t, c, id)
	})
}

func TestRegisterSecretData(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		id := must(c.Register().SecretString(kmip.SecretDataTypePassword, "correct horse").Exec())(t).UniqueIdentifier
		got := must(must(c.Get(id).Exec())(t).Object.(*kmip.SecretData).Data())(t)
		if string(got) != "correct horse" {
			t.Error("another secret comes back")
		}
		remove(t, c, id)
	})
}

func TestRegisterOpaqueObject(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		id := must(c.Register().Object(&kmip.OpaqueObject{OpaqueDataType: 0x80000001, OpaqueDataValue: []byte{0, 1, 2}}).Exec())(t).UniqueIdentifier
		got := must(c.Get(id).Exec())(t).Object.(*kmip.OpaqueObject)
		if !bytes.Equal(got.OpaqueDataValue, []byte{0, 1, 2}) || got.OpaqueDataType != 0x80000001 {
			t.Errorf("got %+v", got)
		}
		must(c.Destroy(id).Exec())(t)
	})
}
