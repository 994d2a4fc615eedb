package kmip_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
)

func sample() kmip.Attributes {
	var a kmip.Attributes
	a = a.Add(kmip.NewAttribute(kmip.NameValue{Value: "a", Type: kmip.NameTypeUninterpretedTextString}.Item()))
	a = a.Add(kmip.NewAttribute(kmip.NameValue{Value: "b", Type: kmip.NameTypeURI}.Item()))
	a = a.Add(kmip.NewAttribute(kmip.DateTime(kmip.TagInitialDate, time.Unix(-5, 0))))
	a = a.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeNextLink, Target: "x"}.Item()))
	return a.Add(kmip.Attribute{AttributeID: kmip.VendorAttribute("ACME", "n"), Value: kmip.Structure(kmip.TagAttribute, kmip.Boolean(kmip.TagFresh, true), kmip.ByteString(kmip.TagData, nil))})
}

func TestCanonicalFormLosesNothing(t *testing.T) {
	a := sample()
	b := a.AppendCanonical(nil)
	back, err := kmip.ParseAttributes(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(back) != len(a) {
		t.Fatalf("%d attributes, want %d", len(back), len(a))
	}
	for i := range a {
		if back[i].AttributeID != a[i].AttributeID || back[i].Index != a[i].Index || !back[i].Value.Equal(a[i].Value) {
			t.Errorf("attribute %d: %+v, want %+v", i, back[i], a[i])
		}
	}
	if back[1].Index != 1 {
		t.Errorf("index of the second Name: %d", back[1].Index)
	}
	if !bytes.Equal(back.AppendCanonical(nil), b) {
		t.Error("the canonical form of what was read differs")
	}
	for n := range b {
		if _, err := kmip.ParseAttributes(b[:n]); err == nil {
			t.Errorf("cut at %d of %d bytes it is still read", n, len(b))
		}
	}
}

func TestIndexesAreNeverRenumbered(t *testing.T) {
	a := sample().Remove(kmip.TagLink)
	a = a[1:] // the first Name is deleted
	a = a.Add(kmip.NewAttribute(kmip.NameValue{Value: "c", Type: kmip.NameTypeURI}.Item()))
	names := a.Instances(kmip.AttributeID{Tag: kmip.TagName})
	if len(names) != 2 || names[0].Index != 1 || names[1].Index != 2 {
		t.Errorf("indexes %+v", names)
	}
}

func TestLinksHaveAReferenceOfTheirKind(t *testing.T) {
	refs := sample().References()
	want := kmip.AttributeID{Tag: kmip.TagNextLink}
	found := false
	for _, r := range refs {
		found = found || r == want
	}
	if !found {
		t.Errorf("references %v lack %v", refs, want)
	}
	if got := sample().Matching(want); len(got) != 1 || kmip.LinkOf(got[0].Value).Target != "x" {
		t.Errorf("links of the kind: %+v", got)
	}
}

func TestObjectsSurviveTheirSealedForm(t *testing.T) {
	item := kmip.Structure(kmip.TagKeyMaterial, kmip.Item{Tag: kmip.TagModulus, Type: kmip.TypeBigInteger, Bytes: []byte{0, 1, 2, 3, 4, 5, 6, 7}})
	wrapping := kmip.Structure(kmip.TagKeyWrappingData, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt))
	for _, o := range []*kmip.Object{
		{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte("0123")), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 32, Attributes: sample()}},
		{Type: kmip.ObjectTypePublicKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeTransparentRSAPublicKey, Transparent: &item}},
		{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte("w")), Wrapping: &wrapping}},
		{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte("w")), Wrapping: &wrapping, Enclosed: true}},
		{Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypeSeed, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeOpaque}},
		{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypePGP, CertificateValue: []byte{1}},
		{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy(nil)},
	} {
		b := kmip.AppendItem(nil, o.Item())
		i, rest, err := kmip.ParseItem(b)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%s: %v", o.Type, err)
		}
		back, err := kmip.ObjectOf(i)
		if err != nil {
			t.Fatalf("%s: %v", o.Type, err)
		}
		if back.HasValue() != o.HasValue() || o.Key != nil && o.Key.Enclosed != back.Key.Enclosed || !bytes.Equal(kmip.AppendItem(nil, back.Item()), b) {
			t.Errorf("%s came back as %+v", o.Type, back)
		}
		clear(b)
		back.Destroy()
	}
}

func TestNamesOfTheVocabulary(t *testing.T) {
	for _, c := range []struct {
		tag         kmip.Tag
		name, title string
	}{
		{kmip.TagActivationDate, "ActivationDate", "Activation Date"},
		{kmip.TagX509CertificateSubject, "X_509CertificateSubject", "X.509 Certificate Subject"},
	} {
		if c.tag.String() != c.name || c.tag.Title() != c.title {
			t.Errorf("%s, %s", c.tag, c.tag.Title())
		}
		for _, n := range []string{c.name, c.title} {
			if got, ok := kmip.TagByName(n); !ok || got != c.tag {
				t.Errorf("TagByName(%q) = %s, %t", n, got, ok)
			}
		}
	}
	if v, ok := kmip.EnumByName(kmip.TagCryptographicAlgorithm, "aes"); !ok || v != uint32(kmip.CryptographicAlgorithmAES) {
		t.Errorf("EnumByName: %d, %t", v, ok)
	}
	if got := kmip.Operation(0x77).String(); got != "0x00000077" {
		t.Errorf("a value without a name: %s", got)
	}
	if got := kmip.MaskNames(kmip.TagCryptographicUsageMask, 0x0C); len(got) != 2 || got[0] != "Encrypt" || got[1] != "Decrypt" {
		t.Errorf("mask names %v", got)
	}
}

func FuzzParseAttributes(f *testing.F) {
	f.Add(sample().AppendCanonical(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := kmip.ParseAttributes(b)
		if err == nil && !bytes.Equal(a.AppendCanonical(nil), b) {
			t.Errorf("read %x, wrote %x", b, a.AppendCanonical(nil))
		}
	})
}
