package operation_test

import (
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func TestCountersOf30CountWhatSucceeded(t *testing.T) {
	s := newServer(t)
	uid := one[payload.CreateResponse](s, kmip.V30, kmip.OperationCreate, createItem("k").Payload).UniqueIdentifier
	mode := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM))
	encrypt := payload.RequestItem{Operation: kmip.OperationEncrypt, Payload: &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &mode, Data: payload.Data{Bytes: make([]byte, 16)}}}
	if r := s.send(kmip.V30, 0, encrypt); r.Items[0].Status != failed {
		t.Fatal("a key that is not active encrypts")
	}
	one[payload.ActivateResponse](s, kmip.V30, kmip.OperationActivate, activateItem(uid).Payload)
	for range 2 {
		if r := s.send(kmip.V30, 0, encrypt); r.Items[0].Status != ok {
			t.Fatalf("Encrypt: %s", r.Items[0].Message)
		}
	}
	ask := &payload.GetAttributesRequest{UniqueIdentifier: ref(uid), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagEncryptCounter}, {Tag: kmip.TagDecryptCounter}}}
	got := one[payload.GetAttributesResponse](s, kmip.V30, kmip.OperationGetAttributes, ask).Attributes.Attributes
	if len(got) != 2 || got[0].Value.Int != 2 || got[1].Value.Int != 0 {
		t.Errorf("counters are %v, want 2 and 0", got)
	}
}
