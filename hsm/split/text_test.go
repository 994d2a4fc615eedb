package split_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip/secret"
)

// The form is on paper in safes: it may never change.
func TestTheTextOfAShareStaysAsItIs(t *testing.T) {
	form := split.Text{Prefix: "claviger-share-1-", Bytes: 12}
	value := []byte("twelve bytes")
	const want = "claviger-share-1-or3wk3dw-muqge6lu-mvzvcyhy-gq"
	text := form.Write(value)
	defer text.Destroy()
	if got := string(text.Reveal()); got != want {
		t.Errorf("written as %s, want %s", got, want)
	}
	for name, typed := range map[string]string{
		"as written":     string(text.Reveal()),
		"in capitals":    strings.ToUpper(string(text.Reveal())),
		"without hyphen": strings.ReplaceAll(string(text.Reveal()), "-", " "),
		"over two lines": string(text.Reveal()[:20]) + "\r\n" + string(text.Reveal()[20:]),
	} {
		if got, ok := form.Read(secret.New([]byte(typed))); !ok || !bytes.Equal(got, value) {
			t.Errorf("%s: %q, %t", name, got, ok)
		}
	}
	written := string(text.Reveal())
	for i := range len(written) {
		typed := []byte(written)
		if typed[i] == '-' {
			continue
		}
		typed[i] = map[bool]byte{true: 'b', false: 'a'}[typed[i] == 'a']
		if _, ok := form.Read(secret.New(typed)); ok {
			t.Errorf("a typing error at %d was not found", i)
		}
	}
	for name, typed := range map[string]string{"nothing": "", "too short": written[:len(written)-1], "too long": written + "a", "of another kind": strings.Replace(written, "share", "shard", 1), "very long": strings.Repeat("a", 10_000)} {
		if _, ok := form.Read(secret.New([]byte(typed))); ok {
			t.Errorf("%s was read", name)
		}
	}
}
