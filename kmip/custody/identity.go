package custody

import (
	"context"
	"crypto/sha256"
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

// settledTTL is for how long a client is not asked for again while RefreshClients
// tells that nothing about clients has changed. It bounds how late another node
// hears that a certificate has become the credential of a user (KMIP 3.0), which is
// no change of a client.
const settledTTL = 30 * time.Second

// identityCache remembers who certificates belong to.
type identityCache struct {
	mu sync.Mutex
	// known by fingerprint, and mark of what they are as of; guarded by mu.
	known map[string]cachedIdentity
	mark  []byte
	times int       // how often mark has changed; guarded by mu
	asked time.Time // when mark was last compared; guarded by mu
}

type cachedIdentity struct {
	identity *clientIdentity // nil: the certificate belongs to nobody
	err      error
	until    time.Time
}

const identityCacheSize = 100_000

// FingerprintOf is the SHA-256 of a certificate, in hexadecimal.
func FingerprintOf(c *x509.Certificate) string { return hex.EncodeToString(pki.Fingerprint(c)) }

// keyOf is the SHA-256 of the public key of a certificate, in hexadecimal.
func keyOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Presented is how a peer comes: the certificate that it presented and TLS has
// verified, with those that it sent to complete the chain, and where it is.
type Presented struct {
	Certificates []*x509.Certificate // the first is the peer's
	Source       string              // network address; "" when it does not matter

	fingerprint string // of the first; "" when it is not known yet
}

// Present is a peer that comes again and again.
func Present(certificates []*x509.Certificate, source string) Presented {
	return Presented{Certificates: certificates, Source: source, fingerprint: FingerprintOf(certificates[0])}
}

// AuthenticateClient finds the client whose certificate was presented and
// verified by TLS, wherever it comes from. Returns KindNotAuthenticated for one
// that is unknown, revoked or may not come. A revocation takes effect within a
// second.
func (s *Service) AuthenticateClient(ctx context.Context, cert *x509.Certificate) (Principal, error) {
	k, err := s.identify(ctx, Presented{Certificates: []*x509.Certificate{cert}}, identityTTL)
	if err != nil {
		return Principal{}, err
	}
	if reason, err := k.admits(s.now(), ""); err != nil && reason != refusedSource {
		return Principal{}, err
	}
	return k.principal, nil
}

// Identify finds the client that comes, and refuses it when it may not come now
// or from there: KindNotAuthenticated, or KindPermissionDenied for its address. Of
// a client that is known and refused the result still has the name, for the audit.
// known tells whether the certificate belongs to any client.
func (s *Service) Identify(ctx context.Context, p Presented) (v Visitor, known bool, err error) {
	return s.visit(ctx, p, identityTTL)
}

// Standing is Identify for a connection that is open: it asks the store only when
// something about clients has changed since RefreshClients was called last.
func (s *Service) Standing(ctx context.Context, p Presented) (v Visitor, known bool, err error) {
	return s.visit(ctx, p, 365*24*time.Hour)
}

func (s *Service) visit(ctx context.Context, p Presented, ttl time.Duration) (v Visitor, known bool, err error) {
	k, err := s.identify(ctx, p, ttl)
	if err != nil {
		return Visitor{}, false, err
	}
	if reason, err := k.admits(s.now(), p.Source); err != nil {
		return k.visitor(), true, &refusal{reason, err}
	}
	return k.visitor(), true, nil
}

// identify finds who a certificate belongs to, as of ttl ago at most.
func (s *Service) identify(ctx context.Context, p Presented, ttl time.Duration) (*clientIdentity, error) {
	fingerprint := p.fingerprint
	if fingerprint == "" {
		fingerprint = FingerprintOf(p.Certificates[0])
	}
	now := s.now()
	s.identities.mu.Lock()
	cached, ok := s.identities.known[fingerprint]
	times := s.identities.times
	if k := cached.identity; k != nil && k.principal.Beside == nil && ttl < settledTTL {
		if age := now.Sub(s.identities.asked); age >= 0 && age <= 2*identityTTL {
			ttl = settledTTL
		}
	}
	s.identities.mu.Unlock()
	if ok && now.Before(cached.until.Add(ttl-identityTTL)) && cached.identity.current(now) {
		return cached.identity, cached.err
	}
	k, err := s.findClient(ctx, p, pki.Fingerprint(p.Certificates[0]))
	if err != nil && kmip.KindOf(err) != kmip.KindNotAuthenticated {
		return nil, s.translate(ctx, err)
	}
	if k != nil {
		k.principal.Fingerprint, k.principal.Key = fingerprint, keyOf(p.Certificates[0])
	}
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	if s.identities.times != times {
		return k, err // it may be older than the change
	}
	if s.identities.known == nil || len(s.identities.known) >= identityCacheSize {
		s.identities.known = map[string]cachedIdentity{}
	}
	s.identities.known[fingerprint] = cachedIdentity{k, err, now.Add(identityTTL)}
	return k, err
}

func (s *Service) findClient(ctx context.Context, p Presented, fingerprint []byte) (*clientIdentity, error) {
	c, cert, err := s.store.ClientByFingerprint(ctx, fingerprint)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s.findExternal(ctx, p, fingerprint)
	case errors.Is(err, errAltered):
		return nil, kmip.FailFrom(err, kmip.KindNotAuthenticated, "the certificate belongs to nobody whom this server made")
	case err != nil:
		return nil, err
	}
	return s.identityOf(ctx, c, !cert.Revoked.IsZero(), p.Certificates[0], fingerprint)
}

// identityOf reads all that is to be known of a client that comes by a certificate.
func (s *Service) identityOf(ctx context.Context, c store.Client, revoked bool, cert *x509.Certificate, fingerprint []byte) (*clientIdentity, error) {
	client := Principal{Principal: policy.Principal{Kind: policy.KindClient, Domain: c.Domain, Name: c.Name, Role: c.Role}}
	k := &clientIdentity{name: c.Domain + "/" + c.Name, principal: client, notAfter: cert.NotAfter, revoked: revoked || !c.Revoked.IsZero()}
	if k.revoked {
		return k, nil
	}
	var err error
	if k.settings, _, err = s.settingsOf(ctx, c.Domain, c.Name); err != nil {
		return nil, err
	}
	k.principal, err = s.userOfCertificate(ctx, client, fingerprint)
	return k, err
}

// AuthenticateAdministrator finds the administrator whose certificate was
// presented and verified by TLS.
func (s *Service) AuthenticateAdministrator(ctx context.Context, cert *x509.Certificate) (Principal, error) {
	return s.administratorBy(ctx, s.store, cert)
}

// AuthenticateUnsealer is AuthenticateAdministrator while the keys are sealed by which
// rows are authenticated. Who is found may unseal, and nothing else.
func (s *Service) AuthenticateUnsealer(ctx context.Context, cert *x509.Certificate) (Principal, error) {
	return s.administratorBy(ctx, s.store.Store, cert)
}

func (s *Service) administratorBy(ctx context.Context, from store.Registry, cert *x509.Certificate) (Principal, error) {
	sum := pki.Fingerprint(cert)
	a, err := from.AdministratorByFingerprint(ctx, sum)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the certificate belongs to no administrator")
	case errors.Is(err, errAltered):
		return Principal{}, kmip.FailFrom(err, kmip.KindNotAuthenticated, "the administrator was not made by this installation, or was altered in the database; the log names it")
	case err != nil:
		return Principal{}, s.translate(ctx, err)
	case !a.Revoked.IsZero():
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the administrator is revoked")
	case !s.now().Before(a.NotAfter):
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "the certificate of the administrator has expired")
	}
	return Principal{
		Principal:   policy.Principal{Kind: policy.KindAdministrator, Name: a.Name, Role: a.Role},
		Fingerprint: hex.EncodeToString(sum), Key: keyOf(cert),
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
