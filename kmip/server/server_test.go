package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/operation"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

type node struct {
	t      testing.TB
	svc    *service.Service
	addr   string
	client *tls.Config
	tls    *tls.Config // of the server
	server *server.Server
	log    *bytes.Buffer
	mu     *sync.Mutex
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func tlsCertificate(i *pki.Issued) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.Certificate.Raw}, PrivateKey: i.Key, Leaf: i.Certificate}
}

func start(t testing.TB, timeouts server.Timeouts) *node {
	t.Helper()
	return startWith(t, server.Config{Timeouts: timeouts})
}

func startWith(t testing.TB, c server.Config) *node {
	t.Helper()
	ctx := context.Background()
	svc := service.New(t)
	authority, err := svc.Authority(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.IssueServer(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	made, err := svc.CreateClient(ctx, svc.Administrator("default"), "array", "")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	n := &node{t: t, svc: svc, log: &bytes.Buffer{}, mu: &sync.Mutex{}}
	n.client = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{tlsCertificate(made.Issued)}, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	c.Operations, c.Custody = operation.New(operation.Server{Custody: svc.Service, Name: "test", Version: "0", Form: formOf}), svc.Service
	c.TLS = &tls.Config{Certificates: []tls.Certificate{tlsCertificate(cert)}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	n.tls = c.TLS
	c.Log = slog.New(slog.NewTextHandler(lockedWriter{n.mu, n.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n.server = server.New(c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- n.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := n.server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return n
}

func (n *node) dial() *tls.Conn {
	n.t.Helper()
	c, err := tls.Dial("tcp", n.addr, n.client)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func request(v kmip.Version, items ...payload.RequestItem) []byte {
	return wire.Append(nil, dialect.EncodeRequest(&payload.Request{Version: v, Items: items}))
}

func query(v kmip.Version) []byte {
	return request(v, payload.RequestItem{Operation: kmip.OperationQuery, Payload: &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryOperations}}})
}

func (n *node) answer(c io.Reader) *payload.Response {
	n.t.Helper()
	b, err := wire.ReadMessage(c, nil, wire.DefaultLimits())
	if err != nil {
		n.t.Fatalf("no answer: %v", err)
	}
	tree, err := wire.Parse(b, wire.DefaultLimits())
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := dialect.DecodeResponse(tree)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

func (n *node) ask(c io.ReadWriter, b []byte) *payload.Response {
	n.t.Helper()
	if _, err := c.Write(b); err != nil {
		n.t.Fatal(err)
	}
	return n.answer(c)
}

func (n *node) works(c io.ReadWriter) {
	n.t.Helper()
	if r := n.ask(c, query(kmip.V14)); r.Items[0].Status != kmip.ResultStatusSuccess {
		n.t.Fatalf("Query: %s %s", r.Items[0].Reason, r.Items[0].Message)
	}
}

func TestBadMessagesAreAnsweredAndTheConnectionSurvives(t *testing.T) {
	n := start(t, server.Timeouts{})
	garbage := query(kmip.V14)
	garbage[8+8+8+3] = 0x42 // an item type that is none, inside a frame that is whole
	badVersion := query(kmip.V14)
	binary.BigEndian.PutUint32(badVersion[32:], 9)
	deep := kmip.Structure(kmip.TagRequestMessage)
	for range 40 {
		deep = kmip.Structure(kmip.TagRequestMessage, deep)
	}
	for _, c := range []struct {
		name    string
		message []byte
		version kmip.Version
		want    kmip.ResultReason
	}{
		{"a broken item in a whole frame", garbage, kmip.V10, kmip.ResultReasonInvalidMessage},
		{"a version that does not exist", badVersion, kmip.V30, kmip.ResultReasonUnsupportedProtocolVersion},
		{"nesting without end", wire.Append(nil, deep), kmip.V10, kmip.ResultReasonInvalidMessage},
		{"another message", wire.Append(nil, kmip.Structure(kmip.TagResponseMessage, kmip.Structure(kmip.TagResponseHeader))), kmip.V30, kmip.ResultReasonInvalidMessage},
		{"unknown operation", request(kmip.V12, payload.RequestItem{Operation: 0x77}), kmip.V12, kmip.ResultReasonOperationNotSupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := n.dial()
			r := n.ask(conn, c.message)
			if got := r.Items[0]; got.Status != kmip.ResultStatusOperationFailed || got.Reason != c.want || r.Version != c.version {
				t.Errorf("got %s %s in KMIP %s, want %s in %s", got.Status, got.Reason, r.Version, c.want, c.version)
			}
			n.works(conn)
		})
	}
}

func TestOversizedClaimIsRefusedWithoutWaitingForIt(t *testing.T) {
	n := start(t, server.Timeouts{})
	conn := n.dial()
	r := n.ask(conn, []byte{0x42, 0x00, 0x78, 0x01, 0x7f, 0xff, 0xff, 0xf8})
	if r.Items[0].Status != kmip.ResultStatusOperationFailed {
		t.Errorf("answer: %+v", r.Items[0])
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on after its framing is lost: %v", err)
	}
}

func TestStuckPeersHoldUpNobody(t *testing.T) {
	n := start(t, server.Timeouts{Handshake: 300 * time.Millisecond, Header: 300 * time.Millisecond, Body: 300 * time.Millisecond})
	silent, err := net.Dial("tcp", n.addr) // never begins its handshake
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	header, body := n.dial(), n.dial()
	if _, err := header.Write([]byte{0x42, 0x00}); err != nil {
		t.Fatal(err)
	}
	if _, err := body.Write(query(kmip.V14)[:40]); err != nil {
		t.Fatal(err)
	}
	n.works(n.dial())
	for name, c := range map[string]net.Conn{"handshake": silent, "header": header, "body": body} {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("%s: the peer was not cut off: %v", name, err)
		}
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestRequestsInPiecesAndSeveralAtOnce(t *testing.T) {
	n := start(t, server.Timeouts{})
	conn := n.dial()
	b := query(kmip.V11)
	for i := range b {
		if _, err := conn.Write(b[i : i+1]); err != nil { // a TLS record for each byte
			t.Fatal(err)
		}
	}
	n.answer(conn)
	if _, err := conn.Write(bytes.Repeat(b, 5)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		n.answer(conn)
	}
}

func TestMaximumResponseSize(t *testing.T) {
	n := start(t, server.Timeouts{})
	r := &payload.Request{Version: kmip.V14, MaximumResponseSize: 256, Items: []payload.RequestItem{{Operation: kmip.OperationQuery, UniqueBatchItemID: []byte{1}, Payload: &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryOperations}}}}}
	got := n.ask(n.dial(), wire.Append(nil, dialect.EncodeRequest(r))).Items[0]
	if got.Reason != kmip.ResultReasonResponseTooLarge || got.Operation != kmip.OperationQuery || !bytes.Equal(got.UniqueBatchItemID, []byte{1}) {
		t.Errorf("got %+v", got)
	}
}

func TestSessionsResume(t *testing.T) {
	n := start(t, server.Timeouts{})
	n.client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		n.client.MaxVersion = v
		first := n.dial()
		n.works(first)
		_ = first.Close()
		second := n.dial()
		n.works(second)
		if !second.ConnectionState().DidResume {
			t.Errorf("TLS %x: the session was not resumed", v)
		}
	}
}

func TestCertificatesOfNobodyMayAskVersionsOnly(t *testing.T) {
	n := start(t, server.Timeouts{})
	authority, err := n.svc.Authority(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := authority.IssueClient("stranger", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	n.client.Certificates = []tls.Certificate{tlsCertificate(stranger)}
	conn := n.dial()
	n.works(conn)
	r := n.ask(conn, request(kmip.V14, payload.RequestItem{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{}}))
	if r.Items[0].Reason != kmip.ResultReasonAuthenticationNotSuccessful {
		t.Errorf("Locate by a stranger: %s", r.Items[0].Reason)
	}
	n.client.Certificates = nil
	if c, err := tls.Dial("tcp", n.addr, n.client); err == nil {
		_, err = c.Read(make([]byte, 1))
		if err == nil {
			t.Error("a client without certificate got through")
		}
		_ = c.Close()
	}
}

func TestCredentialsBesideTheCertificate(t *testing.T) {
	n := start(t, server.Timeouts{})
	if err := n.svc.CreateUser(context.Background(), n.svc.Administrator("default"), "forti", "", secret.Copy([]byte("gate"))); err != nil {
		t.Fatal(err)
	}
	locate := func(password string) kmip.ResultReason {
		r := &payload.Request{
			Version: kmip.V10, Credentials: []payload.Credential{{Type: kmip.CredentialTypeUsernameAndPassword, Username: "forti", Password: []byte(password), HasPass: true}},
			Items: []payload.RequestItem{{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{}}},
		}
		return n.ask(n.dial(), wire.Append(nil, dialect.EncodeRequest(r))).Items[0].Reason
	}
	if got := locate("gate"); got != 0 {
		t.Errorf("the right password: %s", got)
	}
	if got := locate("wrong"); got != kmip.ResultReasonAuthenticationNotSuccessful {
		t.Errorf("a wrong password: %s", got)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if bytes.Contains(n.log.Bytes(), []byte("gate")) || bytes.Contains(n.log.Bytes(), []byte("wrong")) {
		t.Error("a password is in the log")
	}
}

func TestShutdownAnswersWhatItHasBegun(t *testing.T) {
	n := start(t, server.Timeouts{})
	idle, busy := n.dial(), n.dial()
	n.works(idle)
	n.works(busy)
	if _, err := busy.Write(query(kmip.V14)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.server.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	n.answer(busy)
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("an idle connection goes on")
	}
}

func TestTheAuditHasTheAddressBehindTheLoadBalancer(t *testing.T) {
	n := startWith(t, server.Config{ProxyProtocol: true})
	raw, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := raw.Write([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\x12\x34\x16\x40")); err != nil {
		t.Fatal(err)
	}
	n.works(tls.Client(raw, n.client))
	list, err := n.svc.Audit(context.Background(), n.svc.Administrator(""), store.AuditQuery{Operation: "Query", Limit: 1})
	if err != nil || len(list) != 1 || list[0].Source != "192.0.2.7:4660" {
		t.Errorf("audit: %+v, %v", list, err)
	}
}

func formOf(v kmip.Version) custody.Form { return dialect.FormOf(v) }
