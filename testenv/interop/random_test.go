package interop

import (
	"debug/buildinfo"
	"strings"
	"testing"

	"github.com/claviger/claviger/testenv"
)

// TestTheProgramMakesKeysOfItsOwnSource: without this setting the standard library
// makes keys of RSA and on curves of other numbers than those that it is given.
func TestTheProgramMakesKeysOfItsOwnSource(t *testing.T) {
	t.Parallel()
	info, err := buildinfo.ReadFile(testenv.Claviger(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "DefaultGODEBUG" && strings.Contains(","+s.Value+",", ",cryptocustomrand=1,") {
			return
		}
	}
	t.Errorf("the program is built without cryptocustomrand=1: %v", info.Settings)
}
