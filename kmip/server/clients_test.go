package server_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
)

// as dials with the certificate of another client.
func (n *node) as(name string) *tls.Conn {
	n.t.Helper()
	made, err := n.svc.CreateClient(context.Background(), n.svc.Administrator("default"), name, "")
	if err != nil {
		n.t.Fatal(err)
	}
	conf := n.client.Clone()
	conf.Certificates = []tls.Certificate{tlsCertificate(made.Issued)}
	c, err := tls.Dial("tcp", n.addr, conf)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// ends wants a connection to be ended by the server within a time.
func (n *node) ends(c net.Conn, within time.Duration) {
	n.t.Helper()
	begun := time.Now()
	_ = c.SetReadDeadline(begun.Add(within))
	var b [1]byte
	if _, err := c.Read(b[:]); err == nil || strings.Contains(err.Error(), "timeout") {
		n.t.Errorf("the connection is open after %v: %v", time.Since(begun), err)
	}
}

// sweepTime is a second for each of the sweep and the machine.
const sweepTime = 3 * time.Second

func (n *node) set(name string, c custody.ClientChange) {
	n.t.Helper()
	if _, err := n.svc.SetClient(context.Background(), n.svc.Administrator("default"), name, c); err != nil {
		n.t.Fatal(err)
	}
}

func TestOpenConnectionsEndWhenTheClientMayNotComeAnyMore(t *testing.T) {
	yes := true
	networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, c := range []struct {
		name string
		end  func(t *testing.T, n *node, soon time.Time) error
	}{
		{"client revoked at another node", func(t *testing.T, n *node, _ time.Time) error {
			other := n.svc.Another(t)
			return other.RevokeClient(t.Context(), other.Administrator("default"), "array")
		}},
		{"certificate revoked", func(t *testing.T, n *node, _ time.Time) error {
			return n.svc.RevokeCertificate(t.Context(), n.svc.Administrator("default"), "array", custody.FingerprintOf(n.client.Certificates[0].Leaf))
		}},
		{"client disabled", func(_ *testing.T, n *node, _ time.Time) error {
			n.set("array", custody.ClientChange{Disabled: &yes})
			return nil
		}},
		{"address no longer allowed", func(_ *testing.T, n *node, _ time.Time) error {
			n.set("array", custody.ClientChange{Sources: &networks})
			return nil
		}},
		{"access expired", func(_ *testing.T, n *node, soon time.Time) error {
			n.set("array", custody.ClientChange{Expires: &soon})
			n.svc.Clock.Advance(2 * time.Minute)
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, server.Timeouts{})
			other := n.as("other")
			idle, slow := n.dial(), n.dial()
			for _, conn := range []*tls.Conn{other, idle, slow} {
				n.works(conn)
			}
			if _, err := slow.Write(query(kmip.V14)[:20]); err != nil { // in the middle of a message
				t.Fatal(err)
			}
			if err := c.end(t, n, n.svc.Clock.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			n.ends(idle, sweepTime)
			n.ends(slow, sweepTime)
			n.works(other)
		})
	}
}

func TestHTTPSConnectionsEndWhenTheClientIsRevoked(t *testing.T) {
	n := start(t, server.Timeouts{})
	conf := n.tls.Clone()
	conf.ClientAuth = tls.VerifyClientCertIfGiven
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler: n.server.HTTP(), TLSConfig: conf, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext: server.ConnContext, ConnState: n.server.HTTPState,
	}
	go func() { _ = s.ServeTLS(l, "", "") }()
	defer s.Close()
	var conn *tls.Conn
	c := n.httpClient()
	c.Transport.(*http.Transport).DialTLSContext = func(context.Context, string, string) (net.Conn, error) {
		raw, err := tls.Dial("tcp", l.Addr().String(), n.client)
		conn = raw
		return raw, err
	}
	if r, b := n.post(c, "https://localhost/kmip", "application/octet-stream", query(kmip.V14)); r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, b)
	}
	if err := n.svc.RevokeClient(t.Context(), n.svc.Administrator("default"), "array"); err != nil {
		t.Fatal(err)
	}
	// The transport reads in the background; a write to an ended connection fails.
	for end := time.Now().Add(sweepTime); ; time.Sleep(50 * time.Millisecond) {
		if _, err := conn.Write(nil); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the connection is open")
		}
	}
}

func TestClientsHaveAsManyConnectionsAsTheyMay(t *testing.T) {
	n := start(t, server.Timeouts{})
	two := 2
	n.set("array", custody.ClientChange{Connections: &two})
	first, second := n.dial(), n.dial()
	n.works(first)
	n.works(second)
	n.ends(n.dial(), sweepTime)
	n.works(n.as("other"))
	n.logged("the client has as many as it may", "client=default/array")
	_ = first.Close()
	time.Sleep(200 * time.Millisecond)
	n.works(n.dial())
}

// logged wants a line of the log that has all of some texts.
func (n *node) logged(texts ...string) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for line := range strings.Lines(n.log.String()) {
		has := true
		for _, text := range texts {
			has = has && strings.Contains(line, text)
		}
		if has {
			return
		}
	}
	n.t.Errorf("the log has no line with %q:\n%s", texts, n.log.String())
}

func (n *node) refused() int {
	n.t.Helper()
	list, err := n.svc.Store.Audit(context.Background(), store.AuditQuery{Actor: "client:array", Outcome: "failure", Limit: 1000})
	if err != nil {
		n.t.Fatal(err)
	}
	return len(list)
}

func TestRefusedClientsAreToldWhyAndDoNotFloodTheAudit(t *testing.T) {
	yes, one, half := true, 1, 0.5
	networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, c := range []struct {
		name   string
		change custody.ClientChange
		reason kmip.ResultReason
		text   string
	}{
		{"disabled", custody.ClientChange{Disabled: &yes}, kmip.ResultReasonAuthenticationNotSuccessful, "the client is disabled"},
		{"from another address", custody.ClientChange{Sources: &networks}, kmip.ResultReasonPermissionDenied, "may not come from this address"},
		{"over its rate", custody.ClientChange{Rate: &half, Burst: &one}, kmip.ResultReasonGeneralFailure, "over its rate of 0.5 a second; try again"},
		{"without credential", custody.ClientChange{Credential: &yes}, kmip.ResultReasonAuthenticationNotSuccessful, "must present a credential"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := start(t, server.Timeouts{})
			n.set("array", c.change)
			conn := n.dial()
			if c.change.Rate != nil {
				n.works(conn) // the burst
			}
			for range 50 {
				r := n.ask(conn, query(kmip.V14))
				if i := r.Items[0]; i.Reason != c.reason || !strings.Contains(i.Message, c.text) {
					t.Fatalf("%s %q, want %s %q", i.Reason, i.Message, c.reason, c.text)
				}
			}
			if got := n.refused(); got != 1 {
				t.Errorf("%d entries for 50 refusals in a second", got)
			}
			n.svc.Clock.Advance(1500 * time.Millisecond)
			n.ask(conn, query(kmip.V14))
			if c.change.Rate != nil {
				n.ask(conn, query(kmip.V14))
			}
			list, err := n.svc.Store.Audit(t.Context(), store.AuditQuery{Actor: "client:array", Outcome: "failure", Limit: 1})
			if err != nil || len(list) != 1 || !strings.Contains(list[0].Detail, "49 more before it") {
				t.Errorf("entry after a second: %+v, %v", list, err)
			}
		})
	}
}

func TestACredentialIsEnoughWhereOneIsNeeded(t *testing.T) {
	n := start(t, server.Timeouts{})
	yes := true
	n.set("array", custody.ClientChange{Credential: &yes})
	if err := n.svc.CreateUser(t.Context(), n.svc.Administrator("default"), "alice", "", secret.New([]byte("right"))); err != nil {
		t.Fatal(err)
	}
	conn := n.dial()
	with := func(password string) *payload.Response {
		return n.ask(conn, wire.Append(nil, dialect.EncodeRequest(&payload.Request{
			Version:     kmip.V14,
			Credentials: []payload.Credential{{Type: kmip.CredentialTypeUsernameAndPassword, Username: "alice", Password: []byte(password), HasPass: true}},
			Items:       []payload.RequestItem{{Operation: kmip.OperationQuery, Payload: &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryOperations}}}},
		})))
	}
	if r := with("right"); r.Items[0].Status != kmip.ResultStatusSuccess {
		t.Errorf("right password: %s", r.Items[0].Message)
	}
	if r := with("wrong"); r.Items[0].Status == kmip.ResultStatusSuccess {
		t.Error("a wrong password is enough")
	}
}

func TestIdentityIsCheckedOnResumedSessions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		n := start(t, server.Timeouts{})
		n.client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		n.client.MaxVersion = version
		first := n.dial()
		n.works(first)
		_ = first.Close()
		n.set("array", custody.ClientChange{Disabled: ptr(true)})
		n.svc.Clock.Advance(2 * time.Second)
		second := n.dial()
		if !second.ConnectionState().DidResume {
			t.Errorf("TLS %x: the session was not resumed", version)
		}
		if r := n.ask(second, query(kmip.V14)); r.Items[0].Reason != kmip.ResultReasonAuthenticationNotSuccessful {
			t.Errorf("TLS %x: a disabled client on a resumed session: %s", version, r.Items[0].Message)
		}
	}
}

func ptr[T any](v T) *T { return &v }
