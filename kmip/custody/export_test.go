package custody

import (
	"context"

	"github.com/claviger/claviger/kmip/custody/pki"
)

// DomainAuthority is the authority of Certify in the domain of a scope.
func (s *Service) DomainAuthority(ctx context.Context, sc *Scope) (*pki.Authority, error) {
	return s.domainAuthority(ctx, sc)
}
