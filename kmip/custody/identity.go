package custody

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// identityTTL bounds how long a revoked client is still served.
const identityTTL = time.Second

// identityCache remembers who a certificate belongs to.
type identityCache struct {
	mu sync.Mutex
	// known by fingerprint; guarded by mu.
	known map[string]cachedIdentity
}

type cachedIdentity struct {
	principal Principal
	err       error
	until     time.Time
}

const identityCacheSize = 100_000

// AuthenticateClient finds the client whose certificate was presented and
// verified by TLS. Returns KindNotAuthenticated for one that is unknown or
// revoked. A revocation takes effect within a second.
func (s *Service) AuthenticateClient(ctx context.Context, cert *x509.Certificate) (Principal, error) {
	sum := pki.Fingerprint(cert)
	fingerprint := hex.EncodeToString(sum)
	now := s.now()
	s.identities.mu.Lock()
	known, ok := s.identities.known[fingerprint]
	s.identities.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.principal, known.err
	}
	p, err := s.findClient(ctx, sum)
	if err != nil && kmip.KindOf(err) != kmip.KindNotAuthenticated {
		return Principal{}, s.translate(ctx, err)
	}
	p.Fingerprint = fingerprint
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	if s.identities.known == nil || len(s.identities.known) >= identityCacheSize {
		s.identities.known = map[string]cachedIdentity{}
	}
	s.identities.known[fingerprint] = cachedIdentity{p, err, now.Add(identityTTL)}
	return p, err
}

func (s *Service) findClient(ctx context.Context, fingerprint []byte) (Principal, error) {
	c, cert, err := s.store.ClientByFingerprint(ctx, fingerprint)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the certificate belongs to no client")
	case err != nil:
		return Principal{}, err
	case !c.Revoked.IsZero() || !cert.Revoked.IsZero():
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the client or its certificate is revoked")
	}
	client := Principal{Principal: policy.Principal{Kind: policy.KindClient, Domain: c.Domain, Name: c.Name, Role: c.Role}}
	return s.userOfCertificate(ctx, client, fingerprint)
}

// AuthenticateAdministrator finds the administrator whose certificate was
// presented and verified by TLS.
func (s *Service) AuthenticateAdministrator(ctx context.Context, cert *x509.Certificate) (Principal, error) {
	sum := pki.Fingerprint(cert)
	a, err := s.store.AdministratorByFingerprint(ctx, sum)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the certificate belongs to no administrator")
	case err != nil:
		return Principal{}, s.translate(ctx, err)
	case !a.Revoked.IsZero():
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the administrator is revoked")
	case !s.now().Before(a.NotAfter):
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the certificate of the administrator has expired")
	}
	return Principal{
		Principal:   policy.Principal{Kind: policy.KindAdministrator, Name: a.Name, Role: a.Role},
		Fingerprint: hex.EncodeToString(sum),
	}, nil
}

// userOfCertificate finds the user whose credential the certificate of a client
// is (KMIP 3.0); the client itself when there is none.
func (s *Service) userOfCertificate(ctx context.Context, client Principal, fingerprint []byte) (Principal, error) {
	found, err := s.store.Find(ctx, client.Domain, store.Query{
		Types: []uint32{uint32(kmip.ObjectTypeCertificate)}, Limit: 1,
		Sides: []store.Side{{Kind: store.SideCredential, Value: "certificate:" + hex.EncodeToString(fingerprint)}},
	})
	if err != nil || len(found) == 0 {
		return client, err
	}
	sc := s.internal(client.Domain)
	credential, err := s.memberObject(ctx, sc, found[0].UID)
	if err != nil || credential == nil {
		return client, err
	}
	user, err := s.userOf(ctx, sc, found[0].UID)
	if err != nil || user == nil {
		return client, err
	}
	return beside(client, nameOfUser(user), policy.RoleFull), nil
}

// forget makes the next request ask again who a certificate belongs to.
func (c *identityCache) forget(fingerprint string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, fingerprint)
}
