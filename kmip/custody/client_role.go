package custody

import (
	"context"
	"errors"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// permitted asks policy about an action beside the one that the caller asks for.
// A failure is no refusal of the call and is not recorded.
func (s *Service) permitted(ctx context.Context, sc *Scope, action string) error {
	asked := sc.asked
	defer func() { sc.asked = asked }()
	return s.authorize(ctx, sc, action, policy.Resource{})
}

// roleOfNew is the role of a client or user that is made. Who may not grant roles
// makes it without any, and is refused when it asks for one.
func (s *Service) roleOfNew(ctx context.Context, sc *Scope, asked string) (string, error) {
	role := asked
	if role == "" {
		role = policy.RoleFull
	}
	if err := s.checkMember(ctx, sc.Domain, role); err != nil {
		return "", err
	}
	if role == policy.RoleNone {
		return role, nil
	}
	err := s.permitted(ctx, sc, policy.ActionClientGrant)
	switch {
	case err == nil:
		return role, nil
	case kmip.KindOf(err) != kmip.KindPermissionDenied:
		return "", err
	case asked == "":
		return policy.RoleNone, nil
	}
	return "", kmip.Fail(kmip.KindPermissionDenied, "a role is granted by a security officer; leave it out, and have it granted")
}

// mayOpen asks for what it takes to give a client or user with a role one more way in:
// a certificate, a token, an identity, a password. Whoever makes clients does it alone
// while it may do nothing; afterwards somebody of another role has to approve it.
func (s *Service) mayOpen(ctx context.Context, sc *Scope, role string) error {
	if role == policy.RoleNone {
		return nil
	}
	return s.authorize(ctx, sc, policy.ActionClientAccess, policy.Resource{})
}

// GrantClient gives a client of the scope's domain another role, within a second
// also on connections that are open.
func (s *Service) GrantClient(ctx context.Context, sc *Scope, name, role string) error {
	return s.administer(ctx, sc, policy.ActionClientGrant, name, func() (store.Change, error) {
		if err := s.checkMember(ctx, sc.Domain, role); err != nil {
			return store.Change{}, err
		}
		c, err := s.unrevoked(ctx, sc.Domain, name)
		if err != nil {
			return store.Change{}, err
		}
		c.Role = role
		return store.Change{UpdateClients: []store.Client{c}}, nil
	})
}

// GrantUser gives a user of the scope's domain that an administrator made another
// role.
func (s *Service) GrantUser(ctx context.Context, sc *Scope, name, role string) error {
	return s.administer(ctx, sc, policy.ActionClientGrant, name, func() (store.Change, error) {
		if err := s.checkMember(ctx, sc.Domain, role); err != nil {
			return store.Change{}, err
		}
		u, err := s.store.User(ctx, sc.Domain, name)
		if errors.Is(err, store.ErrNotFound) {
			return store.Change{}, kmip.Fail(kmip.KindObjectNotFound, "no user %q in domain %q", name, sc.Domain)
		}
		if err != nil {
			return store.Change{}, err
		}
		u.Role = role
		return store.Change{UpdateUsers: []store.User{u}}, nil
	})
}
