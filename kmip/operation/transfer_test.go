package operation_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm/keywrap"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

func (s *server) export(v kmip.Version, uid string) *payload.ExportResponse {
	s.t.Helper()
	return one[payload.ExportResponse](s, v, kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(uid)})
}

// imported is a request to take over what was exported.
func imported(uid string, from *payload.ExportResponse) *payload.ImportRequest {
	return &payload.ImportRequest{UniqueIdentifier: ref(uid), ObjectType: from.ObjectType, Attributes: from.Attributes, Object: from.Object}
}

// texts lists attributes as text, in an order of their own.
func texts(attrs kmip.Attributes) []string {
	var list []string
	for _, a := range attrs {
		list = append(list, strings.Join([]string{a.String(), string(kmip.AppendItem(nil, a.Value))}, "="))
	}
	slices.Sort(list)
	return list
}

func sameAttributes(t *testing.T, what string, got, want kmip.Attributes) {
	t.Helper()
	g, w := texts(got), texts(want)
	for _, x := range w {
		if !slices.Contains(g, x) {
			t.Errorf("%s: %q is missing or changed", what, x)
		}
	}
	for _, x := range g {
		if !slices.Contains(w, x) {
			t.Errorf("%s: %q was not there", what, x)
		}
	}
}

// What was exported can be imported again, and is the same object as before: its
// value, its state, its dates and all other attributes.
func TestImportOfWhatWasExported(t *testing.T) {
	inEvery(t, kmip.V14, func(t *testing.T, s *server, v kmip.Version) {
		limits := kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 100), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte))
		used := s.create(v, items(aes(name("used"), s.now(), limits, kmip.Text(kmip.TagObjectGroup, "north"), link(kmip.LinkTypeParentLink, "elsewhere")))...)
		one[payload.EncryptResponse](s, v, kmip.OperationEncrypt, &payload.EncryptRequest{
			UniqueIdentifier: ref(used), Data: payload.Data{Bytes: make([]byte, 30)},
			CryptographicParameters: parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM)),
		})
		compromised := s.create(v, items(aes(name("compromised"), s.now()))...)
		one[payload.RevokeResponse](s, v, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref(compromised), RevocationReason: &payload.RevocationReason{
			RevocationReasonCode: kmip.RevocationReasonCodeKeyCompromise, RevocationMessage: "lost",
		}})
		pair := s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
		root, _ := chain(t, s.svc.Clock.Now(), s.svc.Clock.Now().Add(time.Hour))
		objects := map[string]string{
			"a key that was used": used, "a compromised key": compromised,
			"a private key": pair.PrivateKeyUniqueIdentifier, "a public key": pair.PublicKeyUniqueIdentifier,
			"secret data":   s.register(v, password("pw"), name("pw")),
			"a certificate": s.register(v, &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: root}, name("c")),
			"opaque data":   s.register(v, &kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte("blob"))}, name("o")),
			"a split key":   s.split(v, splitting(kmip.SplitKeyMethodPolynomialSharingGF28, "", 2, 2, name("s")))[0],
		}
		s.svc.Clock.Advance(time.Minute)
		other := s.in("other")
		for what, uid := range objects {
			before := s.export(v, uid)
			r := other.send(v, 0, batch(kmip.OperationImport, imported(uid, before)), batch(kmip.OperationExport, &payload.ExportRequest{}))
			if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
				t.Fatalf("%s: %+v", what, r.Items)
			}
			after := r.Items[1].Payload.(*payload.ExportResponse)
			if after.UniqueIdentifier != uid || after.ObjectType != before.ObjectType {
				t.Errorf("%s: the ID Placeholder is %s, want %s", what, after.UniqueIdentifier, uid)
			}
			sameAttributes(t, what, after.Attributes.Attributes, before.Attributes.Attributes)
			if !bytes.Equal(kmip.AppendItem(nil, after.Object.Item()), kmip.AppendItem(nil, before.Object.Item())) {
				t.Errorf("%s: the value differs", what)
			}
		}
		dec := other.try(v, kmip.OperationEncrypt, &payload.EncryptRequest{
			UniqueIdentifier: ref(used), Data: payload.Data{Bytes: make([]byte, 71)},
			CryptographicParameters: parameters(kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM)),
		})
		if dec.Status != failed || dec.Reason != kmip.ResultReasonPermissionDenied {
			t.Errorf("the usage limits began again: %s %s", dec.Status, dec.Reason)
		}
	})
}

func TestImportReplaces(t *testing.T) {
	inEvery(t, kmip.V14, func(t *testing.T, s *server, v kmip.Version) {
		uid := s.create(v, items(aes(name("first")))...)
		request := &payload.ImportRequest{
			UniqueIdentifier: ref(uid), ObjectType: kmip.ObjectTypeSymmetricKey, Object: symmetric(kmip.CryptographicAlgorithmAES, bytes.Repeat([]byte{4}, 16)),
			Attributes: payload.AttributeList{Attributes: template(name("second"), mask(kmip.CryptographicUsageMaskEncrypt)).Attributes},
		}
		s.fails(v, "an identifier that is taken", kmip.OperationImport, request, kmip.ResultReasonObjectAlreadyExists)
		request.ReplaceExisting = ptr(false)
		s.fails(v, "an identifier that is taken, Replace Existing false", kmip.OperationImport, request, kmip.ResultReasonObjectAlreadyExists)
		request.ReplaceExisting = ptr(true)
		r := s.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationImport, request), getItem("nothing"))
		if !equal(statuses(r), []kmip.ResultStatus{undone, failed}) {
			t.Fatalf("%+v", r.Items)
		}
		if got := s.attributes(v, uid).Names(); len(got) != 1 || got[0] != "first" || len(s.material(v, uid)) != 32 {
			t.Errorf("after an Import that was undone: names %q", got)
		}
		one[payload.ImportResponse](s, v, kmip.OperationImport, request)
		if got := s.attributes(v, uid).Names(); len(got) != 1 || got[0] != "second" || !bytes.Equal(s.material(v, uid), bytes.Repeat([]byte{4}, 16)) {
			t.Errorf("after Import: names %q", got)
		}
		s.create(v, items(aes(name("first")))...) // the name is free again
		s.archive(uid)
		s.fails(v, "replacing what is archived", kmip.OperationImport, request, kmip.ResultReasonObjectArchived)
	})
}

// A destroyed object is exported without its value, and comes back as one that is
// destroyed.
func TestExportOfADestroyedObject(t *testing.T) {
	inEvery(t, kmip.V14, func(t *testing.T, s *server, v kmip.Version) {
		pair := s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
		root, _ := chain(t, s.svc.Clock.Now(), s.svc.Clock.Now().Add(time.Hour))
		for what, uid := range map[string]string{
			"a key": s.create(v, items(aes(name("k")))...), "a private key": pair.PrivateKeyUniqueIdentifier, "secret data": s.register(v, password("pw")),
			"a certificate": s.register(v, &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: root}),
			"opaque data":   s.register(v, &kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte("blob"))}),
			"a split key":   s.split(v, splitting(kmip.SplitKeyMethodXOR, "", 2, 2))[0],
		} {
			s.destroy(uid)
			got := s.export(v, uid)
			if st := kmip.State(got.Attributes.Attributes.Uint32(kmip.TagState)); st != kmip.StateDestroyed {
				t.Errorf("%s: state %s", what, st)
			}
			if got.Object.HasValue() && len(got.Object.OpaqueDataValue.Reveal()) > 0 {
				t.Errorf("%s: its value was exported", what)
			}
		}
	})
}

// An exported key is wrapped and converted as Get does it.
func TestExportWrappedAndConverted(t *testing.T) {
	inEvery(t, kmip.V14, func(t *testing.T, s *server, v kmip.Version) {
		material := bytes.Repeat([]byte{0x21}, 32)
		kek := s.register(v, symmetric(kmip.CryptographicAlgorithmAES, material), s.now(), mask(kmip.CryptographicUsageMaskWrapKey|kmip.CryptographicUsageMaskUnwrapKey))
		uid := s.register(v, symmetric(kmip.CryptographicAlgorithmAES, bytes.Repeat([]byte{5}, 16)), kmip.Boolean(kmip.TagSensitive, true))
		s.fails(v, "a sensitive key", kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(uid)}, kmip.ResultReasonSensitive)
		spec := kmip.Structure(kmip.TagKeyWrappingSpecification, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt),
			kmip.Structure(kmip.TagEncryptionKeyInformation, kmip.Text(kmip.TagUniqueIdentifier, kek)), kmip.Enumeration(kmip.TagEncodingOption, kmip.EncodingOptionNoEncoding))
		got := one[payload.ExportResponse](s, v, kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(uid), KeyWrappingSpecification: &spec})
		opened, err := keywrap.Unwrap(secret.Copy(material), got.Object.Key.Material.Reveal())
		if err != nil || !bytes.Equal(opened.Reveal(), bytes.Repeat([]byte{5}, 16)) {
			t.Errorf("wrapped export: %v", err)
		}
		// As it is, it is kept wrapped; with Not Wrapped it is unwrapped first.
		for wrap, kept := range map[kmip.KeyWrapType]bool{0: true, kmip.KeyWrapTypeAsRegistered: true, kmip.KeyWrapTypeNotWrapped: false} {
			request := imported("copy "+wrap.String(), got)
			request.KeyWrapType = wrap
			request.Attributes.Attributes = template(mask(kmip.CryptographicUsageMaskEncrypt)).Attributes
			one[payload.ImportResponse](s, v, kmip.OperationImport, request)
			back := s.get(v, "copy "+wrap.String()).Key
			if (back.Wrapping != nil) != kept {
				t.Errorf("Key Wrap Type %s: wrapped is %t", wrap, back.Wrapping != nil)
			}
			if !kept && !bytes.Equal(back.Material.Reveal(), bytes.Repeat([]byte{5}, 16)) {
				t.Errorf("Key Wrap Type %s: unwrapped to %x", wrap, back.Material.Reveal())
			}
			plain := one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref("copy " + wrap.String()), KeyWrapType: kmip.KeyWrapTypeNotWrapped}).Object.Key
			if plain.Wrapping != nil || !bytes.Equal(plain.Material.Reveal(), bytes.Repeat([]byte{5}, 16)) {
				t.Errorf("Key Wrap Type %s: Get of Not Wrapped gives %x", wrap, plain.Material.Reveal())
			}
		}
		pair := s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
		converted := one[payload.ExportResponse](s, v, kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(pair.PrivateKeyUniqueIdentifier), KeyFormatType: kmip.KeyFormatTypePKCS8})
		if converted.Object.Key.Format != kmip.KeyFormatTypePKCS8 {
			t.Errorf("format %s, want PKCS#8", converted.Object.Key.Format)
		}
	})
}

func TestTransferIsOfLaterVersions(t *testing.T) {
	s := newServer(t)
	for _, v := range []kmip.Version{kmip.V10, kmip.V11, kmip.V12, kmip.V13} {
		s.fails(v, "Export", kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref("x")}, kmip.ResultReasonOperationNotSupported)
		s.fails(v, "Import", kmip.OperationImport, &payload.ImportRequest{UniqueIdentifier: ref("x")}, kmip.ResultReasonOperationNotSupported)
	}
}
