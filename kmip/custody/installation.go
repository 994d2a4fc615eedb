package custody

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Settings of an installation.
const (
	settingAuthority    = "ca.certificate"
	settingAuthorityKey = "ca.key" // sealed
)

// DefaultDomain is there from the start.
const DefaultDomain = "default"

// FirstAdministrator is the administrator that Initialise makes.
const FirstAdministrator = "root"

// Initialise prepares an installation: keys of the system domain, the
// certification authority, the domain "default" and the first administrator.
// It is safe to repeat and to run on two nodes at once. The certificate of the
// administrator is returned only by the call that made it, else nil.
func (s *Service) Initialise(ctx context.Context) (*pki.Issued, error) {
	return s.initialise(ctx, false)
}

// InitialiseDev is Initialise of an installation for trying things out, whose first
// administrator does not end. One that is there already stays what it is.
func (s *Service) InitialiseDev(ctx context.Context) (*pki.Issued, error) {
	return s.initialise(ctx, true)
}

func (s *Service) initialise(ctx context.Context, dev bool) (*pki.Issued, error) {
	if err := s.sealer.EnsureDomain(ctx, SystemDomain, ""); err != nil {
		return nil, fmt.Errorf("keys of the installation: %w", err)
	}
	authority, err := s.ensureAuthority(ctx)
	if err != nil {
		return nil, err
	}
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "init", Role: policy.RoleAdministrator}}, "", "system", "", "")
	if err := s.ensureDomain(ctx, sc, DefaultDomain); err != nil {
		return nil, err
	}
	admins, err := s.store.Administrators(ctx)
	if err != nil {
		return nil, err
	}
	if len(admins) > 0 {
		return nil, nil //nolint:nilnil // documented: nothing was made
	}
	if stored, err := s.store.Store.Administrators(ctx); err != nil {
		return nil, err
	} else if len(stored) > 0 {
		return nil, fmt.Errorf("of the %d administrators in the database none was made by this installation, and nobody can administer it; "+
			"look at them (the log names them), and if they are right: claviger init --adopt-roster", len(stored))
	}
	return s.makeFirst(ctx, sc, authority, dev)
}

func (s *Service) makeFirst(ctx context.Context, sc *Scope, authority *pki.Authority, dev bool) (*pki.Issued, error) {
	issued, err := authority.IssueClient(FirstAdministrator, []string{administratorUnit}, s.now())
	if err != nil {
		return nil, err
	}
	all, err := s.administrators(ctx)
	if err != nil {
		return nil, err
	}
	if err := all.takeKey(sc, FirstAdministrator, issued.Certificate); err != nil {
		return nil, err
	}
	c := store.Change{AddAdministrators: []store.Administrator{{
		Name: FirstAdministrator, Role: policy.RoleAdministrator, Fingerprint: pki.Fingerprint(issued.Certificate),
		NotAfter: issued.Certificate.NotAfter, Created: sc.Now.Truncate(time.Microsecond),
	}}}
	if dev {
		value, err := s.sealSetting(ctx, settingDev, secret.New([]byte("dev")))
		if err != nil {
			return nil, err
		}
		c.PutSettings = []store.Setting{{Name: settingDev, Value: value}}
	}
	if err := s.settleAdministrators(ctx, &c, all); err != nil {
		return nil, err
	}
	c.Audit = append(c.Audit, s.entry(sc, "administrator.create", "", nil))
	if err := sc.commit(ctx, c); err != nil {
		if errors.Is(err, store.ErrExists) {
			return nil, nil //nolint:nilnil // another node was faster
		}
		return nil, err
	}
	return issued, nil
}

// RenewAdministrator gives the first administrator a new certificate, for
// whoever can run commands on the server's own machine and has lost the old one.
// Returns KindWrongState when the first administrator has ended.
func (s *Service) RenewAdministrator(ctx context.Context) (*pki.Issued, error) {
	authority, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "init"}}, "", "system", "", "")
	all, err := s.administrators(ctx)
	if err != nil {
		return nil, err
	}
	m, ok := all.named(FirstAdministrator)
	if keeps, err := s.keepsFirst(ctx); err != nil {
		return nil, err
	} else if !ok || !m.Revoked.IsZero() && !keeps {
		return nil, kmip.Fail(kmip.KindWrongState, "the first administrator has ended and does not come back; a security officer makes administrators, and break-glass is for when there is none")
	}
	issued, err := authority.IssueClient(FirstAdministrator, []string{administratorUnit}, s.now())
	if err != nil {
		return nil, err
	}
	if err := all.takeKey(sc, FirstAdministrator, issued.Certificate); err != nil {
		return nil, err
	}
	m.Fingerprint, m.NotAfter, m.Revoked = pki.Fingerprint(issued.Certificate), issued.Certificate.NotAfter, time.Time{}
	c := store.Change{UpdateAdmins: []store.Administrator{m}}
	if err := s.settleAdministrators(ctx, &c, all); err != nil {
		return nil, err
	}
	c.Audit = append(c.Audit, s.entry(sc, policy.ActionAdminRenew, FirstAdministrator, nil))
	return issued, sc.commit(ctx, c)
}

func (s *Service) ensureAuthority(ctx context.Context) (*pki.Authority, error) {
	authority, err := s.Authority(ctx)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return authority, err
	}
	if authority, err = pki.NewAuthority("Claviger CA", s.now()); err != nil {
		return nil, err
	}
	key, err := authority.KeyPKCS8()
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealSetting(ctx, settingAuthorityKey, secret.New(key))
	if err != nil {
		return nil, err
	}
	err = s.store.Commit(ctx, store.Change{AddSettings: []store.Setting{
		{Name: settingAuthority, Value: authority.Certificate.Raw}, {Name: settingAuthorityKey, Value: sealed},
	}})
	if errors.Is(err, store.ErrExists) {
		return s.Authority(ctx) // another node was faster
	}
	return authority, err
}

// AuthorityCertificate is the certificate of the installation's own certification
// authority, which can be had also while its key is sealed. It returns
// store.ErrNotFound before Initialise.
func (s *Service) AuthorityCertificate(ctx context.Context) (*x509.Certificate, error) {
	der, err := s.store.Setting(ctx, settingAuthority)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Authority opens the installation's own certification authority. It returns
// store.ErrNotFound before Initialise.
func (s *Service) Authority(ctx context.Context) (*pki.Authority, error) {
	cert, err := s.store.Setting(ctx, settingAuthority)
	if err != nil {
		return nil, err
	}
	key, err := s.openSetting(ctx, settingAuthorityKey)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	return pki.LoadAuthority(cert, key.Reveal())
}

// sealSetting seals a secret of the installation, bound to its name; the
// generation of the key stands before it.
func (s *Service) sealSetting(ctx context.Context, name string, value *secret.Bytes) ([]byte, error) {
	defer value.Destroy()
	generation, err := s.sealer.Current(ctx, SystemDomain)
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealer.SealAt(ctx, SystemDomain, generation, seal.Binding{UID: name}, value)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(generation)), sealed...), nil //nolint:gosec // a generation is positive
}

func (s *Service) openSetting(ctx context.Context, name string) (*secret.Bytes, error) {
	stored, err := s.store.Setting(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(stored) < 4 {
		return nil, fmt.Errorf("setting %s is damaged", name)
	}
	generation := int32(binary.BigEndian.Uint32(stored)) //nolint:gosec // written from an int32
	return s.sealer.Open(ctx, SystemDomain, generation, seal.Binding{UID: name}, stored[4:])
}
