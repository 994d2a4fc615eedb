package interop

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/testenv"
)

var mediaTypes = map[wire.Encoding]string{wire.TTLV: "application/octet-stream", wire.XML: "text/xml", wire.JSON: "application/json"}

// overHTTPS speaks KMIP to the HTTPS listener of a node.
type overHTTPS struct {
	t    *testing.T
	http *http.Client
	url  string
}

func https(t *testing.T, n *testenv.Node, conf *tls.Config) overHTTPS {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return overHTTPS{t, &http.Client{Transport: transport, Timeout: time.Minute}, "https://" + n.HTTPS + "/kmip"}
}

func (o overHTTPS) post(contentType string, body []byte) (status int, answer []byte) {
	o.t.Helper()
	r, err := o.http.Post(o.url, contentType, bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Body.Close()
	if answer, err = io.ReadAll(r.Body); err != nil {
		o.t.Fatal(err)
	}
	return r.StatusCode, answer
}

// ask sends one item and returns the payload of its answer.
func (o overHTTPS) ask(e wire.Encoding, v kmip.Version, op kmip.Operation, p any) payload.ResponseItem {
	o.t.Helper()
	request := dialect.EncodeRequest(&payload.Request{Version: v, Items: []payload.RequestItem{{Operation: op, Payload: p}}})
	status, answer := o.post(mediaTypes[e], e.Append(nil, request))
	if status != http.StatusOK {
		o.t.Fatalf("%s in %s: status %d: %s", op, e, status, answer)
	}
	tree, err := e.Parse(answer, wire.DefaultLimits())
	if err != nil {
		o.t.Fatalf("%s: %v", op, err)
	}
	if err := dialect.Strict(tree); err != nil {
		o.t.Errorf("%s in %s: %v", op, e, err)
	}
	r, err := dialect.DecodeResponse(tree)
	if err != nil || r.Version != v || len(r.Items) != 1 {
		o.t.Fatalf("%s in %s: %+v, %v", op, e, r, err)
	}
	return r.Items[0]
}

func (o overHTTPS) succeed(e wire.Encoding, v kmip.Version, op kmip.Operation, p any) any {
	o.t.Helper()
	item := o.ask(e, v, op, p)
	if item.Status != kmip.ResultStatusSuccess {
		o.t.Fatalf("%s in %s, KMIP %s: %s %s", op, e, v, item.Reason, item.Message)
	}
	return item.Payload
}

// TestKMIPOverHTTPS takes a key through its life in every encoding, and looks
// at it in the others meanwhile.
func TestKMIPOverHTTPS(t *testing.T) {
	t.Parallel()
	n := testenv.Start(t, testenv.Options{})
	client := https(t, n, n.TLS(t, "", ""))
	for e := range mediaTypes {
		for _, v := range kmip.Versions {
			t.Run(e.String()+" "+v.String(), func(t *testing.T) {
				o := client
				o.t = t
				name := "https-" + e.String() + v.String()
				created := o.succeed(e, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: payload.Template{Attributes: symmetric(name, 256)}}).(*payload.CreateResponse)
				ref := kmip.Reference{Text: created.UniqueIdentifier}
				o.succeed(e, v, kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: ref})
				var material [][]byte
				for other := range mediaTypes {
					got := o.succeed(other, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref}).(*payload.GetResponse)
					material = append(material, bytes.Clone(got.Object.Key.Material.Reveal()))
				}
				if len(material[0]) != 32 || !bytes.Equal(material[0], material[1]) || !bytes.Equal(material[0], material[2]) {
					t.Error("the encodings give different keys")
				}
				o.succeed(e, v, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref, RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeCessationOfOperation}})
				o.succeed(e, v, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref})
				if item := o.ask(e, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref}); item.Status != kmip.ResultStatusOperationFailed {
					t.Errorf("Get after Destroy: %s", item.Status)
				}
			})
		}
	}
	t.Run("as people write it", func(t *testing.T) {
		o := client
		o.t = t
		for contentType, message := range map[string]string{
			"text/xml; charset=utf-8": `<?xml version="1.0" encoding="UTF-8"?>
<RequestMessage xmlns="urn:oasis:tc:kmip:xmlns">
  <RequestHeader>
    <ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/><ProtocolVersionMinor type="Integer" value="4"/></ProtocolVersion>
    <BatchCount type="Integer" value="1"/>
  </RequestHeader>
  <BatchItem>
    <Operation type="Enumeration" value="Create"/>
    <RequestPayload>
      <ObjectType type="Enumeration" value="SymmetricKey"/>
      <TemplateAttribute>
        <Attribute><AttributeName type="TextString" value="Cryptographic Algorithm"/><AttributeValue type="Enumeration" value="AES"/></Attribute>
        <Attribute><AttributeName type="TextString" value="Cryptographic Length"/><AttributeValue type="Integer" value="128"/></Attribute>
        <Attribute><AttributeName type="TextString" value="Cryptographic Usage Mask"/><AttributeValue type="Integer" value="Encrypt Decrypt"/></Attribute>
      </TemplateAttribute>
    </RequestPayload>
  </BatchItem>
</RequestMessage>`,
			"application/json": `{"tag": "RequestMessage", "value": [
  {"tag": "RequestHeader", "value": [
    {"tag": "ProtocolVersion", "value": [{"tag": "ProtocolVersionMajor", "type": "Integer", "value": 2}, {"tag": "ProtocolVersionMinor", "type": "Integer", "value": 1}]},
    {"tag": "BatchCount", "type": "Integer", "value": 1}]},
  {"tag": "BatchItem", "value": [
    {"tag": "Operation", "type": "Enumeration", "value": "Create"},
    {"tag": "RequestPayload", "value": [
      {"tag": "ObjectType", "type": "Enumeration", "value": "SymmetricKey"},
      {"tag": "Attributes", "value": [
        {"tag": "CryptographicAlgorithm", "type": "Enumeration", "value": "AES"},
        {"tag": "CryptographicLength", "type": "Integer", "value": 128},
        {"tag": "CryptographicUsageMask", "type": "Integer", "value": "Encrypt|Decrypt"}]}]}]}]}`,
		} {
			status, answer := o.post(contentType, []byte(message))
			if status != http.StatusOK || !strings.Contains(string(answer), "Success") || !strings.Contains(string(answer), "UniqueIdentifier") {
				t.Errorf("status %d: %s", status, answer)
			}
		}
	})
	t.Run("an administrator is no client", func(t *testing.T) {
		admin := filepath.Join(n.Dir, "pki", "admin")
		o := https(t, n, n.TLS(t, filepath.Join(admin, "cert.pem"), filepath.Join(admin, "key.pem")))
		if item := o.ask(wire.JSON, kmip.V14, kmip.OperationLocate, &payload.LocateRequest{}); item.Reason != kmip.ResultReasonAuthenticationNotSuccessful {
			t.Errorf("Locate by an administrator: %s %s", item.Status, item.Reason)
		}
	})
	t.Run("nobody is no client", func(t *testing.T) {
		conf := n.TLS(t, "", "")
		conf.Certificates = nil
		if status, _ := https(t, n, conf).post("text/xml", nil); status != http.StatusUnauthorized {
			t.Errorf("status %d without a certificate", status)
		}
	})
}
