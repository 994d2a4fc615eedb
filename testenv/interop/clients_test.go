package interop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/testenv"
)

// TestRevocationEndsConnectionsAtAllNodes revokes a client at one node, and its idle
// connections at both end, while those of others stay.
func TestRevocationEndsConnectionsAtAllNodes(t *testing.T) {
	t.Parallel()
	first := testenv.Start(t, testenv.Options{Store: "postgres"})
	second := first.Join(t)
	cert, key := first.NewClient(t, "array", "default")
	open := func(n *testenv.Node, cert, key string) *tls.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", n.KMIP, first.TLS(t, cert, key))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	mine := []*tls.Conn{open(first, cert, key), open(second, cert, key)}
	other := open(second, "", "")
	time.Sleep(1500 * time.Millisecond) // a sweep finds them good
	for _, c := range append(mine, other) {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err == nil || !os.IsTimeout(err) {
			t.Fatalf("before: %v", err)
		}
	}
	first.CLI(t, "client", "revoke", "array")
	begun := time.Now()
	for i, c := range mine {
		_ = c.SetReadDeadline(begun.Add(3 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("at node %d it is open after %v: %v", i+1, time.Since(begun), err)
		}
		t.Logf("node %d: ended after %v", i+1, time.Since(begun).Round(time.Millisecond))
	}
	_ = other.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := other.Read(make([]byte, 1)); err == nil || !os.IsTimeout(err) {
		t.Errorf("the connection of another client: %v", err)
	}
}

// TestATokenIsGoodOnceAtTwoNodes uses one token at two nodes at the same time.
func TestATokenIsGoodOnceAtTwoNodes(t *testing.T) {
	t.Parallel()
	first := testenv.Start(t, testenv.Options{Store: "postgres"})
	nodes := []*testenv.Node{first, first.Join(t)}
	var made struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(first.CLI(t, "--output", "json", "client", "create", "array", "--enroll")), &made); err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	conf := first.TLS(t, "", "")
	conf.Certificates = nil // the token is all that there is
	transport := &http.Transport{TLSClientConfig: conf}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	const racers = 10
	codes, answers := make([]int, racers), make([]string, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			r, err := http.NewRequest(http.MethodPost, "https://"+nodes[i%2].HTTPS+"/enroll", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+made.Token)
			resp, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			codes[i], answers[i] = resp.StatusCode, string(b)
		})
	}
	wg.Wait()
	won := 0
	for i, code := range codes {
		switch code {
		case http.StatusCreated:
			won++
		case http.StatusUnauthorized:
		default:
			t.Errorf("%d %s", code, answers[i])
		}
	}
	if won != 1 {
		t.Errorf("%d of %d got a certificate by one token: %v", won, racers, codes)
	}
	for _, n := range nodes {
		if b, err := os.ReadFile(n.Log); err != nil || bytes.Contains(b, []byte(made.Token)) {
			t.Errorf("the token is in the log, or there is none: %v", err)
		}
	}
}

// TestFurtherListeners has a second listener with a TLS of its own, and the metrics
// tell when certificates expire.
func TestFurtherListeners(t *testing.T) {
	t.Parallel()
	n := testenv.Prepare(t, testenv.Options{Root: "file"})
	n.SetEnv("CLAVIGER_KMIP_TLS=modern", "CLAVIGER_KMIP_ALSO_0_LISTEN=127.0.0.1:0", "CLAVIGER_KMIP_ALSO_0_TLS=legacy")
	n.Restart(t)
	n.Cert, n.Key = n.NewClient(t, "demo", "default")
	log, err := os.ReadFile(n.Log)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`also listening" kmip=(\S+)`).FindSubmatch(log)
	if m == nil || !bytes.Contains(log, []byte("LEGACY TLS IS ON")) {
		t.Fatalf("log: %s", log)
	}
	old := n.TLS(t, "", "")
	old.MaxVersion, old.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	if c, err := tls.Dial("tcp", n.KMIP, old); err == nil {
		_ = c.Close()
		t.Error("the modern listener takes old TLS")
	}
	c, err := tls.Dial("tcp", string(m[1]), old)
	if err != nil {
		t.Fatalf("the legacy listener: %v", err)
	}
	_ = c.Close()
	second := *n
	second.KMIP = string(m[1])
	if _, err := dial(t, &second, "", "").Create(t.Context(), symmetric("old", 256)); err != nil {
		t.Errorf("the legacy listener: %v", err)
	}
	admin := n.TLS(t, strings.Replace(n.CA, "ca.pem", "admin/cert.pem", 1), strings.Replace(n.CA, "ca.pem", "admin/key.pem", 1))
	transport := &http.Transport{TLSClientConfig: admin}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + n.HTTPS + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	for _, kind := range []string{"administrator", "authority", "server"} { // those of clients are read once an hour, and there was none at the start
		if !bytes.Contains(b, []byte(`claviger_certificate_expiry_seconds{kind="`+kind+`"} `)) {
			t.Errorf("metrics do not tell when a certificate of kind %s expires", kind)
		}
	}
}
