package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// CredentialTypes are the types of credentials that are accepted.
var CredentialTypes = []kmip.CredentialType{
	kmip.CredentialTypeUsernameAndPassword, kmip.CredentialTypeDevice, kmip.CredentialTypeOneTimePassword, kmip.CredentialTypeHashedPassword,
	kmip.CredentialTypeTicket, kmip.CredentialTypePassword, kmip.CredentialTypeCertificate,
}

// AskGroups records a Query, and refuses one about Object Groups that nothing
// belongs to (§6.1.40).
func (s *Service) AskGroups(ctx context.Context, sc *Scope, groups []string) error {
	return s.do(ctx, sc, "Query", func() (outcome, error) {
		for _, g := range groups {
			found, err := sc.reader.Find(ctx, store.Query{Sides: []store.Side{{Kind: store.SideGroup, Value: g}}, Limit: 1})
			if err != nil {
				return outcome{}, err
			}
			if len(found) == 0 {
				return outcome{}, kmip.Fail(kmip.KindUnknownGroup, "nothing belongs to the group %q", printable(g))
			}
		}
		return outcome{}, nil
	})
}
