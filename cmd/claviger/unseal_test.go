package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnsealTellsHowTheNodeIsAfterwards(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"sealed":true,"reason":"1 of 2 shares","wants":[{"token":"software root key","what":"share","needed":2,"given":1}]}`
		if r.Method == http.MethodPost {
			answer = `{"sealed":false}`
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer))
	}))
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	share := filepath.Join(t.TempDir(), "share")
	if err := os.WriteFile(share, []byte("the second share"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	err := run(context.Background(), []string{"unseal", "--file", share, "--context", writeContextOf(t, s.URL, ca)}, strings.NewReader(""), &stdout, &stderr)
	if err != nil || stdout.String() != "unsealed\n" {
		t.Errorf("unseal prints %q, %v; want that it is unsealed and nothing else", stdout.String(), err)
	}
}
