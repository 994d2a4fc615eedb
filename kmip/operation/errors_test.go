package operation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

// objects are what the errors are provoked on.
type objects struct {
	preActive, active, destroyed, sensitive, fixed, private, secretData, noEncrypt, limited string
}

func (s *server) objects() objects {
	s.t.Helper()
	now := kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now())
	make := func(extra ...kmip.Item) string {
		s.t.Helper()
		return one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(extra...)}).UniqueIdentifier
	}
	o := objects{
		preActive: make(name("taken")), active: make(now, name("active")), destroyed: make(),
		sensitive: make(kmip.Boolean(kmip.TagSensitive, true)), fixed: make(kmip.Boolean(kmip.TagExtractable, false)),
		limited: make(now, kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 1), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte))),
	}
	one[payload.DestroyResponse](s, kmip.V21, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(o.destroyed)})
	o.private = one[payload.CreateKeyPairResponse](s, kmip.V21, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes: template(now, kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA), kmip.Integer(kmip.TagCryptographicLength, 2048)),
	}).PrivateKeyUniqueIdentifier
	o.secretData = one[payload.RegisterResponse](s, kmip.V21, kmip.OperationRegister, &payload.RegisterRequest{
		ObjectType: kmip.ObjectTypeSecretData, Attributes: template(now),
		Object: &kmip.Object{Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte("pw"))}},
	}).UniqueIdentifier
	o.noEncrypt = one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(
		now, kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskDecrypt),
	)}).UniqueIdentifier
	return o
}

// only30 are the reasons that KMIP 3.0 gives otherwise than 2.1.
var only30 = map[string]kmip.ResultReason{"attributes of nothing": kmip.ResultReasonItemNotFound}

// Each error of each operation has the Result Reason that its version gives it.
func TestErrorsOfEveryOperation(t *testing.T) {
	attr := func(i kmip.Item) *payload.Instance { return &payload.Instance{Attribute: kmip.NewAttribute(i)} }
	gcm := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM))
	cbc := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC))
	tag3 := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Integer(kmip.TagTagLength, 3))
	hour := time.Hour
	long := strings.Repeat("x", 300)
	key := func(bits int32) *kmip.Object {
		return &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(make([]byte, 16)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: bits}}
	}
	reason := &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded}
	for _, c := range []struct {
		name          string
		op            kmip.Operation
		payload       func(o objects) any
		v14, v20, v21 kmip.ResultReason // 0: not in that version, or success there
	}{
		{"create with a length that is none", kmip.OperationCreate, func(objects) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES), kmip.Integer(kmip.TagCryptographicLength, 100))}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonInvalidAttributeValue},
		{"create of a certificate", kmip.OperationCreate, func(objects) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeCertificate, Attributes: aes()}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonInvalidObjectType},
		{"create with a name that is taken", kmip.OperationCreate, func(objects) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("taken"))}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonNonUniqueNameAttribute},
		{"create with a state", kmip.OperationCreate, func(objects) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(kmip.Enumeration(kmip.TagState, kmip.StateActive))}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonAttributeReadOnly},
		{"create with two lengths", kmip.OperationCreate, func(objects) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(kmip.Integer(kmip.TagCryptographicLength, 128))}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonAttributeSingleValued},
		{"register of another type", kmip.OperationRegister, func(objects) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSecretData, Object: key(128)}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonInvalidObjectType},
		{"register with a wrong length", kmip.OperationRegister, func(objects) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Object: key(256)}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonInvalidAttributeValue},
		{
			"get of nothing", kmip.OperationGet, func(objects) any { return &payload.GetRequest{UniqueIdentifier: ref("nothing")} },
			kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonObjectNotFound,
		},
		{
			"get by an identifier that cannot be", kmip.OperationGet, func(objects) any { return &payload.GetRequest{UniqueIdentifier: ref(long)} },
			kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonObjectNotFound,
		},
		{
			"get of what is destroyed", kmip.OperationGet, func(o objects) any { return &payload.GetRequest{UniqueIdentifier: ref(o.destroyed)} },
			kmip.ResultReasonIllegalOperation, kmip.ResultReasonObjectDestroyed, kmip.ResultReasonObjectDestroyed,
		},
		{
			"get of what is sensitive", kmip.OperationGet, func(o objects) any { return &payload.GetRequest{UniqueIdentifier: ref(o.sensitive)} },
			kmip.ResultReasonSensitive, kmip.ResultReasonSensitive, kmip.ResultReasonSensitive,
		},
		{
			"get of what is not extractable", kmip.OperationGet, func(o objects) any { return &payload.GetRequest{UniqueIdentifier: ref(o.fixed)} },
			kmip.ResultReasonNotExtractable, kmip.ResultReasonNotExtractable, kmip.ResultReasonNotExtractable,
		},
		{"get in an impossible format", kmip.OperationGet, func(o objects) any {
			return &payload.GetRequest{UniqueIdentifier: ref(o.active), KeyFormatType: kmip.KeyFormatTypeX509}
		}, kmip.ResultReasonKeyFormatTypeNotSupported, kmip.ResultReasonKeyFormatTypeNotSupported, kmip.ResultReasonKeyFormatTypeNotSupported},
		{
			"attributes of nothing", kmip.OperationGetAttributes, func(objects) any { return &payload.GetAttributesRequest{UniqueIdentifier: ref("nothing")} },
			kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonObjectNotFound,
		},
		{"an attribute named twice", kmip.OperationGetAttributes, func(o objects) any {
			return &payload.GetAttributesRequest{UniqueIdentifier: ref(o.active), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagName}, {Tag: kmip.TagName}}}
		}, kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidMessage},
		{"add what is read-only", kmip.OperationAddAttribute, func(o objects) any {
			return &payload.AddAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(kmip.Enumeration(kmip.TagState, kmip.StateActive))}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonReadOnlyAttribute},
		{"add what is there and has one value", kmip.OperationAddAttribute, func(o objects) any {
			return &payload.AddAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(kmip.DateTime(kmip.TagActivationDate, time.Now()))}
		}, kmip.ResultReasonIllegalOperation, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonAttributeSingleValued},
		{"add a name that is taken", kmip.OperationAddAttribute, func(o objects) any {
			return &payload.AddAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(name("taken"))}
		}, kmip.ResultReasonIllegalOperation, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonNonUniqueNameAttribute},
		{"modify what is read-only", kmip.OperationModifyAttribute, func(o objects) any {
			return &payload.ModifyAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(kmip.Enumeration(kmip.TagState, kmip.StateActive))}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonAttributeReadOnly},
		{"modify what is not there", kmip.OperationModifyAttribute, func(o objects) any {
			return &payload.ModifyAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(kmip.Text(kmip.TagContactInformation, "x"))}
		}, kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeNotFound, kmip.ResultReasonAttributeNotFound},
		{"modify the activation of an active key", kmip.OperationModifyAttribute, func(o objects) any {
			return &payload.ModifyAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(kmip.DateTime(kmip.TagActivationDate, time.Now()))}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
		{"set what has several instances", kmip.OperationSetAttribute, func(o objects) any {
			return &payload.SetAttributeRequest{UniqueIdentifier: ref(o.active), NewAttribute: attr(kmip.Enumeration(kmip.TagState, kmip.StateActive))}
		}, 0, kmip.ResultReasonReadOnlyAttribute, kmip.ResultReasonReadOnlyAttribute},
		{"delete what is not there", kmip.OperationDeleteAttribute, func(o objects) any {
			return &payload.DeleteAttributeRequest{UniqueIdentifier: ref(o.active), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagContactInformation}}}
		}, kmip.ResultReasonItemNotFound, kmip.ResultReasonAttributeNotFound, kmip.ResultReasonAttributeNotFound},
		{"delete what is required", kmip.OperationDeleteAttribute, func(o objects) any {
			return &payload.DeleteAttributeRequest{UniqueIdentifier: ref(o.active), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagCryptographicUsageMask}}}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonAttributeReadOnly},
		{
			"activate twice", kmip.OperationActivate, func(o objects) any { return &payload.ActivateRequest{UniqueIdentifier: ref(o.active)} },
			kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState,
		},
		{"revoke what is not active", kmip.OperationRevoke, func(o objects) any {
			return &payload.RevokeRequest{UniqueIdentifier: ref(o.preActive), RevocationReason: reason}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
		{
			"revoke without a reason", kmip.OperationRevoke, func(o objects) any { return &payload.RevokeRequest{UniqueIdentifier: ref(o.active)} },
			kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidMessage,
		},
		{
			"destroy of an active key", kmip.OperationDestroy, func(o objects) any { return &payload.DestroyRequest{UniqueIdentifier: ref(o.active)} },
			kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState,
		},
		{
			"destroy twice", kmip.OperationDestroy, func(o objects) any { return &payload.DestroyRequest{UniqueIdentifier: ref(o.destroyed)} },
			kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectDestroyed, kmip.ResultReasonObjectDestroyed,
		},
		{"check of a mask that is not allowed", kmip.OperationCheck, func(o objects) any {
			mask := int32(kmip.CryptographicUsageMaskSign)
			return &payload.CheckRequest{UniqueIdentifier: ref(o.active), CryptographicUsageMask: &mask}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonIncompatibleCryptographicUsageMask},
		{"check of more than is left", kmip.OperationCheck, func(o objects) any {
			n := int64(2)
			return &payload.CheckRequest{UniqueIdentifier: ref(o.limited), UsageLimitsCount: &n}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonUsageLimitExceeded, kmip.ResultReasonUsageLimitExceeded},
		{
			"re-key of a private key", kmip.OperationReKey, func(o objects) any { return &payload.ReKeyRequest{UniqueIdentifier: ref(o.private)} },
			kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonInvalidObjectType,
		},
		{"re-key with an offset and nothing to shift", kmip.OperationReKey, func(o objects) any {
			return &payload.ReKeyRequest{UniqueIdentifier: ref(o.preActive), Offset: &hour}
		}, kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidField},
		{"encrypt with a key that is not active", kmip.OperationEncrypt, func(o objects) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(o.preActive), CryptographicParameters: &gcm, Data: payload.Data{Bytes: []byte("x")}}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
		{"encrypt with a key that may not", kmip.OperationEncrypt, func(o objects) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(o.noEncrypt), CryptographicParameters: &gcm, Data: payload.Data{Bytes: []byte("x")}}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonIncompatibleCryptographicUsageMask},
		{"encrypt with secret data", kmip.OperationEncrypt, func(o objects) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(o.secretData), CryptographicParameters: &gcm, Data: payload.Data{Bytes: []byte("x")}}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonInvalidObjectType},
		{"encrypt beyond the usage limits", kmip.OperationEncrypt, func(o objects) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(o.limited), CryptographicParameters: &gcm, Data: payload.Data{Bytes: []byte("xx")}}
		}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied},
		{"encrypt a broken block", kmip.OperationEncrypt, func(o objects) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(o.active), CryptographicParameters: &cbc, Data: payload.Data{Bytes: []byte("x")}}
		}, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonCryptographicFailure},
		{"encrypt with an impossible tag", kmip.OperationEncrypt, func(o objects) any {
			return &payload.EncryptRequest{UniqueIdentifier: ref(o.active), CryptographicParameters: &tag3, Data: payload.Data{Bytes: []byte("x")}}
		}, kmip.ResultReasonGeneralFailure, kmip.ResultReasonGeneralFailure, kmip.ResultReasonGeneralFailure},
		{"decrypt without an IV", kmip.OperationDecrypt, func(o objects) any {
			return &payload.DecryptRequest{UniqueIdentifier: ref(o.active), CryptographicParameters: &cbc, Data: payload.Data{Bytes: make([]byte, 16)}}
		}, kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidMessage},
		{"decrypt what was changed", kmip.OperationDecrypt, func(o objects) any {
			return &payload.DecryptRequest{UniqueIdentifier: ref(o.active), CryptographicParameters: &gcm, Data: payload.Data{Bytes: make([]byte, 16)}, IVCounterNonce: make([]byte, 12), AuthenticatedEncryptionTag: make([]byte, 16)}
		}, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonCryptographicFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			o := s.objects()
			v30 := c.v21
			if want, ok := only30[c.name]; ok {
				v30 = want
			}
			for v, want := range map[kmip.Version]kmip.ResultReason{kmip.V14: c.v14, kmip.V20: c.v20, kmip.V21: c.v21, kmip.V30: v30} {
				if want == 0 {
					continue
				}
				r := s.send(v, 0, payload.RequestItem{Operation: c.op, Payload: c.payload(o)}).Items[0]
				if r.Status != kmip.ResultStatusOperationFailed || r.Reason != want {
					t.Errorf("KMIP %s: %s, reason %s (%s); want %s", v, r.Status, r.Reason, r.Message, want)
				}
				if r.Message == "" || r.Payload != nil {
					t.Errorf("KMIP %s: message %q, payload %v", v, r.Message, r.Payload)
				}
			}
		})
	}
}
