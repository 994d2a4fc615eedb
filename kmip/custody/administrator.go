package custody

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordAdministrators changes whenever administrators or policies do, so that what is
// decided by looking at all of them is decided once: that a role keeps a holder, that
// somebody can change policies, and that the first administrator ends.
const recordAdministrators = "administrators"

// settingDev marks an installation for trying things out, whose first administrator
// does not end. It is sealed.
const settingDev = "installation.dev"

// separate are the roles that exclude each other: the first administrator ends when
// each has a holder.
var separate = []string{policy.RoleSystem, policy.RoleOfficer, policy.RoleAuditor}

// administrators are all that there are, with what makes a decision about them final.
type administrators struct {
	list   []store.Administrator
	record store.Record
	kept   struct {
		Changes int64 `json:"changes"` // that there have been
		// Keys are the SHA-256 of the public keys by name, of certificates that were issued
		// since they are kept.
		Keys map[string]string `json:"keys,omitempty"`
	}
}

func (s *Service) administrators(ctx context.Context) (administrators, error) {
	var a administrators
	var err error
	// The record first: what changes after it is a conflict.
	if a.record, err = s.singleRecord(ctx, SystemDomain, recordAdministrators, &a.kept); err != nil {
		return a, err
	}
	a.list, err = s.store.Administrators(ctx)
	return a, err
}

// settleAdministrators makes a change one that fails when others have changed
// administrators or policies.
func (s *Service) settleAdministrators(ctx context.Context, c *store.Change, a administrators) error {
	a.kept.Changes++
	return s.putSingle(ctx, c, a.record, s.now().UTC(), a.kept)
}

func (a administrators) named(name string) (store.Administrator, bool) {
	i := slices.IndexFunc(a.list, func(m store.Administrator) bool { return m.Name == name })
	if i < 0 {
		return store.Administrator{}, false
	}
	return a.list[i], true
}

// takeKey notes whose key the certificate has that an administrator gets. It is refused
// when another one has the key too, whose approvals would be those of one person: the
// caller, or somebody whose certificate was issued since keys are kept.
func (a *administrators) takeKey(sc *Scope, name string, cert *x509.Certificate) error {
	key := keyOf(cert)
	maps.DeleteFunc(a.kept.Keys, func(n, _ string) bool {
		m, ok := a.named(n)
		return ok && !m.Revoked.IsZero()
	})
	owner := ""
	if sc.Principal.Key == key {
		owner = sc.Principal.Name
	}
	for n, k := range a.kept.Keys {
		if k == key && n != name {
			owner = n
		}
	}
	if owner != "" && owner != name {
		return kmip.Fail(kmip.KindInvalidField, "the key of the request is that of administrator %s; each has a key of their own: make a new one", owner)
	}
	if a.kept.Keys == nil {
		a.kept.Keys = map[string]string{}
	}
	a.kept.Keys[name] = key
	return nil
}

// holders are the administrators of a role who can act.
func (a administrators) holders(role string, now time.Time) []string {
	var names []string
	for _, m := range a.list {
		if m.Role == role && m.Revoked.IsZero() && now.Before(m.NotAfter) && !isBreakGlass(m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// without are the administrators but for some.
func (a administrators) without(names ...string) []store.Administrator {
	return slices.DeleteFunc(slices.Clone(a.list), func(m store.Administrator) bool { return slices.Contains(names, m.Name) })
}

// firstEnded reports whether there was a first administrator and is none any more.
func (a administrators) firstEnded() bool {
	had := false
	for _, m := range a.list {
		if m.Role == policy.RoleAdministrator && !isBreakGlass(m.Name) {
			if m.Revoked.IsZero() {
				return false
			}
			had = true
		}
	}
	return had
}

// keepsFirst reports whether the first administrator never ends.
func (s *Service) keepsFirst(ctx context.Context) (bool, error) {
	value, err := s.openSetting(ctx, settingDev)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	value.Destroy()
	return true, nil
}

// Administrators lists the administrators, also those who are revoked.
func (s *Service) Administrators(ctx context.Context, sc *Scope) ([]store.Administrator, error) {
	var list []store.Administrator
	err := s.administer(ctx, sc, policy.ActionAdminList, "", func() (store.Change, error) {
		var err error
		list, err = s.store.Administrators(ctx)
		return store.Change{}, err
	})
	return list, err
}

// NewAdministrator is what CreateAdministrator hands out, once.
type NewAdministrator struct {
	Administrator store.Administrator
	Issued        *pki.Issued // without a key when it was made for one that was given
	Authority     *x509.Certificate
	// Ended are the administrators with all roles who ended with it.
	Ended []string
}

// administratorUnit stands in the certificates of administrators.
const administratorUnit = "administrators"

// CreateAdministrator makes an administrator and issues the certificate. A name has
// one role for ever and is not used again. When each role has a holder, the first
// administrator ends. Whoever has one role needs the approval of somebody of another
// one, whatever policy says. The certificate is for the given key; for a new one, which
// its owner has to renew, when it is nil.
func (s *Service) CreateAdministrator(ctx context.Context, sc *Scope, name, role string, key crypto.PublicKey) (*NewAdministrator, error) {
	var made *NewAdministrator
	err := s.administer(ctx, sc, policy.ActionAdminCreate, name, func() (store.Change, error) {
		var c store.Change
		all, keeps, err := s.mayMakeAdministrator(ctx, name, role)
		if err != nil {
			return c, err
		}
		authority, err := s.Authority(ctx)
		if err != nil {
			return c, err
		}
		issued, err := s.issueAdministrator(authority, name, key)
		if err != nil {
			return c, err
		}
		if err := all.takeKey(sc, name, issued.Certificate); err != nil {
			return c, err
		}
		made = &NewAdministrator{Issued: issued, Authority: authority.Certificate, Administrator: store.Administrator{
			Name: name, Role: role, Fingerprint: pki.Fingerprint(issued.Certificate),
			NotAfter: issued.Certificate.NotAfter, Created: sc.Now.Truncate(time.Microsecond),
		}}
		c.AddAdministrators = []store.Administrator{made.Administrator}
		all.list = append(all.list, made.Administrator)
		if !keeps {
			made.Ended = s.endFirst(sc, &c, all)
		}
		if len(made.Ended) > 0 {
			if err := s.checkSomebodyStays(ctx, sc, strings.Join(made.Ended, ", ")+", who ends with this,", all.list, all.without(made.Ended...)); err != nil {
				return c, err
			}
		}
		return c, s.settleAdministrators(ctx, &c, all)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// issueAdministrator issues the certificate of an administrator, for a key that it
// has or a new one.
func (s *Service) issueAdministrator(authority *pki.Authority, name string, key crypto.PublicKey) (*pki.Issued, error) {
	if key == nil {
		return authority.IssueClient(name, []string{administratorUnit}, s.now())
	}
	if !signsApprovals(key) {
		return nil, kmip.Fail(kmip.KindInvalidField, "the key of an administrator is ECDSA, Ed25519, or RSA of at least %d bits", minRSABits)
	}
	cert, err := authority.IssueClientFor(key, name, []string{administratorUnit}, s.now())
	if err != nil {
		return nil, err
	}
	return &pki.Issued{Certificate: cert}, nil
}

// mayMakeAdministrator refuses an administrator that cannot be made.
func (s *Service) mayMakeAdministrator(ctx context.Context, name, role string) (administrators, bool, error) {
	if err := checkName("administrator", name); err != nil {
		return administrators{}, false, err
	}
	if isBreakGlass(name) {
		return administrators{}, false, kmip.Fail(kmip.KindInvalidField, "names that begin with %q are those of break-glass", breakGlassPrefix)
	}
	if roles := policy.Roles(policy.KindAdministrator); !slices.Contains(roles, role) {
		return administrators{}, false, kmip.Fail(kmip.KindInvalidField, "no role %q; there are %s", role, strings.Join(separate, ", "))
	}
	all, err := s.administrators(ctx)
	if err != nil {
		return all, false, err
	}
	keeps, err := s.keepsFirst(ctx)
	if err != nil {
		return all, keeps, err
	}
	if m, ok := all.named(name); ok {
		if !m.Revoked.IsZero() {
			return all, keeps, kmip.Fail(kmip.KindObjectExists, "administrator %q was revoked, and names are not used again; take another", name)
		}
		return all, keeps, kmip.Fail(kmip.KindObjectExists, "administrator %q exists already, with the role %s; a role is never changed: revoke it and make another", name, m.Role)
	}
	if role == policy.RoleAdministrator && !keeps && all.firstEnded() {
		return all, keeps, kmip.Fail(kmip.KindWrongState, "the roles are separate here, and nobody gets all of them any more; there are %s", strings.Join(separate, ", "))
	}
	return all, keeps, nil
}

// endFirst plans that those with all roles end, if each role has a holder.
func (s *Service) endFirst(sc *Scope, c *store.Change, all administrators) []string {
	for _, role := range separate {
		if len(all.holders(role, s.now())) == 0 {
			return nil
		}
	}
	var ended []string
	for _, m := range all.list {
		if m.Role != policy.RoleAdministrator || !m.Revoked.IsZero() || isBreakGlass(m.Name) {
			continue
		}
		m.Revoked = sc.Now.Truncate(time.Microsecond)
		c.UpdateAdmins = append(c.UpdateAdmins, m)
		e := s.entry(sc, policy.ActionAdminRevoke, m.Name, nil)
		e.Detail = "each role has a holder: whoever had all of them ends"
		c.Audit = append(c.Audit, e)
		ended = append(ended, m.Name)
	}
	return ended
}

// RevokeAdministrator ends the access of an administrator at once. The last holder of
// a role stays, and so does the last who can change policies, unless the caller came by
// break-glass: nobody could make another, or let others.
func (s *Service) RevokeAdministrator(ctx context.Context, sc *Scope, name string) error {
	return s.administer(ctx, sc, policy.ActionAdminRevoke, name, func() (store.Change, error) {
		var c store.Change
		all, err := s.administrators(ctx)
		if err != nil {
			return c, err
		}
		m, ok := all.named(name)
		switch {
		case !ok:
			return c, kmip.Fail(kmip.KindObjectNotFound, "no administrator %q", name)
		case isBreakGlass(name):
			return c, kmip.Fail(kmip.KindWrongState, "%s came by break-glass; end it with break-glass close", name)
		case !m.Revoked.IsZero():
			return c, nil
		}
		left := slices.DeleteFunc(all.holders(m.Role, s.now()), func(n string) bool { return n == name })
		if len(left) == 0 && !isBreakGlass(sc.Principal.Name) {
			return c, kmip.Fail(kmip.KindWrongState, "%s is the last with the role %s; make another one first", name, m.Role)
		}
		if err := s.checkSomebodyStays(ctx, sc, name, all.list, all.without(name)); err != nil {
			return c, err
		}
		m.Revoked = sc.Now.Truncate(time.Microsecond)
		c.UpdateAdmins = []store.Administrator{m}
		return c, s.settleAdministrators(ctx, &c, all)
	})
}

// RenewCertificate gives the caller a new certificate in the place of the one that it
// came with, which ends: for the given key, or for a new one when it is nil.
func (s *Service) RenewCertificate(ctx context.Context, sc *Scope, key crypto.PublicKey) (*NewAdministrator, error) {
	var made *NewAdministrator
	name := sc.Principal.Name
	err := s.administer(ctx, sc, policy.ActionAdminRenew, name, func() (store.Change, error) {
		var c store.Change
		all, err := s.administrators(ctx)
		if err != nil {
			return c, err
		}
		m, ok := all.named(name)
		switch {
		case !ok || sc.Principal.Kind != policy.KindAdministrator || sc.Principal.Fingerprint == "":
			return c, kmip.Fail(kmip.KindPermissionDenied, "there is no certificate to renew")
		case !m.Revoked.IsZero():
			return c, kmip.Fail(kmip.KindNotAuthenticated, "the administrator is revoked")
		case isBreakGlass(name):
			return c, kmip.Fail(kmip.KindPermissionDenied, "break-glass ends when it ends; open it again")
		}
		authority, err := s.Authority(ctx)
		if err != nil {
			return c, err
		}
		issued, err := s.issueAdministrator(authority, name, key)
		if err != nil {
			return c, err
		}
		if err := all.takeKey(sc, name, issued.Certificate); err != nil {
			return c, err
		}
		m.Fingerprint, m.NotAfter = pki.Fingerprint(issued.Certificate), issued.Certificate.NotAfter
		made = &NewAdministrator{Administrator: m, Issued: issued, Authority: authority.Certificate}
		c.UpdateAdmins = []store.Administrator{m}
		return c, s.settleAdministrators(ctx, &c, all)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// breakGlassPrefix begins the names of administrators who come by break-glass, and
// of nobody else.
const breakGlassPrefix = "break-glass"

func isBreakGlass(name string) bool { return strings.HasPrefix(name, breakGlassPrefix) }
