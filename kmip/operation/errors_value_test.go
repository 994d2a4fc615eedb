package operation_test

import (
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// asked are the ways in which Get and Export ask for an object.
type asked struct {
	format      kmip.KeyFormatType
	compression kmip.KeyCompressionType
	wrap        kmip.KeyWrapType
	spec        func(f *fixture) *kmip.Item
}

func valueRefusals() []refusal {
	encrypted := func(key func(*fixture) string, more ...kmip.Item) func(*fixture) *kmip.Item {
		return func(f *fixture) *kmip.Item {
			return wrapSpec(kmip.WrappingMethodEncrypt, append([]kmip.Item{information(kmip.TagEncryptionKeyInformation, key(f))}, more...)...)
		}
	}
	signed := func(key func(*fixture) string) func(*fixture) *kmip.Item {
		return func(f *fixture) *kmip.Item {
			return wrapSpec(kmip.WrappingMethodEncryptThenMACSign, information(kmip.TagEncryptionKeyInformation, f.kek), information(kmip.TagMACSignatureKeyInformation, key(f)))
		}
	}
	kek := func(f *fixture) string { return f.kek }
	active := func(f *fixture) string { return f.active }
	name := func(f *fixture) kmip.Item {
		if f.v < kmip.V20 {
			return kmip.Text(kmip.TagAttributeName, "Name")
		}
		return kmip.Enumeration(kmip.TagAttributeReference, uint32(kmip.TagName))
	}
	var (
		noWrapping = since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonWrappingObjectNotFound)
		noKey      = since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType)
		encoding   = always(kmip.ResultReasonEncodingOptionError)
		unmatched  = since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonBadCryptographicParameters)
		feature    = always(kmip.ResultReasonFeatureNotSupported)
		secrecy    = func(since14 kmip.ResultReason) reasons { return always(since14) }
	)
	var list []refusal
	for _, op := range []kmip.Operation{kmip.OperationGet, kmip.OperationExport} {
		add := func(name string, uid func(*fixture) string, how asked, want reasons, since, until kmip.Version) {
			list = append(list, refusal{op: op, name: name, want: want, since: since, until: until, request: func(f *fixture) any {
				var spec *kmip.Item
				if how.spec != nil {
					spec = how.spec(f)
				}
				if op == kmip.OperationGet {
					return &payload.GetRequest{UniqueIdentifier: ref(uid(f)), KeyFormatType: how.format, KeyCompressionType: how.compression, KeyWrapType: how.wrap, KeyWrappingSpecification: spec}
				}
				return &payload.ExportRequest{UniqueIdentifier: ref(uid(f)), KeyFormatType: how.format, KeyCompressionType: how.compression, KeyWrapType: how.wrap, KeyWrappingSpecification: spec}
			}})
		}
		add("no such object", nothing, asked{}, notThere, 0, 0)
		add("an identifier that cannot be", func(*fixture) string { return strings.Repeat("x", 300) }, asked{}, notThere, 0, 0)
		add("no wrapping key", active, asked{spec: encrypted(nothing)}, noWrapping, 0, 0)
		add("a wrapping key that is none", active, asked{spec: encrypted(func(f *fixture) string { return f.opaque })}, noKey, 0, 0)
		add("a wrapping key that may not", active, asked{spec: encrypted(active)}, wrongMask, 0, 0)
		add("a wrapping key that is not Active", active, asked{spec: encrypted(func(f *fixture) string { return f.kekIdle })}, wrongState, 0, 0)
		add("a wrapping key that is destroyed", active, asked{spec: encrypted(func(f *fixture) string { return f.kekGone })}, since2(kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrappingObjectDestroyed), 0, 0)
		add("a wrapping key that is archived", active, asked{spec: encrypted(func(f *fixture) string { return f.kekStored })}, since2(kmip.ResultReasonObjectArchived, kmip.ResultReasonWrappingObjectArchived), 0, 0)
		add("no key for the MAC", active, asked{spec: signed(nothing)}, noWrapping, 0, 0)
		add("a key for the MAC that is none", active, asked{spec: signed(func(f *fixture) string { return f.opaque })}, noKey, 0, 0)
		add("a key for the MAC that may not", active, asked{spec: signed(active)}, wrongMask, 0, 0)
		add("a format that such keys do not have", active, asked{format: kmip.KeyFormatTypeX509}, always(kmip.ResultReasonKeyFormatTypeNotSupported), 0, 0)
		add("a compression that such keys do not have", active, asked{compression: kmip.KeyCompressionTypeECPublicKeyTypeX962CompressedPrime}, always(kmip.ResultReasonKeyCompressionTypeNotSupported), 0, 0)
		// Parameters of a request are taken as given (docs/divergences.md).
		add("a wrapping key that needs parameters and has none", active, asked{spec: encrypted(func(f *fixture) string { return f.kekBound })}, unmatched, 0, 0)
		add("an encoding that there is not", active, asked{spec: encrypted(kek, kmip.Enumeration(kmip.TagEncodingOption, uint32(0x80000001)))}, encoding, kmip.V11, 0)
		add("a transparent key without encoding", func(f *fixture) string { return f.transparent }, asked{spec: encrypted(kek, noEncoding)}, encoding, kmip.V13, 0)
		add("attributes without encoding", active, asked{spec: func(f *fixture) *kmip.Item { return encrypted(kek, name(f), noEncoding)(f) }}, encoding, kmip.V11, 0)
		add("an attribute to be wrapped that it does not have", func(f *fixture) string { return f.limited }, asked{spec: func(f *fixture) *kmip.Item { return encrypted(kek, name(f))(f) }},
			since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonAttributeNotFound), 0, 0)
		add("a Key Wrap Type that there is not", active, asked{wrap: 0x80000001}, since2(kmip.ResultReasonFeatureNotSupported, kmip.ResultReasonKeyWrapTypeNotSupported), kmip.V14, 0)
		add("a Wrapping Method that is not there", active, asked{spec: func(f *fixture) *kmip.Item {
			return wrapSpec(kmip.WrappingMethodTR31, information(kmip.TagEncryptionKeyInformation, f.kek))
		}}, feature, 0, 0)
		add("no key to encrypt with", active, asked{spec: func(*fixture) *kmip.Item { return wrapSpec(kmip.WrappingMethodEncrypt) }}, wrongMessage, 0, 0)
		add("what is wrapped already", func(f *fixture) string { return f.wrapped }, asked{spec: encrypted(kek)}, feature, 0, 0)
		add("what is not wrapped: opaque data", func(f *fixture) string { return f.opaque }, asked{spec: encrypted(kek)}, noKey, 0, 0)
		add("no Key Value to wrap", func(f *fixture) string { return f.valueless }, asked{spec: encrypted(kek)}, noValue, kmip.V12, 0)
		add("a sensitive object", func(f *fixture) string { return f.sensitive }, asked{}, secrecy(kmip.ResultReasonSensitive), kmip.V14, 0)
		add("a sensitive object, before there was a reason for it", func(f *fixture) string { return f.sensitive }, asked{}, always(kmip.ResultReasonPermissionDenied), 0, kmip.V13)
		add("an object that is not extractable", func(f *fixture) string { return f.fixed }, asked{}, secrecy(kmip.ResultReasonNotExtractable), kmip.V14, 0)
		add("one that is not extractable, wrapped", func(f *fixture) string { return f.fixed }, asked{spec: encrypted(kek)}, secrecy(kmip.ResultReasonNotExtractable), kmip.V14, 0)
		add("an archived object", func(f *fixture) string { return f.archived }, asked{}, archivedNow, 0, 0)
		if op == kmip.OperationGet {
			add("a destroyed object", func(f *fixture) string { return f.destroyed }, asked{}, since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonObjectDestroyed), 0, 0)
			add("no Key Value, before there were such objects", func(f *fixture) string { return f.valueless }, asked{}, always(kmip.ResultReasonIllegalOperation), 0, kmip.V11)
			list[len(list)-1].late = true
		}
	}
	return append(list, withoutIdentifier(kmip.OperationGet, &payload.GetRequest{}), withoutIdentifier(kmip.OperationExport, &payload.ExportRequest{}))
}

// Each error of Get and Export has the reason that its version gives it (1.4
// §11.12, §11.41; 2.1 §6.1.18, §6.1.19).
func TestErrorsOfValues(t *testing.T) { refuse(t, valueRefusals()) }
