package wire

import (
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
)

func TestDump(t *testing.T) {
	item := kmip.Structure(
		kmip.TagRequestPayload,
		kmip.Enumeration(kmip.TagObjectType, kmip.ObjectTypeSymmetricKey),
		kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt),
		kmip.Text(kmip.TagUniqueIdentifier, "a\nb"),
		kmip.Boolean(kmip.TagSensitive, true),
		kmip.DateTime(kmip.TagActivationDate, time.Unix(1205495800, 0)),
		kmip.Interval(kmip.TagLeaseTime, time.Hour),
		kmip.ByteString(kmip.TagIVCounterNonce, []byte{1, 2, 3}),
		kmip.Integer(kmip.TagCryptographicLength, 256),
	)
	const want = `RequestPayload (Structure)
  ObjectType (Enumeration): SymmetricKey
  CryptographicUsageMask (Integer): Encrypt Decrypt
  UniqueIdentifier (TextString): "a\nb"
  Sensitive (Boolean): true
  ActivationDate (DateTime): 2008-03-14T11:56:40Z
  LeaseTime (Interval): 3600 s
  IVCounterNonce (ByteString): 010203
  CryptographicLength (Integer): 256
`
	if got := Dump(item); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDumpHidesSecrets(t *testing.T) {
	const hex = "5345435245542121"
	secret := "SECRET!!"
	for name, item := range map[string]kmip.Item{
		"Key Material":               kmip.ByteString(kmip.TagKeyMaterial, []byte(secret)),
		"wrapped Key Value":          kmip.ByteString(kmip.TagKeyValue, []byte(secret)),
		"transparent Key Material":   kmip.Structure(kmip.TagKeyMaterial, kmip.Text(kmip.TagKey, secret)),
		"Key Value":                  kmip.Structure(kmip.TagKeyValue, kmip.Text(kmip.TagName, secret)),
		"Private Exponent":           {Tag: kmip.TagPrivateExponent, Type: kmip.TypeBigInteger, Bytes: []byte(secret)},
		"Password":                   kmip.Text(kmip.TagPassword, secret),
		"hashed password":            kmip.ByteString(kmip.TagHashedPassword, []byte(secret)),
		"One Time Password":          kmip.Text(kmip.TagOneTimePassword, secret),
		"Data":                       kmip.ByteString(kmip.TagData, []byte(secret)),
		"Opaque Data Value":          kmip.ByteString(kmip.TagOpaqueDataValue, []byte(secret)),
		"bytes of a vendor's":        kmip.ByteString(kmip.TagAttributeValue, []byte(secret)),
		"text of an unknown tag":     kmip.Text(0x540001, secret),
		"number of an unknown tag":   kmip.LongInteger(0x540001, 0x5345435245542121),
		"password inside credential": kmip.Structure(kmip.TagCredentialValue, kmip.Text(kmip.TagPassword, secret)),
	} {
		t.Run(name, func(t *testing.T) {
			got := Dump(kmip.Structure(kmip.TagRequestMessage, item))
			if strings.Contains(got, secret) || strings.Contains(strings.ToLower(got), hex) || strings.Contains(got, "5999713") {
				t.Errorf("the secret shows:\n%s", got)
			}
			if !strings.Contains(got, redacted) {
				t.Errorf("nothing says that something is missing:\n%s", got)
			}
		})
	}
}
