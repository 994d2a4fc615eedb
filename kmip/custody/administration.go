package custody

import (
	"context"
	"crypto/x509"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// names of domains, clients and users: what is safe in files, URLs and logs.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

func checkName(what, name string) error {
	if !nameForm.MatchString(name) {
		return kmip.Fail(kmip.KindInvalidField, "a %s name has 1 to 63 letters, digits, dots, dashes, underscores or @ and begins with a letter or digit", what)
	}
	return nil
}

// administer runs an administrative action after asking policy.
func (s *Service) administer(ctx context.Context, sc *Scope, action, subject string, plan func() (store.Change, error)) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		o := outcome{uid: subject}
		if err := s.authorize(ctx, sc, action, policy.Resource{}); err != nil {
			return o, err
		}
		var err error
		o.change, err = plan()
		return o, err
	})
}

// ReadStatus records that an administrator looked at the state of a node.
func (s *Service) ReadStatus(ctx context.Context, sc *Scope) error {
	return s.administer(ctx, sc, policy.ActionStatus, "", func() (store.Change, error) { return store.Change{}, nil })
}

// CreateDomain adds a domain and makes its key, in the mode that is configured
// when mode is empty.
func (s *Service) CreateDomain(ctx context.Context, sc *Scope, name string, mode seal.Mode) error {
	return s.administer(ctx, sc, policy.ActionDomainCreate, name, func() (store.Change, error) {
		if err := checkName("domain", name); err != nil {
			return store.Change{}, err
		}
		if err := checkMode(mode); err != nil {
			return store.Change{}, err
		}
		if name == SystemDomain {
			return store.Change{}, kmip.Fail(kmip.KindObjectExists, "%q is the installation's own domain", name)
		}
		if _, err := s.store.Domain(ctx, name); err == nil {
			return store.Change{}, kmip.Fail(kmip.KindObjectExists, "domain %q exists already", name)
		} else if !errors.Is(err, store.ErrNotFound) {
			return store.Change{}, err
		}
		if err := s.sealer.EnsureDomain(ctx, name, mode); err != nil {
			return store.Change{}, err
		}
		return store.Change{AddDomains: []store.Domain{{Name: name, Created: sc.Now.Truncate(time.Microsecond)}}}, nil
	})
}

// ensureDomain makes a domain that is not there, without asking anybody.
func (s *Service) ensureDomain(ctx context.Context, sc *Scope, name string) error {
	if err := s.sealer.EnsureDomain(ctx, name, ""); err != nil {
		return err
	}
	if _, err := s.store.Domain(ctx, name); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	c := store.Change{AddDomains: []store.Domain{{Name: name, Created: sc.Now.Truncate(time.Microsecond)}}}
	c.Audit = append(c.Audit, s.entry(sc, policy.ActionDomainCreate, name, nil))
	if err := sc.commit(ctx, c); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// Domains lists the domains.
func (s *Service) Domains(ctx context.Context, sc *Scope) ([]store.Domain, error) {
	var list []store.Domain
	err := s.administer(ctx, sc, policy.ActionDomainList, "", func() (store.Change, error) {
		var err error
		list, err = s.store.Domains(ctx)
		return store.Change{}, err
	})
	return list, err
}

// NewClient is what CreateClient hands out, once.
type NewClient struct {
	Client    store.Client
	Issued    *pki.Issued
	Authority *x509.Certificate
}

// CreateClient adds a client to the domain of the scope and issues its first
// certificate. Without a role it gets the one for everything, or none when the
// caller may not grant any.
func (s *Service) CreateClient(ctx context.Context, sc *Scope, name, role string) (*NewClient, error) {
	var made *NewClient
	err := s.administer(ctx, sc, policy.ActionClientCreate, name, func() (store.Change, error) {
		role, err := s.roleOfNew(ctx, sc, role)
		if err != nil {
			return store.Change{}, err
		}
		if made, err = s.newClient(ctx, sc, name, role); err != nil {
			return store.Change{}, err
		}
		if _, err := s.store.Client(ctx, sc.Domain, name); err == nil {
			return store.Change{}, kmip.Fail(kmip.KindObjectExists, "client %q exists already in domain %q", name, sc.Domain)
		}
		return store.Change{
			AddClients:      []store.Client{made.Client},
			AddCertificates: []store.Certificate{made.certificate(sc)},
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (s *Service) newClient(ctx context.Context, sc *Scope, name, role string) (*NewClient, error) {
	if err := checkName("client", name); err != nil {
		return nil, err
	}
	authority, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := authority.IssueClient(name, []string{sc.Domain}, s.now())
	if err != nil {
		return nil, err
	}
	return &NewClient{
		Client: store.Client{Domain: sc.Domain, Name: name, Role: role, Created: sc.Now.Truncate(time.Microsecond)},
		Issued: issued, Authority: authority.Certificate,
	}, nil
}

// IssueCertificate gives a client one more certificate.
func (s *Service) IssueCertificate(ctx context.Context, sc *Scope, name string) (*NewClient, error) {
	var made *NewClient
	err := s.administer(ctx, sc, policy.ActionClientCreate, name, func() (store.Change, error) {
		c, err := s.unrevoked(ctx, sc.Domain, name)
		if err == nil {
			err = s.mayOpen(ctx, sc, c.Role)
		}
		if err != nil {
			return store.Change{}, err
		}
		if made, err = s.newClient(ctx, sc, name, c.Role); err != nil {
			return store.Change{}, err
		}
		made.Client = c
		return store.Change{AddCertificates: []store.Certificate{made.certificate(sc)}}, nil
	})
	return made, err
}

// certificate is the record of the certificate that was issued.
func (n *NewClient) certificate(sc *Scope) store.Certificate {
	c := n.Issued.Certificate
	return store.Certificate{
		Domain: n.Client.Domain, Client: n.Client.Name, Fingerprint: pki.Fingerprint(c),
		Serial: c.SerialNumber.Text(16), NotAfter: c.NotAfter, Created: sc.Now.Truncate(time.Microsecond),
	}
}

// checkMember refuses a role that clients cannot have and a domain that is not
// there.
func (s *Service) checkMember(ctx context.Context, domain, role string) error {
	set, err := s.policies(ctx)
	if err != nil {
		return err
	}
	if roles := set.Roles(domain); !slices.Contains(roles, role) {
		return kmip.Fail(kmip.KindInvalidField, "no role %q in domain %q; there are %s", role, domain, strings.Join(roles, ", "))
	}
	if _, err := s.store.Domain(ctx, domain); errors.Is(err, store.ErrNotFound) {
		return kmip.Fail(kmip.KindObjectNotFound, "no domain %q", domain)
	} else if err != nil {
		return err
	}
	return nil
}

// Clients lists the clients of the scope's domain, or of all when it is empty.
func (s *Service) Clients(ctx context.Context, sc *Scope) ([]store.Client, error) {
	var list []store.Client
	err := s.administer(ctx, sc, policy.ActionClientList, "", func() (store.Change, error) {
		var err error
		list, err = s.store.Clients(ctx, sc.Domain)
		return store.Change{}, err
	})
	return list, err
}

// RevokeClient ends the access of a client, within a second also on
// connections that are open.
func (s *Service) RevokeClient(ctx context.Context, sc *Scope, name string) error {
	return s.administer(ctx, sc, policy.ActionClientRevoke, name, func() (store.Change, error) {
		c, err := s.anyClient(ctx, sc.Domain, name)
		if err != nil {
			return store.Change{}, err
		}
		if !c.Revoked.IsZero() {
			return store.Change{}, nil
		}
		c.Revoked = sc.Now.Truncate(time.Microsecond)
		return store.Change{UpdateClients: []store.Client{c}}, nil
	})
}

// CreateUser is AddUser for whom the role is not news.
func (s *Service) CreateUser(ctx context.Context, sc *Scope, name, role string, password *secret.Bytes) error {
	_, err := s.AddUser(ctx, sc, name, role, password)
	return err
}

// AddUser adds a KMIP user to the domain of the scope, and returns its role,
// which is chosen as that of a client. The password is destroyed.
func (s *Service) AddUser(ctx context.Context, sc *Scope, name, role string, password *secret.Bytes) (granted string, err error) {
	defer password.Destroy()
	err = s.administer(ctx, sc, policy.ActionUserCreate, name, func() (store.Change, error) {
		if err := checkName("user", name); err != nil {
			return store.Change{}, err
		}
		if password.Len() == 0 {
			return store.Change{}, kmip.Fail(kmip.KindMissingField, "the password is empty")
		}
		role, err := s.roleOfNew(ctx, sc, role)
		if err != nil {
			return store.Change{}, err
		}
		if _, err := s.store.User(ctx, sc.Domain, name); err == nil {
			return store.Change{}, kmip.Fail(kmip.KindObjectExists, "user %q exists already in domain %q", name, sc.Domain)
		}
		c := store.Change{AddUsers: []store.User{{
			Domain: sc.Domain, Name: name, Role: role, Password: hashPassword(password), Created: sc.Now.Truncate(time.Microsecond),
		}}}
		hashed, err := hashedSecrets(name, password)
		if err != nil {
			return c, err
		}
		_, r, err := s.readHashed(ctx, sc.Domain, name) // of a user object that had the name
		if err != nil {
			return c, err
		}
		granted = role
		err = s.putSingle(ctx, &c, r, sc.Now, hashed)
		return c, err
	})
	return granted, err
}

// Audit lists entries of the audit, newest first.
func (s *Service) Audit(ctx context.Context, sc *Scope, q store.AuditQuery) ([]audit.Entry, error) {
	var list []audit.Entry
	err := s.administer(ctx, sc, policy.ActionAuditList, "", func() (store.Change, error) {
		var err error
		list, err = s.store.Audit(ctx, q)
		return store.Change{}, err
	})
	return list, err
}
