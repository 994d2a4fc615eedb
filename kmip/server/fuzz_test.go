package server_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
)

// FuzzRespond sends bytes to the whole server, behind TLS: whatever arrives is
// answered in its encoding by a message that holds nothing that its version
// does not have.
func FuzzRespond(f *testing.F) {
	n := start(f, server.Timeouts{})
	handler := n.server.HTTP()
	cert := n.client.Certificates[0].Leaf
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	encodings := []wire.Encoding{wire.TTLV, wire.XML, wire.JSON}
	for i, v := range kmip.Versions {
		for j, message := range messages(v) {
			e := encodings[(i+j)%len(encodings)]
			b := asText(e, message)
			f.Add(uint8(e), b)
			if i == j {
				f.Add(uint8(e), b[:len(b)*3/4])
			}
		}
	}
	f.Fuzz(func(t *testing.T, encoding uint8, message []byte) {
		e := encodings[int(encoding)%len(encodings)]
		r := httptest.NewRequest(http.MethodPost, "/kmip", bytes.NewReader(message))
		r.Header.Set("Content-Type", mediaTypes[e])
		r.TLS = state
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != mediaTypes[e] {
			t.Fatalf("status %d, %v", w.Code, w.Header())
		}
		resp := decoded(t, e, w.Body.Bytes())
		if len(resp.Items) == 0 {
			t.Error("an answer without items")
		}
	})
}

// messages are requests that succeed, and some that do not.
func messages(v kmip.Version) [][]byte {
	aes := payload.Template{Attributes: kmip.Attributes{
		kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES)),
		kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, 128)),
		kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt)),
		kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, kmip.Item{Int: 1}.Time())),
	}}
	var here kmip.Reference // the ID Placeholder
	create := payload.RequestItem{Operation: kmip.OperationCreate, UniqueBatchItemID: []byte{1}, Payload: &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes}}
	after := func(op kmip.Operation, p any) []byte {
		return request(v, create, payload.RequestItem{Operation: op, UniqueBatchItemID: []byte{2}, Payload: p})
	}
	return [][]byte{
		query(v),
		after(kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: here}),
		after(kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: here}),
		after(kmip.OperationGetAttributeList, &payload.GetAttributeListRequest{UniqueIdentifier: here}),
		after(kmip.OperationEncrypt, &payload.EncryptRequest{UniqueIdentifier: here, Data: payload.Data{Bytes: make([]byte, 16)}}),
		after(kmip.OperationLocate, &payload.LocateRequest{}),
		after(kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: here, RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeKeyCompromise}}),
		after(kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: here}),
		request(v, payload.RequestItem{Operation: kmip.OperationCreateKeyPair, Payload: &payload.CreateKeyPairRequest{}}),
		request(v, payload.RequestItem{Operation: kmip.OperationDiscoverVersions, Payload: &payload.DiscoverVersionsRequest{}}),
		request(v, payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{Text: "nothing"}}}),
	}
}
