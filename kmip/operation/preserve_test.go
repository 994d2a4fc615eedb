package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

func attribute(i kmip.Item) *payload.Instance {
	return &payload.Instance{Attribute: kmip.NewAttribute(i)}
}

func (s *server) attributes(v kmip.Version, uid string) kmip.Attributes {
	s.t.Helper()
	return one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}).Attributes.Attributes
}

// afterwards: algorithm and length, which it is bound to, never change.
func TestNoAttributeOperationLosesTheValue(t *testing.T) {
	objects := map[string]*kmip.Object{
		"opaque object": {Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte("value"))},
		"secret data": {Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{
			Format: kmip.KeyFormatTypeOpaque, Material: secret.Copy([]byte("value")),
		}},
	}
	for what, o := range objects {
		for _, v := range []kmip.Version{kmip.V10, kmip.V14, kmip.V21, kmip.V30} {
			t.Run(what+" "+v.String(), func(t *testing.T) {
				s := newServer(t)
				uid := one[payload.RegisterResponse](s, v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: o.Type, Object: o}).UniqueIdentifier
				for _, i := range []kmip.Item{
					kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES),
					kmip.Integer(kmip.TagCryptographicLength, 128),
				} {
					add := s.send(v, 0, payload.RequestItem{Operation: kmip.OperationAddAttribute, Payload: &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(i)}})
					if add.Items[0].Status == ok {
						t.Errorf("Add Attribute of %s succeeds", i.Tag)
					}
					if v >= kmip.V20 {
						set := s.send(v, 0, payload.RequestItem{Operation: kmip.OperationSetAttribute, Payload: &payload.SetAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(i)}})
						if set.Items[0].Status == ok {
							t.Errorf("Set Attribute of %s succeeds", i.Tag)
						}
					}
				}
				one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)})
			})
		}
	}
}
