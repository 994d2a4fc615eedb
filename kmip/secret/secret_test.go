package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/claviger/claviger/kmip/secret"
)

func TestSecretsNeverShow(t *testing.T) {
	const value = "hunter2"
	s := secret.Copy([]byte(value))
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "inside", struct{ S *secret.Bytes }{s})
	j, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		s.String(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %x %q %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%+v", struct{ S *secret.Bytes }{s}), log.String(), string(j),
	} {
		for _, form := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%d", []byte(value))} {
			if strings.Contains(text, form) {
				t.Errorf("%q shows the secret", text)
			}
		}
	}
}

func TestDestroyOverwrites(t *testing.T) {
	b := []byte("hunter2")
	s := secret.New(b)
	clone := s.Clone()
	s.Destroy()
	s.Destroy()
	if !bytes.Equal(b, make([]byte, 7)) || s.Len() != 0 {
		t.Errorf("memory after Destroy: %q", b)
	}
	if !clone.Equal(secret.Copy([]byte("hunter2"))) || clone.Equal(secret.Copy([]byte("hunter3"))) {
		t.Error("Equal is wrong")
	}
	var none *secret.Bytes
	none.Destroy()
	if none.Len() != 0 || none.Reveal() != nil {
		t.Error("nil is not an empty secret")
	}
}
