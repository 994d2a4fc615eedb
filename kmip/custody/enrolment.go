package custody

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordEnrolment is a token by which a client gets a certificate, once. It belongs
// to the system domain, because whoever has the token says no domain; the key is
// the SHA-256 of the token, of which nothing else is kept.
const recordEnrolment = "client.token"

// storedEnrolment is the form that the record keeps.
type storedEnrolment struct {
	Domain string `json:"domain"`
	Client string `json:"client"`
	Hash   []byte `json:"hash"` // SHA-256 of the token
}

// Validity of tokens for enrolment.
const (
	DefaultTokenTime = 24 * time.Hour
	minTokenTime     = time.Minute
	maxTokenTime     = 30 * 24 * time.Hour
)

const tokenBytes = 32

// Bounds of certificates that clients get by themselves.
const (
	maxLiveCertificates = 100
	renewInterval       = 10 * time.Second // on average
	renewBurst          = 5
)

// Token is a token that was made. Value is secret, base64url, and kept nowhere else.
type Token struct {
	Client  store.Client
	Value   *secret.Bytes
	Expires time.Time
}

// CreateClientToEnrol adds a client without a certificate, and a token by which it
// gets one.
func (s *Service) CreateClientToEnrol(ctx context.Context, sc *Scope, name, role string, valid time.Duration) (Token, error) {
	var made Token
	err := s.administer(ctx, sc, policy.ActionClientCreate, name, func() (store.Change, error) {
		var c store.Change
		if err := checkName("client", name); err != nil {
			return c, err
		}
		role, err := s.roleOfNew(ctx, sc, role)
		if err != nil {
			return c, err
		}
		if _, err := s.store.Client(ctx, sc.Domain, name); err == nil {
			return c, kmip.Fail(kmip.KindObjectExists, "client %q exists already in domain %q", name, sc.Domain)
		} else if !errors.Is(err, store.ErrNotFound) {
			return c, err
		}
		client := store.Client{Domain: sc.Domain, Name: name, Role: role, Created: sc.Now.Truncate(time.Microsecond)}
		c.AddClients = []store.Client{client}
		made, err = s.newToken(ctx, sc, &c, client, valid)
		return c, err
	})
	return made, err
}

// MakeToken makes a token by which a client of the scope's domain gets one more
// certificate.
func (s *Service) MakeToken(ctx context.Context, sc *Scope, name string, valid time.Duration) (Token, error) {
	var made Token
	err := s.administer(ctx, sc, policy.ActionClientCreate, name, func() (store.Change, error) {
		var c store.Change
		client, err := s.unrevoked(ctx, sc.Domain, name)
		if err == nil {
			err = s.mayOpen(ctx, sc, client.Role)
		}
		if err != nil {
			return c, err
		}
		made, err = s.newToken(ctx, sc, &c, client, valid)
		return c, err
	})
	return made, err
}

// CancelTokens ends the tokens of a client of the scope's domain that nobody has
// used, and returns how many there were.
func (s *Service) CancelTokens(ctx context.Context, sc *Scope, name string) (int, error) {
	n := 0
	err := s.administer(ctx, sc, policy.ActionClientCreate, name, func() (store.Change, error) {
		var c store.Change
		if _, err := s.client(ctx, sc.Domain, name); err != nil {
			return c, err
		}
		records, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordEnrolment, Limit: maxRecords})
		if err != nil {
			return c, err
		}
		for _, r := range records {
			var stored storedEnrolment
			if err := s.openRecord(ctx, r, &stored); err != nil {
				return c, err
			}
			if stored.Domain == sc.Domain && stored.Client == name {
				c.DeleteRecords = append(c.DeleteRecords, r.Ref())
			}
		}
		n = len(c.DeleteRecords)
		return c, nil
	})
	return n, err
}

// newToken plans the record of a new token.
func (s *Service) newToken(ctx context.Context, sc *Scope, c *store.Change, client store.Client, valid time.Duration) (Token, error) {
	if valid == 0 {
		valid = DefaultTokenTime
	}
	open, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordEnrolment, Limit: maxRecords})
	if err != nil {
		return Token{}, err
	}
	if len(open) >= maxRecords {
		return Token{}, kmip.Fail(kmip.KindTooMany, "%d tokens have not been used; let some end, or cancel them", len(open))
	}
	if valid < minTokenTime || valid > maxTokenTime {
		return Token{}, kmip.Fail(kmip.KindInvalidField, "a token is valid for %s to %s", minTokenTime, maxTokenTime)
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // never fails
	defer clear(random)
	value := make([]byte, base64.RawURLEncoding.EncodedLen(tokenBytes))
	base64.RawURLEncoding.Encode(value, random)
	hash := sha256.Sum256(value)
	t := Token{Client: client, Value: secret.New(value), Expires: sc.Now.Add(valid).Truncate(time.Microsecond)}
	r := store.Record{
		Domain: SystemDomain, Kind: recordEnrolment, Key: hex.EncodeToString(hash[:]), Revision: 1,
		Created: sc.Now.Truncate(time.Microsecond), Expires: t.Expires,
	}
	r, err = s.sealRecord(ctx, r, storedEnrolment{client.Domain, client.Name, hash[:]})
	if err != nil {
		return t, err
	}
	c.AddRecords = append(c.AddRecords, r)
	return t, nil
}

// Enrolled is a client with a certificate for a key of its own.
type Enrolled struct {
	Client      store.Client
	Certificate *x509.Certificate
	Authority   *x509.Certificate
}

// errToken is the one answer to a token that is wrong.
func errToken() error {
	return &refusal{"token", kmip.Fail(kmip.KindNotAuthenticated, "the token is wrong, has been used or has expired; ask for another")}
}

// Enrol gives whoever has a token a certificate for the key of a certificate
// request, and the token is used up; of two who try at once one gets it. The name
// in the certificate is that of the token's client, whatever the request says. A
// request that cannot be used does not use the token up. The token is destroyed.
//
// Returns KindNotAuthenticated for a wrong token, KindInvalidField for a request
// that cannot be used, and KindUnavailable for a source with many wrong tokens.
func (s *Service) Enrol(ctx context.Context, source, correlation string, token *secret.Bytes, request []byte) (Enrolled, error) {
	defer token.Destroy()
	sc := s.Begin(Principal{}, "", "enroll", source, correlation)
	from := sc.address().String()
	if !s.enrolments.mayTry(from, s.now()) {
		return Enrolled{}, kmip.Fail(kmip.KindUnavailable, "too many wrong tokens from this address; try again later")
	}
	e, err := s.enrol(ctx, sc, token, request)
	for range planAttempts {
		if !errors.Is(err, store.ErrConflict) { // the token was used, or its record was moved to another key
			break
		}
		e, err = s.enrol(ctx, sc, token, request)
	}
	if err != nil {
		err = s.translate(ctx, err)
		if kmip.KindOf(err) == kmip.KindNotAuthenticated {
			s.enrolments.wrong(from, s.now())
		}
		s.TurnAway(ctx, sc, "client.enroll", "enrolment from "+from, err)
	}
	return e, err
}

func (s *Service) enrol(ctx context.Context, sc *Scope, token *secret.Bytes, request []byte) (Enrolled, error) {
	hash := sha256.Sum256(token.Reveal())
	r, err := s.store.Record(ctx, SystemDomain, recordEnrolment, hex.EncodeToString(hash[:]))
	if errors.Is(err, store.ErrNotFound) || err == nil && !sc.Now.Before(r.Expires) {
		return Enrolled{}, errToken()
	}
	if err != nil {
		return Enrolled{}, err
	}
	var stored storedEnrolment
	if err := s.openRecord(ctx, r, &stored); err != nil {
		return Enrolled{}, err
	}
	if subtle.ConstantTimeCompare(stored.Hash, hash[:]) != 1 {
		return Enrolled{}, errToken()
	}
	sc.Domain = stored.Domain
	c, err := s.store.Client(ctx, stored.Domain, stored.Client)
	if err != nil {
		return Enrolled{}, err
	}
	sc.Principal.Principal = policy.Principal{Kind: policy.KindClient, Domain: c.Domain, Name: c.Name, Role: c.Role}
	settings, _, err := s.settingsOf(ctx, c.Domain, c.Name)
	if err != nil {
		return Enrolled{}, err
	}
	k := clientIdentity{settings: settings, revoked: !c.Revoked.IsZero()}
	if reason, err := k.admits(sc.Now, sc.Source); err != nil {
		return Enrolled{}, &refusal{reason, err}
	}
	e, change, err := s.certifyClient(ctx, sc, c, request)
	if err != nil {
		return Enrolled{}, err
	}
	change.DeleteRecords = append(change.DeleteRecords, r.Ref())
	change.Audit = append(change.Audit, s.entry(sc, "client.enroll", c.Name, nil))
	return e, sc.commit(ctx, change)
}

// certifyClient plans a certificate of a client for the key of a request.
func (s *Service) certifyClient(ctx context.Context, sc *Scope, c store.Client, request []byte) (Enrolled, store.Change, error) {
	key, err := pki.Request(request)
	if err != nil {
		return Enrolled{}, store.Change{}, kmip.Fail(kmip.KindInvalidField, "%s", err)
	}
	return s.certifyKey(ctx, sc, c, key)
}

func (s *Service) certifyKey(ctx context.Context, sc *Scope, c store.Client, key crypto.PublicKey) (Enrolled, store.Change, error) {
	authority, err := s.Authority(ctx)
	if err != nil {
		return Enrolled{}, store.Change{}, err
	}
	cert, err := authority.IssueClientFor(key, c.Name, []string{c.Domain}, s.now())
	if err != nil {
		return Enrolled{}, store.Change{}, err
	}
	made := NewClient{Client: c, Issued: &pki.Issued{Certificate: cert}}
	return Enrolled{c, cert, authority.Certificate}, store.Change{AddCertificates: []store.Certificate{made.certificate(sc)}}, nil
}

// Renew gives a client that comes by a certificate of this server's authority
// another one, for the key of a certificate request. The old one stays valid until
// its end.
//
// Returns the failures of Identify, KindInvalidField for a request that cannot be
// used, and KindUnavailable when the client renews too often.
func (s *Service) Renew(ctx context.Context, p Presented, correlation string, request []byte) (Enrolled, error) {
	sc := s.Begin(Principal{}, "", "enroll", p.Source, correlation)
	v, _, err := s.Identify(ctx, p)
	peer := v.Client
	if err != nil {
		if peer == "" {
			peer = FingerprintOf(p.Certificates[0])
		}
		sc.Principal, sc.Domain = v.Principal, v.Principal.Domain
		s.TurnAway(ctx, sc, "client.renew", peer, err)
		return Enrolled{}, err
	}
	client := v.Principal.Principal
	if v.Principal.Beside != nil {
		client = *v.Principal.Beside
	}
	sc.Principal, sc.Domain = Principal{Principal: client, Fingerprint: v.Principal.Fingerprint}, client.Domain
	e, err := s.renew(ctx, sc, p.Certificates[0], v.Client, request)
	if err != nil {
		err = s.translate(ctx, err)
		s.TurnAway(ctx, sc, "client.renew", peer, err)
	}
	return e, err
}

func (s *Service) renew(ctx context.Context, sc *Scope, cert *x509.Certificate, client string, request []byte) (Enrolled, error) {
	c, current, err := s.store.ClientByFingerprint(ctx, pki.Fingerprint(cert))
	if errors.Is(err, store.ErrNotFound) {
		return Enrolled{}, kmip.Fail(kmip.KindPermissionDenied, "the certificate is of another authority, which is where to renew it")
	}
	if err != nil {
		return Enrolled{}, err
	}
	if !c.Revoked.IsZero() || !current.Revoked.IsZero() {
		return Enrolled{}, kmip.Fail(kmip.KindNotAuthenticated, "the client or its certificate is revoked")
	}
	if !s.enrolments.mayRenew(client, s.now()) {
		return Enrolled{}, &refusal{refusedRate, kmip.Fail(kmip.KindUnavailable, "the client renews too often; try again later")}
	}
	list, err := s.store.Certificates(ctx, c.Domain, c.Name)
	if err != nil {
		return Enrolled{}, err
	}
	live := 0
	for _, t := range list {
		if t.Revoked.IsZero() && sc.Now.Before(t.NotAfter) {
			live++
		}
	}
	if live >= maxLiveCertificates {
		return Enrolled{}, kmip.Fail(kmip.KindPermissionDenied, "the client has %d certificates that are good; an administrator must revoke some", live)
	}
	e, change, err := s.certifyClient(ctx, sc, c, request)
	if err != nil {
		return Enrolled{}, err
	}
	change.Audit = append(change.Audit, s.entry(sc, "client.renew", c.Name, nil))
	return e, sc.commit(ctx, change)
}
