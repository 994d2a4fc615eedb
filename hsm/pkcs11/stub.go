//go:build !cgo

package pkcs11

import (
	"context"
	"fmt"

	"github.com/claviger/claviger/hsm"
)

// Token stands for a PKCS#11 token; this build has none.
type Token struct{ hsm.Token }

// Open returns hsm.ErrUnsupported: this build has no cgo.
func Open(context.Context, Config) (*Token, error) {
	return nil, fmt.Errorf("this program was built without cgo and cannot load PKCS#11 modules; use a build with cgo: %w", hsm.ErrUnsupported)
}
