package custody

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Users lists the users that administrators made: of the scope's domain, or of all
// when it is empty.
func (s *Service) Users(ctx context.Context, sc *Scope) ([]store.User, error) {
	var list []store.User
	err := s.administer(ctx, sc, policy.ActionUserList, "", func() (store.Change, error) {
		domains := []store.Domain{{Name: sc.Domain}}
		if sc.Domain == "" {
			var err error
			if domains, err = s.store.Domains(ctx); err != nil {
				return store.Change{}, err
			}
		}
		list = nil
		for _, d := range domains {
			users, err := s.store.Users(ctx, d.Name)
			if err != nil {
				return store.Change{}, err
			}
			list = append(list, users...)
		}
		slices.SortFunc(list, func(a, b store.User) int {
			return strings.Compare(a.Domain+"\x00"+a.Name, b.Domain+"\x00"+b.Name)
		})
		return store.Change{}, nil
	})
	return list, err
}

// madeUser reads a user of a domain that an administrator made.
func (s *Service) madeUser(ctx context.Context, domain, name string) (store.User, error) {
	u, err := s.store.User(ctx, domain, name)
	if errors.Is(err, store.ErrNotFound) {
		return u, kmip.Fail(kmip.KindObjectNotFound, "no user %q in domain %q", name, domain)
	}
	return u, err
}

// DisableUser ends the access of a user at once, by password and by ticket.
func (s *Service) DisableUser(ctx context.Context, sc *Scope, name string) error {
	return s.administer(ctx, sc, policy.ActionUserDisable, name, func() (store.Change, error) {
		u, err := s.madeUser(ctx, sc.Domain, name)
		if err != nil || !u.Disabled.IsZero() {
			return store.Change{}, err
		}
		u.Disabled = sc.Now.Truncate(time.Microsecond)
		return store.Change{UpdateUsers: []store.User{u}}, nil
	})
}

// EnableUser gives a user its access back. It is the duty of whoever grants roles, who
// sets no passwords.
func (s *Service) EnableUser(ctx context.Context, sc *Scope, name string) error {
	return s.administer(ctx, sc, policy.ActionUserEnable, name, func() (store.Change, error) {
		u, err := s.madeUser(ctx, sc.Domain, name)
		if err != nil || u.Disabled.IsZero() {
			return store.Change{}, err
		}
		u.Disabled = time.Time{}
		return store.Change{UpdateUsers: []store.User{u}}, nil
	})
}

// SetPassword gives a user another password, also for Hashed Password credentials; the
// old one ends at once. Whether the user is disabled stays as it is. The password is
// destroyed.
func (s *Service) SetPassword(ctx context.Context, sc *Scope, name string, password *secret.Bytes) error {
	defer password.Destroy()
	return s.administer(ctx, sc, policy.ActionUserPassword, name, func() (store.Change, error) {
		var c store.Change
		if password.Len() == 0 {
			return c, kmip.Fail(kmip.KindMissingField, "the password is empty")
		}
		u, err := s.madeUser(ctx, sc.Domain, name)
		if err == nil && u.Disabled.IsZero() {
			err = s.mayOpen(ctx, sc, u.Role)
		}
		if err != nil {
			return c, err
		}
		hashed, err := hashedSecrets(name, password)
		if err != nil {
			return c, err
		}
		old, r, err := s.readHashed(ctx, sc.Domain, name)
		if err != nil {
			return c, err
		}
		hashed.Last = old.Last
		u.Password = hashPassword(password)
		c.UpdateUsers = []store.User{u}
		return c, s.putSingle(ctx, &c, r, sc.Now, hashed)
	})
}
