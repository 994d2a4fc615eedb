package custody

import (
	"context"
	"errors"

	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/store"
)

// recordAuthority is the certification authority of a domain.
const recordAuthority = "authority"

// storedAuthority is the form that the record keeps.
type storedAuthority struct {
	Certificate []byte `json:"certificate"` // DER
	Key         []byte `json:"key"`         // PKCS#8
}

// domainAuthority opens the authority that issues the certificates of Certify in
// a domain, and makes it when it is first needed. It is not the authority of the
// installation: nothing that it issues admits anybody to this server.
func (s *Service) domainAuthority(ctx context.Context, sc *Scope) (*pki.Authority, error) {
	r, err := s.store.Record(ctx, sc.Domain, recordAuthority, only)
	if errors.Is(err, store.ErrNotFound) {
		return s.newDomainAuthority(ctx, sc)
	}
	if err != nil {
		return nil, err
	}
	var stored storedAuthority
	if err := s.openRecord(ctx, r, &stored); err != nil {
		return nil, err
	}
	defer clear(stored.Key)
	return pki.LoadAuthority(stored.Certificate, stored.Key)
}

func (s *Service) newDomainAuthority(ctx context.Context, sc *Scope) (*pki.Authority, error) {
	authority, err := pki.NewAuthority("Claviger CA of domain "+sc.Domain, s.now())
	if err != nil {
		return nil, err
	}
	key, err := authority.KeyPKCS8()
	if err != nil {
		return nil, err
	}
	defer clear(key)
	r := store.Record{Domain: sc.Domain, Kind: recordAuthority, Key: only, Revision: 1, Created: sc.Now}
	if r, err = s.sealRecord(ctx, r, storedAuthority{authority.Certificate.Raw, key}); err != nil {
		return nil, err
	}
	change := store.Change{AddRecords: []store.Record{r}}
	change.Audit = append(change.Audit, s.entry(sc, "authority.create", "", nil))
	err = s.store.Commit(ctx, change)
	if errors.Is(err, store.ErrExists) {
		return s.domainAuthority(ctx, sc) // another request was faster
	}
	return authority, err
}
