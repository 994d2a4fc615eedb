package wire

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/testenv"
)

var (
	// placeholder is what a case leaves open: it becomes a value of the type.
	placeholder = regexp.MustCompile(`type="(\w+)" value="\$[A-Z0-9_+-]+"`)
	blanks      = regexp.MustCompile(`\s+`)
	message     = regexp.MustCompile(`(?s)<(RequestMessage|ResponseMessage)>.*?</(RequestMessage|ResponseMessage)>`)
)

// TestMessagesOfTheCases takes every message of the OASIS cases from XML
// through TTLV to JSON and back.
func TestMessagesOfTheCases(t *testing.T) {
	dir := os.Getenv("CONFORMANCE_DIR")
	if dir == "" {
		testenv.Require(t, "conformance", "no CONFORMANCE_DIR with the cases")
	}
	count := 0
	start := time.Now()
	err := filepath.WalkDir(filepath.Join(dir, "cases"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".xml" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range message.FindAll(b, -1) {
			count++
			m = placeholder.ReplaceAllFunc(m, func(v []byte) []byte {
				typ := string(placeholder.FindSubmatch(v)[1])
				return []byte(`type="` + typ + `" value="` + filler(typ) + `"`)
			})
			m = regexp.MustCompile(`<AttributeName[^>]*>`).ReplaceAllFunc(m, func(v []byte) []byte { return blanks.ReplaceAll(v, []byte(" ")) })
			goRound(t, filepath.Base(path), m)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) || count == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages in %v", count, time.Since(start))
}

func filler(typ string) string {
	switch typ {
	case "DateTime":
		return "2012-04-27T08:14:38+00:00"
	case "Integer", "LongInteger":
		return "7"
	case "Enumeration":
		return "0x80000007"
	}
	return "abcd"
}

func goRound(t *testing.T, name string, m []byte) {
	t.Helper()
	item, err := ParseXML(bytes.Clone(m), DefaultLimits())
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, m)
		return
	}
	ttlv := Append(nil, item)
	tree, err := Parse(ttlv, DefaultLimits())
	if err != nil || !same(tree, item) {
		t.Errorf("%s: TTLV: %v", name, err)
		return
	}
	for _, e := range []Encoding{JSON, XML} {
		text := e.Append(nil, tree)
		if bytes.Contains(text, []byte(`"Enumeration" value="0x`)) && !bytes.Contains(m, []byte(`"Enumeration" value="0x`)) {
			t.Errorf("%s: a value lost its name:\n%s", name, text)
		}
		back, err := e.Parse(text, DefaultLimits())
		if err != nil || !same(back, item) {
			t.Errorf("%s: %s: %v", name, e, err)
		}
	}
	if strings.HasPrefix(Dump(item), "0x") || item.Type != kmip.TypeStructure {
		t.Errorf("%s: not a message", name)
	}
}
