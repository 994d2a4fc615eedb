package soft

import (
	"testing"

	"github.com/claviger/claviger/kmip/secret"
)

// KeysOf counts where in heard the key of a file stands.
func KeysOf(t *testing.T, path string, heard []byte) int {
	t.Helper()
	doc, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := 0; i+fileKeyBytes <= len(heard); i++ {
		if _, err := doc.rootKeys(protection{key: secret.Copy(heard[i : i+fileKeyBytes])}); err == nil {
			n++
		}
	}
	return n
}
