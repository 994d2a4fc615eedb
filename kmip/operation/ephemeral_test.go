package operation_test

import (
	"crypto/sha256"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func TestEphemeralDataStaysInTheServer(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		uid := s.create(v, items(aes(s.now()))...)
		mode := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeECB), kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5))
		sha := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
		secret := one[payload.EncryptResponse](s, v, kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &mode, Data: payload.Data{Bytes: []byte("plain text")}}).Data
		decrypted := kmip.Enumeration(kmip.TagData, kmip.DataEnumerationDecrypt)
		for how, want := range map[kmip.Ephemeral]struct {
			only   kmip.Version
			status kmip.ResultStatus
		}{
			kmip.EphemeralData:             {0, ok},
			kmip.EphemeralEmpty:            {kmip.V30, failed},
			kmip.EphemeralUniqueIdentifier: {kmip.V30, failed},
		} {
			if v < want.only {
				continue
			}
			r := s.send(v, 0,
				payload.RequestItem{Operation: kmip.OperationDecrypt, Ephemeral: how, Payload: &payload.DecryptRequest{UniqueIdentifier: ref(uid), CryptographicParameters: &mode, Data: payload.Data{Bytes: secret}}},
				payload.RequestItem{Operation: kmip.OperationHash, Payload: &payload.HashRequest{CryptographicParameters: &sha, Data: payload.Data{From: &decrypted}}})
			if r.Items[0].Status != want.status {
				t.Errorf("%s: %s %s", how, r.Items[0].Reason, r.Items[0].Message)
			}
			if want.status != ok {
				continue
			}
			got := r.Items[0].Payload.(*payload.DecryptResponse)
			if got.Data != nil || got.UniqueIdentifier != uid {
				t.Errorf("%s: %+v", how, got)
			}
			if sum := sha256.Sum256([]byte("plain text")); string(r.Items[1].Payload.(*payload.HashResponse).Data) != string(sum[:]) {
				t.Errorf("%s: the next item had other Data", how)
			}
		}
	})
}
