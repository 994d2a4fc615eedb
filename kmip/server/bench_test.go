package server_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
)

// BenchmarkGet is one Get over mutual TLS, its durable audit entry included,
// on SQLite; as many connections as -cpu says, times eight.
func BenchmarkGet(b *testing.B) {
	n := start(b, server.Timeouts{})
	uid, err := n.svc.Create(context.Background(), n.svc.Client("default"), kmip.ObjectTypeSymmetricKey, nil)
	if err != nil {
		b.Fatal(err)
	}
	message := request(kmip.V14, payload.RequestItem{Operation: kmip.OperationGet, Payload: &payload.GetRequest{UniqueIdentifier: kmip.Reference{Text: uid}}})
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := tls.Dial("tcp", n.addr, n.client)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		var buf []byte
		for pb.Next() {
			if _, err := conn.Write(message); err != nil {
				b.Error(err)
				return
			}
			if buf, err = wire.ReadMessage(conn, buf, wire.DefaultLimits()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
