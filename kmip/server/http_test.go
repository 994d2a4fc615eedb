package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/server"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
)

var mediaTypes = map[wire.Encoding]string{wire.TTLV: "application/octet-stream", wire.XML: "text/xml", wire.JSON: "application/json"}

// https serves the node's handler as the program does, and returns the address.
func (n *node) https() string {
	n.t.Helper()
	conf := n.tls.Clone()
	conf.ClientAuth = tls.VerifyClientCertIfGiven
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	s := &http.Server{Handler: n.server.HTTP(), TLSConfig: conf, ReadTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = s.ServeTLS(l, "", "") }()
	n.t.Cleanup(func() { _ = s.Close() })
	return "https://" + l.Addr().String() + "/kmip"
}

func (n *node) httpClient() *http.Client {
	transport := &http.Transport{TLSClientConfig: n.client}
	n.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func (n *node) post(c *http.Client, url, contentType string, body []byte) (*http.Response, []byte) {
	n.t.Helper()
	r, err := c.Post(url, contentType, bytes.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return r, b
}

// decoded reads a response and holds it against the tables of its version,
// which do not have an operation that the request made up.
func decoded(t testing.TB, e wire.Encoding, b []byte) *payload.Response {
	t.Helper()
	tree, err := e.Parse(b, wire.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := dialect.Strict(tree); err != nil && !strings.HasPrefix(err.Error(), "Operation has no value") {
		t.Error(err)
	}
	r, err := dialect.DecodeResponse(tree)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func asText(e wire.Encoding, request []byte) []byte {
	tree, err := wire.Parse(request, wire.DefaultLimits())
	if err != nil {
		panic(err)
	}
	return e.Append(nil, tree)
}

func TestHTTPAnswersInTheEncodingOfTheRequest(t *testing.T) {
	n := start(t, server.Timeouts{})
	url, client := n.https(), n.httpClient()
	for _, c := range []struct {
		contentType string
		e           wire.Encoding
	}{
		{"application/octet-stream", wire.TTLV},
		{"text/xml", wire.XML},
		{"application/json", wire.JSON},
		{"application/xml", wire.XML},
		{"Text/XML; charset=UTF-8", wire.XML},
		{`application/json;charset="utf-8"`, wire.JSON},
	} {
		for _, v := range kmip.Versions {
			r, b := n.post(client, url, c.contentType, asText(c.e, query(v)))
			want, _, _ := strings.Cut(strings.ToLower(c.contentType), ";")
			if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != want || r.Header.Get("Content-Length") != strconv.Itoa(len(b)) || r.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s: status %d, %v", c.contentType, r.StatusCode, r.Header)
			}
			if got := decoded(t, c.e, b); got.Version != v || got.Items[0].Status != kmip.ResultStatusSuccess {
				t.Errorf("%s: %s in KMIP %s", c.contentType, got.Items[0].Status, got.Version)
			}
		}
	}
}

func TestHTTPRefusesWhatIsNoMessage(t *testing.T) {
	n := startWith(t, server.Config{Limits: wire.Limits{MaxBytes: 8192, MaxDepth: 32, MaxItems: 1000}})
	url, client := n.https(), n.httpClient()
	for _, c := range []struct {
		name, method, contentType, contentEncoding string
		body                                       io.Reader
		want                                       int
	}{
		{"GET", http.MethodGet, "", "", nil, http.StatusMethodNotAllowed},
		{"PUT", http.MethodPut, "text/xml", "", strings.NewReader("<D/>"), http.StatusMethodNotAllowed},
		{"no type", http.MethodPost, "", "", strings.NewReader("<D/>"), http.StatusUnsupportedMediaType},
		{"a form", http.MethodPost, "application/x-www-form-urlencoded", "", strings.NewReader("a=b"), http.StatusUnsupportedMediaType},
		{"another charset", http.MethodPost, "text/xml; charset=utf-16", "", strings.NewReader("<D/>"), http.StatusUnsupportedMediaType},
		{"a damaged type", http.MethodPost, "text/xml; charset", "", strings.NewReader("<D/>"), http.StatusUnsupportedMediaType},
		{"compressed", http.MethodPost, "text/xml", "gzip", strings.NewReader("<D/>"), http.StatusUnsupportedMediaType},
		{"too large", http.MethodPost, "text/xml", "", strings.NewReader(strings.Repeat(" ", 8193)), http.StatusRequestEntityTooLarge},
		{"too large, and it does not say so", http.MethodPost, "text/xml", "", io.LimitReader(endless{}, 1<<20), http.StatusRequestEntityTooLarge},
		{"as large as allowed", http.MethodPost, "text/xml", "", strings.NewReader(strings.Repeat(" ", 8192)), http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, url, c.body)
			if err != nil {
				t.Fatal(err)
			}
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			if c.contentEncoding != "" {
				r.Header.Set("Content-Encoding", c.contentEncoding)
			}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("status %d, want %d", resp.StatusCode, c.want)
			}
			if resp.StatusCode == http.StatusMethodNotAllowed && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestHTTPAnswersBadMessagesInKMIP(t *testing.T) {
	n := start(t, server.Timeouts{})
	url, client := n.https(), n.httpClient()
	for _, c := range []struct {
		name    string
		e       wire.Encoding
		message string
		version kmip.Version
		want    kmip.ResultReason
	}{
		{"nothing", wire.TTLV, "", kmip.V10, kmip.ResultReasonInvalidMessage},
		{"nothing", wire.XML, "", kmip.V10, kmip.ResultReasonInvalidMessage},
		{"nothing", wire.JSON, "", kmip.V10, kmip.ResultReasonInvalidMessage},
		{"the wrong type", wire.TTLV, "<D/>", kmip.V10, kmip.ResultReasonInvalidMessage},
		{"a length beyond the body", wire.TTLV, "\x42\x00\x78\x01\x7f\xff\xff\xf8", kmip.V10, kmip.ResultReasonInvalidMessage},
		{"another message", wire.XML, "<ResponseMessage/>", kmip.V30, kmip.ResultReasonInvalidMessage},
		{"a document type", wire.XML, "<!DOCTYPE a>" + string(asText(wire.XML, query(kmip.V14))), kmip.V14, kmip.ResultReasonInvalidMessage},
		{"an unknown name", wire.XML, strings.Replace(string(asText(wire.XML, query(kmip.V14))), "QueryOperations", "QueryUnicorns", 1), kmip.V14, kmip.ResultReasonInvalidMessage},
		{"an unknown name", wire.JSON, strings.Replace(string(asText(wire.JSON, query(kmip.V12))), "QueryOperations", "QueryUnicorns", 1), kmip.V12, kmip.ResultReasonInvalidMessage},
		{"an unknown name", wire.JSON, strings.Replace(string(asText(wire.JSON, query(kmip.V21))), "QueryOperations", "QueryUnicorns", 1), kmip.V21, kmip.ResultReasonCodecError},
		{"an operation that is not there", wire.JSON, string(asText(wire.JSON, request(kmip.V12, payload.RequestItem{Operation: 0x77}))), kmip.V12, kmip.ResultReasonOperationNotSupported},
	} {
		t.Run(c.name+" in "+c.e.String(), func(t *testing.T) {
			r, b := n.post(client, url, mediaTypes[c.e], []byte(c.message))
			if r.StatusCode != http.StatusOK {
				t.Fatalf("status %d: %s", r.StatusCode, b)
			}
			got := decoded(t, c.e, b)
			if item := got.Items[0]; item.Status != kmip.ResultStatusOperationFailed || item.Reason != c.want || got.Version != c.version {
				t.Errorf("got %s %s in KMIP %s, want %s in %s", item.Status, item.Reason, got.Version, c.want, c.version)
			}
		})
	}
}

// What the limit measures is the response in TTLV, not what is sent.
func TestHTTPMaximumResponseSize(t *testing.T) {
	n := start(t, server.Timeouts{})
	url, client := n.https(), n.httpClient()
	ask := func(e wire.Encoding, limit int32) ([]byte, kmip.ResultReason) {
		r := &payload.Request{Version: kmip.V14, MaximumResponseSize: limit, Items: []payload.RequestItem{{Operation: kmip.OperationQuery, Payload: &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryOperations}}}}}
		_, b := n.post(client, url, mediaTypes[e], e.Append(nil, dialect.EncodeRequest(r)))
		return b, decoded(t, e, b).Items[0].Reason
	}
	whole, _ := ask(wire.TTLV, 1<<20)
	for e := range mediaTypes {
		b, reason := ask(e, int32(len(whole)))
		if reason != 0 || e != wire.TTLV && len(b) <= len(whole) {
			t.Errorf("%s, limit of %d: %d bytes, %s", e, len(whole), len(b), reason)
		}
		if _, reason := ask(e, int32(len(whole)-1)); reason != kmip.ResultReasonResponseTooLarge {
			t.Errorf("%s, limit of %d: %s", e, len(whole)-1, reason)
		}
	}
}

func TestHTTPKeepsConnections(t *testing.T) {
	n := start(t, server.Timeouts{Body: 500 * time.Millisecond, Write: 500 * time.Millisecond})
	url, client := n.https(), n.httpClient()
	var dials int
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials++
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	for range 3 {
		n.post(client, url, "text/xml", asText(wire.XML, query(kmip.V14)))
		time.Sleep(600 * time.Millisecond) // longer than the deadlines of one message
	}
	if dials != 1 {
		t.Errorf("%d connections", dials)
	}
}

func TestHTTPNeedsTheCertificateOfAClient(t *testing.T) {
	n := start(t, server.Timeouts{})
	url := n.https()
	locate := asText(wire.JSON, request(kmip.V14, payload.RequestItem{Operation: kmip.OperationLocate, Payload: &payload.LocateRequest{}}))
	authority, err := n.svc.Authority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := authority.IssueClient("stranger", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	known := n.client
	n.client = known.Clone()
	n.client.Certificates = []tls.Certificate{tlsCertificate(stranger)}
	client := n.httpClient()
	_, b := n.post(client, url, "application/json", locate)
	if got := decoded(t, wire.JSON, b).Items[0].Reason; got != kmip.ResultReasonAuthenticationNotSuccessful {
		t.Errorf("Locate by a stranger: %s", got)
	}
	_, b = n.post(client, url, "application/json", asText(wire.JSON, query(kmip.V14)))
	if got := decoded(t, wire.JSON, b).Items[0].Reason; got != 0 {
		t.Errorf("Query by a stranger: %s", got)
	}
	n.client = known.Clone()
	n.client.Certificates = nil
	if r, _ := n.post(n.httpClient(), url, "application/json", locate); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d without a certificate", r.StatusCode)
	}
}

func TestHTTPIsInTheAudit(t *testing.T) {
	n := start(t, server.Timeouts{})
	n.post(n.httpClient(), n.https(), "text/xml", asText(wire.XML, query(kmip.V14)))
	list, err := n.svc.Audit(t.Context(), n.svc.Administrator(""), store.AuditQuery{Operation: "Query", Limit: 1})
	if err != nil || len(list) != 1 || list[0].Door != "kmip" || !strings.HasPrefix(list[0].Source, "127.0.0.1:") {
		t.Errorf("audit: %+v, %v", list, err)
	}
}

func TestHTTPCutsOffStuckPeers(t *testing.T) {
	n := start(t, server.Timeouts{Body: 300 * time.Millisecond})
	url := n.https()
	c, err := tls.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/kmip"), n.client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /kmip HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<Req"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(c)
	if isTimeout(err) || !bytes.HasPrefix(b, []byte("HTTP/1.1 408 ")) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestHTTPShutdown(t *testing.T) {
	n := start(t, server.Timeouts{})
	url, client := n.https(), n.httpClient()
	n.post(client, url, "text/xml", asText(wire.XML, query(kmip.V14)))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := n.server.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	if r, _ := n.post(client, url, "text/xml", asText(wire.XML, query(kmip.V14))); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d after Shutdown", r.StatusCode)
	}
}
