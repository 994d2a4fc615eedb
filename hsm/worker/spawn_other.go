//go:build !unix

package worker

import (
	"fmt"
	"net"

	"github.com/claviger/claviger/hsm"
)

func spawn(*Config) (*process, error) {
	return nil, fmt.Errorf("a token worker needs Unix; open the token inline: %w", hsm.ErrUnsupported)
}

func channel() (net.Conn, error) {
	return nil, fmt.Errorf("a token worker needs Unix: %w", hsm.ErrUnsupported)
}
