package server_test

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
)

// exchange sends one item on a connection and returns the answer to it.
func (n *node) exchange(c io.ReadWriter, v kmip.Version, op kmip.Operation, p any) payload.ResponseItem {
	n.t.Helper()
	if _, err := c.Write(request(v, payload.RequestItem{Operation: op, Payload: p})); err != nil {
		n.t.Fatal(err)
	}
	return n.answer(c).Items[0]
}

// told reads a message of the server and acknowledges it.
func (n *node) told(c io.ReadWriter) payload.RequestItem {
	n.t.Helper()
	b, err := wire.ReadMessage(c, nil, wire.DefaultLimits())
	if err != nil {
		n.t.Fatalf("the server told nothing: %v", err)
	}
	tree, err := wire.Parse(b, wire.DefaultLimits())
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := dialect.DecodeRequest(tree)
	if err != nil {
		n.t.Fatalf("what the server sent is no request: %v", err)
	}
	item := r.Items[0]
	resp := &payload.Response{Version: r.Version, Items: []payload.ResponseItem{{Operation: item.Operation, Payload: payload.NewResponse(item.Operation)}}}
	if _, err := c.Write(wire.Append(nil, dialect.EncodeResponse(resp))); err != nil {
		n.t.Fatal(err)
	}
	return item
}

func (n *node) turn(v kmip.Version) *tls.Conn {
	n.t.Helper()
	c := n.dial()
	r := n.exchange(c, v, kmip.OperationSetEndpointRole, &payload.SetEndpointRoleRequest{EndpointRole: kmip.EndpointRoleClient})
	if got, ok := r.Payload.(*payload.SetEndpointRoleResponse); !ok || got.EndpointRole != kmip.EndpointRoleClient {
		n.t.Fatalf("KMIP %s: %s %s %s", v, r.Status, r.Reason, r.Message)
	}
	return c
}

func TestServerTellsATurnedConnectionWhatHappensToObjects(t *testing.T) {
	for _, v := range []kmip.Version{kmip.V20, kmip.V21, kmip.V30} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			n := start(t, server.Timeouts{})
			c := n.dial()
			create := n.exchange(c, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: payload.Template{Attributes: kmip.Attributes{
				kmip.NewAttribute(kmip.NameValue{Value: "watched", Type: kmip.NameTypeUninterpretedTextString}.Item()),
			}}})
			uid := create.Payload.(*payload.CreateResponse).UniqueIdentifier
			watcher := n.turn(v)

			n.exchange(c, v, kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: kmip.Reference{Text: uid}})
			notified := n.told(watcher)
			told, ok := notified.Payload.(*payload.NotifyRequest)
			if !ok || told.UniqueIdentifier != uid {
				t.Fatalf("after Activate: %s %+v", notified.Operation, notified.Payload)
			}
			attrs := told.Attributes.Attributes
			if !attrs.Has(kmip.TagLastChangeDate) || kmip.State(attrs.Uint32(kmip.TagState)) != kmip.StateActive {
				t.Errorf("after Activate: attributes %v", attrs.IDs())
			}

			rekeyed := n.exchange(c, v, kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: kmip.Reference{Text: uid}})
			fresh := rekeyed.Payload.(*payload.ReKeyResponse).UniqueIdentifier
			pushed := n.told(watcher)
			put, ok := pushed.Payload.(*payload.PutRequest)
			if !ok || put.UniqueIdentifier != fresh || put.ReplacedUniqueIdentifier != uid || put.PutFunction != kmip.PutFunctionReplace {
				t.Fatalf("after Re-key: %s %+v", pushed.Operation, pushed.Payload)
			}
			got := n.exchange(c, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: kmip.Reference{Text: fresh}})
			if value := got.Payload.(*payload.GetResponse).Object; !value.Key.Material.Equal(put.Object.Key.Material) {
				t.Error("the object that was put is not the one that Get returns")
			}
		})
	}
}

func TestTurnedConnectionEnds(t *testing.T) {
	t.Run("when the client is revoked", func(t *testing.T) {
		n := start(t, server.Timeouts{})
		c := n.turn(kmip.V21)
		if err := n.svc.RevokeClient(t.Context(), n.svc.Administrator("default"), "array"); err != nil {
			t.Fatal(err)
		}
		n.svc.Clock.Advance(2 * time.Second)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v, want the end", err)
		}
	})
	t.Run("when the peer speaks without being asked", func(t *testing.T) {
		n := start(t, server.Timeouts{})
		c := n.turn(kmip.V21)
		if _, err := c.Write(query(kmip.V21)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v, want the end", err)
		}
	})
}

func TestSetEndpointRoleStandsAlone(t *testing.T) {
	n := start(t, server.Timeouts{})
	c := n.dial()
	role := payload.RequestItem{Operation: kmip.OperationSetEndpointRole, UniqueBatchItemID: []byte("1"), Payload: &payload.SetEndpointRoleRequest{EndpointRole: kmip.EndpointRoleClient}}
	ping := payload.RequestItem{Operation: kmip.OperationPing, UniqueBatchItemID: []byte("2"), Payload: &payload.PingRequest{}}
	if _, err := c.Write(request(kmip.V21, role, ping)); err != nil {
		t.Fatal(err)
	}
	if r := n.answer(c).Items[0]; r.Status == kmip.ResultStatusSuccess {
		t.Error("roles were exchanged in the middle of a batch")
	}
	if r := n.exchange(c, kmip.V21, kmip.OperationPing, &payload.PingRequest{}); r.Status != kmip.ResultStatusSuccess {
		t.Errorf("afterwards: %s %s", r.Status, r.Message)
	}
}
