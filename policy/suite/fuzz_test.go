package suite_test

import (
	"testing"

	"github.com/claviger/claviger/policy/suite"
)

// What reads is written in a form that reads as the same.
func FuzzParseItem(f *testing.F) {
	for _, s := range []string{"AES:128", "curve=P-256", "hash=SHA3-256", "3des:192", "=", ":", "mode=:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := suite.ParseItem(text)
		if err != nil {
			return
		}
		if again, err := suite.ParseItem(i.Text()); err != nil || again != i {
			t.Errorf("%q is written %q, which reads as %+v, %v", text, i.Text(), again, err)
		}
	})
}
