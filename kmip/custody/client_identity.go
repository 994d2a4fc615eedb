package custody

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordIdentity says which client of a domain a certificate of another authority
// means. The key is the kind of identity and a hash of its value, so that a value
// is one client's at most.
const recordIdentity = "client.identity"

// Kinds of identities, in the order in which they are looked for.
const (
	IdentityCertificate = "fingerprint" // SHA-256 of a certificate, hexadecimal
	IdentityKey         = "key"         // SHA-256 of a public key (SubjectPublicKeyInfo), hexadecimal
	IdentityURI         = "uri"
	IdentityDNS         = "dns"
	IdentityEmail       = "email"
	IdentityName        = "cn"
)

// ClientIdentity is what a certificate of another authority says of a client.
type ClientIdentity struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type storedIdentity struct {
	Client string `json:"client"`
	ClientIdentity
}

// Bounds of identities.
const (
	maxIdentities    = 64 // of a client
	maxIdentityBytes = 1024
)

// normal is the identity in the form in which it is compared.
func (i ClientIdentity) normal() (ClientIdentity, error) {
	switch i.Kind {
	case IdentityCertificate, IdentityKey:
		sum, err := parseFingerprint(i.Value)
		if err != nil {
			return i, err
		}
		i.Value = hex.EncodeToString(sum)
	case IdentityDNS, IdentityEmail:
		i.Value = strings.ToLower(i.Value)
	case IdentityURI, IdentityName:
	default:
		return i, kmip.Fail(kmip.KindInvalidField, "no identity is a %q", i.Kind)
	}
	if i.Value == "" || len(i.Value) > maxIdentityBytes || strings.ContainsRune(i.Value, 0) {
		return i, kmip.Fail(kmip.KindInvalidField, "an identity has 1 to %d bytes", maxIdentityBytes)
	}
	return i, nil
}

func (i ClientIdentity) key() string {
	sum := sha256.Sum256([]byte(i.Value))
	return i.Kind + ":" + hex.EncodeToString(sum[:])
}

// IdentitiesOf are the pins of a certificate.
func IdentitiesOf(c *x509.Certificate) (certificate, key ClientIdentity) {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return ClientIdentity{IdentityCertificate, FingerprintOf(c)}, ClientIdentity{IdentityKey, hex.EncodeToString(sum[:])}
}

// ChangeIdentities adds and removes identities of a client of the scope's domain. A
// client with any is meant by these only; one without is meant by certificates
// whose Common Name is its name. Adding what is there and removing what is not is
// fine.
func (s *Service) ChangeIdentities(ctx context.Context, sc *Scope, name string, add, remove []ClientIdentity) ([]ClientIdentity, error) {
	var after []ClientIdentity
	err := s.administer(ctx, sc, policy.ActionClientUpdate, name, func() (store.Change, error) {
		var c store.Change
		client, err := s.client(ctx, sc.Domain, name)
		if err == nil && len(add) > 0 {
			err = s.mayOpen(ctx, sc, client.Role)
		}
		if err != nil {
			return c, err
		}
		settings, r, err := s.settingsOf(ctx, sc.Domain, name)
		if err != nil {
			return c, err
		}
		settings.Identities = slices.Clone(settings.Identities)
		for _, i := range remove {
			if err := s.removeIdentity(ctx, sc, &c, &settings, i); err != nil {
				return c, err
			}
		}
		for _, i := range add {
			if err := s.addIdentity(ctx, sc, &c, &settings, name, i); err != nil {
				return c, err
			}
		}
		if len(settings.Identities) > maxIdentities {
			return c, kmip.Fail(kmip.KindTooMany, "a client has at most %d identities", maxIdentities)
		}
		after = settings.Identities
		return c, s.putSingle(ctx, &c, r, sc.Now, settings)
	})
	return after, err
}

func (s *Service) removeIdentity(ctx context.Context, sc *Scope, c *store.Change, settings *ClientSettings, i ClientIdentity) error {
	i, err := i.normal()
	at := slices.Index(settings.Identities, i)
	if err != nil || at < 0 {
		return err
	}
	settings.Identities = slices.Delete(settings.Identities, at, at+1)
	r, err := s.store.Record(ctx, sc.Domain, recordIdentity, i.key())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	c.DeleteRecords = append(c.DeleteRecords, r.Ref())
	return err
}

func (s *Service) addIdentity(ctx context.Context, sc *Scope, c *store.Change, settings *ClientSettings, name string, i ClientIdentity) error {
	i, err := i.normal()
	if err != nil || slices.Contains(settings.Identities, i) {
		return err
	}
	switch owner, err := s.owner(ctx, sc.Domain, i); {
	case err != nil:
		return err
	case owner != "":
		return kmip.Fail(kmip.KindObjectExists, "%s %q is an identity of client %q", i.Kind, i.Value, owner)
	}
	settings.Identities = append(settings.Identities, i)
	r, err := s.sealRecord(ctx, store.Record{Domain: sc.Domain, Kind: recordIdentity, Key: i.key(), Revision: 1, Created: sc.Now}, storedIdentity{name, i})
	c.AddRecords = append(c.AddRecords, r)
	return err
}

// owner is the client that an identity means; "" when there is none.
func (s *Service) owner(ctx context.Context, domain string, i ClientIdentity) (string, error) {
	r, err := s.store.Record(ctx, domain, recordIdentity, i.key())
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var v storedIdentity
	if err := s.openRecord(ctx, r, &v); err != nil {
		return "", err
	}
	if v.ClientIdentity != i {
		return "", nil
	}
	return v.Client, nil
}

// maxFields bounds how many names in a certificate are looked at.
const maxFields = 32

// identitiesIn are the identities that a certificate says, in the order in which
// they count.
func identitiesIn(c *x509.Certificate, fields []string) []ClientIdentity {
	if len(fields) == 0 {
		fields = Maps
	}
	certificate, key := IdentitiesOf(c)
	list := []ClientIdentity{certificate, key}
	add := func(field, kind string, values ...string) {
		if !slices.Contains(fields, field) {
			return
		}
		for _, v := range values[:min(len(values), maxFields)] {
			if i, err := (ClientIdentity{kind, v}).normal(); err == nil {
				list = append(list, i)
			}
		}
	}
	uris := make([]string, 0, len(c.URIs))
	for _, u := range c.URIs {
		uris = append(uris, u.String())
	}
	add(MapURI, IdentityURI, uris...)
	add(MapDNS, IdentityDNS, c.DNSNames...)
	add(MapEmail, IdentityEmail, c.EmailAddresses...)
	add(MapName, IdentityName, c.Subject.CommonName)
	return list
}
