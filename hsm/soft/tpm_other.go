//go:build !linux

package soft

import (
	"fmt"

	"github.com/claviger/claviger/hsm"
)

var errNoTPM = fmt.Errorf("TPMs are used on Linux only: %w", hsm.ErrUnsupported)

func (p protection) sealTPM(TPM) (*tpmHeader, error) { return nil, errNoTPM }

func (h header) unseal(string) (protection, error) { return protection{}, errNoTPM }
