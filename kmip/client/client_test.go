package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
)

// answer makes the response items of a request.
type answer func(*payload.Request) []payload.ResponseItem

// start runs a server that answers on one end of an in-memory TLS pair, and
// returns a client on the other.
func start(t *testing.T, v kmip.Version, run answer) *Client {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	serverCert, err := authority.IssueServer(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	clientCert, err := authority.IssueClient("c", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	pair := func(i *pki.Issued) []tls.Certificate {
		return []tls.Certificate{{Certificate: [][]byte{i.Certificate.Raw}, PrivateKey: i.Key}}
	}
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	go serve(tls.Server(far, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: pair(serverCert), ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}), run)
	c := New(tls.Client(near, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: pair(clientCert), RootCAs: pool, ServerName: "localhost",
	}), Config{Version: v, Timeout: 5 * time.Second})
	return c
}

func serve(conn net.Conn, run answer) {
	for {
		b, err := wire.ReadMessage(conn, nil, wire.DefaultLimits())
		if err != nil {
			return
		}
		tree, err := wire.Parse(b, wire.DefaultLimits())
		if err != nil {
			return
		}
		r, err := dialect.DecodeRequest(tree)
		if err != nil {
			_, _ = conn.Write(wire.Append(nil, dialect.EncodeResponse(dialect.Failed(r.Version, time.Now(), err))))
			continue
		}
		items := run(r)
		if items == nil {
			continue // never answers
		}
		for n := range items {
			items[n].UniqueBatchItemID = r.Items[n].UniqueBatchItemID
		}
		_, _ = conn.Write(wire.Append(nil, dialect.EncodeResponse(&payload.Response{Version: r.Version, TimeStamp: time.Now(), Items: items})))
	}
}

func success(op kmip.Operation, p any) payload.ResponseItem {
	return payload.ResponseItem{Operation: op, Payload: p}
}

// echo answers the operations that the typed helpers send.
func echo(r *payload.Request) []payload.ResponseItem {
	var items []payload.ResponseItem
	for _, i := range r.Items {
		if i.Err != nil {
			items = append(items, payload.ResponseItem{Operation: i.Operation, Status: kmip.ResultStatusOperationFailed, Err: i.Err})
			continue
		}
		switch p := i.Payload.(type) {
		case *payload.CreateRequest:
			items = append(items, success(i.Operation, &payload.CreateResponse{ObjectType: p.ObjectType, UniqueIdentifier: "made"}))
		case *payload.RegisterRequest:
			items = append(items, success(i.Operation, &payload.RegisterResponse{UniqueIdentifier: string(p.Object.Key.Material.Reveal())}))
		case *payload.GetRequest:
			items = append(items, success(i.Operation, &payload.GetResponse{
				ObjectType: kmip.ObjectTypeSymmetricKey, UniqueIdentifier: p.UniqueIdentifier.Text, Object: object("0123456789abcdef"),
			}))
		case *payload.LocateRequest:
			items = append(items, success(i.Operation, &payload.LocateResponse{UniqueIdentifier: p.Attributes.Attributes.Names()}))
		case *payload.GetAttributesRequest:
			items = append(items, success(i.Operation, &payload.GetAttributesResponse{
				UniqueIdentifier: p.UniqueIdentifier.Text, Attributes: payload.AttributeList{Attributes: named("n")},
			}))
		case *payload.ActivateRequest:
			items = append(items, success(i.Operation, &payload.ActivateResponse{UniqueIdentifier: p.UniqueIdentifier.Text}))
		case *payload.RevokeRequest:
			items = append(items, success(i.Operation, &payload.RevokeResponse{UniqueIdentifier: p.UniqueIdentifier.Text}))
		case *payload.DestroyRequest:
			items = append(items, payload.ResponseItem{
				Operation: i.Operation, Status: kmip.ResultStatusOperationFailed, Err: kmip.Fail(kmip.KindObjectNotFound, "no object has it"),
			})
		case *payload.ReKeyRequest:
			items = append(items, success(i.Operation, &payload.ReKeyResponse{UniqueIdentifier: p.UniqueIdentifier.Text + "-2"}))
		case *payload.QueryRequest:
			items = append(items, success(i.Operation, &payload.QueryResponse{Operation: []kmip.Operation{kmip.OperationGet}, VendorIdentification: "v"}))
		case *payload.DiscoverVersionsRequest:
			items = append(items, success(i.Operation, &payload.DiscoverVersionsResponse{ProtocolVersion: []kmip.Version{kmip.V21, kmip.V14}}))
		case *payload.EncryptRequest:
			items = append(items, success(i.Operation, &payload.EncryptResponse{UniqueIdentifier: p.UniqueIdentifier.Text, Data: p.Data.Bytes, IVCounterNonce: []byte("iv")}))
		case *payload.DecryptRequest:
			items = append(items, success(i.Operation, &payload.DecryptResponse{UniqueIdentifier: p.UniqueIdentifier.Text, Data: p.Data.Bytes}))
		}
	}
	return items
}

func object(material string) *kmip.Object {
	return &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte(material)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128,
	}}
}

func named(name string) kmip.Attributes {
	return kmip.Attributes{kmip.NewAttribute(kmip.NameValue{Value: name, Type: kmip.NameTypeUninterpretedTextString}.Item())}
}

func TestTypedOperationsInEveryVersion(t *testing.T) {
	for _, v := range kmip.Versions {
		t.Run(v.String(), func(t *testing.T) {
			ctx, c := t.Context(), start(t, v, echo)
			got := map[string]string{}
			note := func(what, value string, err error) {
				t.Helper()
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				got[what] = value
			}
			uid, err := c.Create(ctx, named("n"))
			note("create", uid, err)
			uid, err = c.Register(ctx, object("fedcba9876543210"), named("r"))
			note("register", uid, err)
			o, err := c.Get(ctx, "u", 0)
			if err != nil {
				t.Fatal(err)
			}
			note("get", string(o.Key.Material.Reveal()), err)
			attrs, err := c.GetAttributes(ctx, "u")
			note("attributes", attrs.Names()[0], err)
			uids, err := c.Locate(ctx, named("x"), 3)
			if len(uids) != 1 {
				t.Fatalf("locate: %v, %v", uids, err)
			}
			note("locate", uids[0], err)
			note("activate", "", c.Activate(ctx, "u"))
			note("revoke", "", c.Revoke(ctx, "u", kmip.RevocationReason{Code: kmip.RevocationReasonCodeSuperseded, Message: "m"}))
			uid, err = c.ReKey(ctx, "u")
			note("rekey", uid, err)
			q, err := c.Query(ctx, kmip.QueryFunctionQueryOperations)
			if err != nil {
				t.Fatal(err)
			}
			note("query", q.VendorIdentification, err)
			if v >= kmip.V12 {
				e, err := c.Encrypt(ctx, payload.EncryptRequest{UniqueIdentifier: reference("u"), Data: payload.Data{Bytes: []byte("d")}})
				if err != nil {
					t.Fatal(err)
				}
				note("encrypt", string(e.Data), err)
				d, err := c.Decrypt(ctx, payload.DecryptRequest{UniqueIdentifier: reference("u"), Data: payload.Data{Bytes: []byte("e")}})
				if err != nil {
					t.Fatal(err)
				}
				note("decrypt", string(d.Data), err)
			} else {
				got["encrypt"], got["decrypt"] = "d", "e"
			}
			if v >= kmip.V11 {
				versions, err := c.DiscoverVersions(ctx)
				if err != nil || len(versions) != 2 || versions[0] != kmip.V21 {
					t.Errorf("versions = %v, %v", versions, err)
				}
			}
			want := map[string]string{
				"create": "made", "register": "fedcba9876543210", "get": "0123456789abcdef", "attributes": "n", "locate": "x",
				"activate": "", "revoke": "", "rekey": "u-2", "query": "v", "encrypt": "d", "decrypt": "e",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefusalIsATypedError(t *testing.T) {
	c := start(t, kmip.V14, echo)
	err := c.Destroy(t.Context(), "u")
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("error = %v, want an *Error", err)
	}
	if refused.Operation != kmip.OperationDestroy || refused.Reason != kmip.ResultReasonItemNotFound || refused.Message != "no object has it" {
		t.Errorf("error = %+v", refused)
	}
	if _, err := c.Create(t.Context(), named("n")); err != nil {
		t.Errorf("the connection is of use after a refusal, but: %v", err)
	}
}

func TestABatchHasAnAnswerForEachItem(t *testing.T) {
	for _, v := range []kmip.Version{kmip.V10, kmip.V14, kmip.V30} {
		c := start(t, v, echo)
		resp, err := c.Do(t.Context(),
			payload.RequestItem{Operation: kmip.OperationActivate, Payload: &payload.ActivateRequest{UniqueIdentifier: reference("a")}},
			payload.RequestItem{Operation: kmip.OperationDestroy, Payload: &payload.DestroyRequest{UniqueIdentifier: reference("a")}})
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		if len(resp.Items) != 2 || ItemError(resp.Items[0]) != nil || ItemError(resp.Items[1]) == nil {
			t.Errorf("%s: items = %+v", v, resp.Items)
		}
	}
}

func TestAnEndedContextEndsTheRequest(t *testing.T) {
	c := start(t, kmip.V14, func(*payload.Request) []payload.ResponseItem { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Activate(ctx, "u"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want that of the context", err)
	}
	if err := c.Activate(t.Context(), "u"); !errors.Is(err, errBroken) {
		t.Errorf("error = %v: a late answer could be taken for that of this request", err)
	}
}

func TestTraceSeesBothDirections(t *testing.T) {
	c := start(t, kmip.V14, echo)
	var seen []string
	c.conf.Trace = func(direction string, i kmip.Item) { seen = append(seen, direction+" "+i.Tag.String()) }
	if _, err := c.Get(t.Context(), "u", 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"request RequestMessage", "response ResponseMessage"}, seen); diff != "" {
		t.Error(diff)
	}
}
