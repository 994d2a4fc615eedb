package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
)

// An object whose format or algorithm a version lacks is not written in a form
// that is none of that version.
func TestGetInVersionsThatLackTheFormOfTheKey(t *testing.T) {
	s := newServer(t)
	register := func(o *kmip.Object) string {
		t.Helper()
		return one[payload.RegisterResponse](s, kmip.V21, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: o.Type, Object: o}).UniqueIdentifier
	}
	chacha := register(&kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(make([]byte, 32)), Algorithm: kmip.CryptographicAlgorithmChaCha20, LengthBits: 256,
	}})
	opaque := register(&kmip.Object{Type: kmip.ObjectTypePrivateKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeTransparentECPrivateKey, Material: secret.Copy([]byte("no such structure")), Algorithm: kmip.CryptographicAlgorithmEC, LengthBits: 256,
	}})
	how := kmip.Structure(kmip.TagKeyWrappingData, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt), kmip.Enumeration(kmip.TagEncodingOption, kmip.EncodingOptionNoEncoding))
	wrapped := register(&kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(make([]byte, 24)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128, Wrapping: &how,
	}})
	for _, v := range kmip.Versions {
		one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(chacha)})
		if w := s.send(v, 0, getItem(wrapped)); (w.Items[0].Status == ok) != (v > kmip.V10) {
			t.Errorf("KMIP %s, a wrapped key: %s %s", v, w.Items[0].Status, w.Items[0].Reason)
		}
		r := s.send(v, 0, getItem(opaque))
		if want := ok; v >= kmip.V13 && r.Items[0].Status != want {
			t.Errorf("KMIP %s: %s %s", v, r.Items[0].Status, r.Items[0].Message)
		}
		if v < kmip.V13 && r.Items[0].Status == ok {
			t.Errorf("KMIP %s: a format that it lacks", v)
		}
	}
}

// A field that a Key Block or Key Value has twice has two meanings.
func TestFieldsOfKeysAppearOnce(t *testing.T) {
	for _, tag := range []kmip.Tag{kmip.TagKeyFormatType, kmip.TagKeyValue, kmip.TagCryptographicLength, kmip.TagKeyMaterial} {
		s := newServer(t)
		key := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
			Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(make([]byte, 16)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128,
		}}
		message := dialect.EncodeRequest(&payload.Request{Version: kmip.V14, Items: []payload.RequestItem{
			{Operation: kmip.OperationRegister, Payload: &payload.RegisterRequest{ObjectType: key.Type, Object: key}},
		}})
		var twice func(i *kmip.Item)
		twice = func(i *kmip.Item) {
			for n := range i.Items {
				twice(&i.Items[n])
			}
			if f, ok := i.Field(tag); ok {
				i.Items = append(i.Items, f)
			}
		}
		twice(&message)
		if r := s.raw(wire.Append(nil, message)); r.Items[0].Reason != kmip.ResultReasonInvalidMessage {
			t.Errorf("%s twice: %s %s", tag, r.Items[0].Status, r.Items[0].Reason)
		}
	}
}
