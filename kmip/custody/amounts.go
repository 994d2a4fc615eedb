package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
)

// What is refused under one name is not done under another: what an operation amounts
// to is asked as well.

// mayEnd asks policy about what becomes of an object that is replaced: it is as good as
// destroyed, and revoked before if it is Active.
func (s *Service) mayEnd(ctx context.Context, sc *Scope, m *managed) error {
	if m.state == kmip.StateActive {
		if err := s.authorizeToo(ctx, sc, "Revoke", m.resource()); err != nil {
			return err
		}
	}
	return s.authorizeToo(ctx, sc, "Destroy", m.resource())
}

// mayAmend asks policy about a change of attributes: action is permitted already for
// the object as it was. A Deactivation Date that comes to be, or comes earlier, revokes
// the object at that date. Where policy sees the change, it must permit it for the object
// as it becomes, and the change opens nothing to the caller.
func (s *Service) mayAmend(ctx context.Context, sc *Scope, action string, before, after *managed) error {
	was, is := before.attrs.Time(kmip.TagDeactivationDate), after.attrs.Time(kmip.TagDeactivationDate)
	if !is.IsZero() && (was.IsZero() || is.Before(was)) {
		if err := s.authorizeToo(ctx, sc, "Revoke", before.resource()); err != nil {
			return err
		}
	}
	from, to := before.resource(), after.resource()
	if slices.Equal(from.Names, to.Names) && slices.Equal(from.Groups, to.Groups) {
		return nil
	}
	if err := s.authorizeToo(ctx, sc, action, to); err != nil {
		return err
	}
	return s.opensNothing(ctx, sc, from, to)
}

// opensNothing refuses to make of an object one with which the caller may do what is not
// permitted now, unless what it takes to be permitted that is there.
func (s *Service) opensNothing(ctx context.Context, sc *Scope, from, to policy.Resource) error {
	from.Domain, to.Domain = sc.Domain, sc.Domain
	for _, action := range policy.Operations() {
		closed, needs, err := s.closed(ctx, sc, action, from)
		if err != nil {
			return err
		}
		if !closed && needs == 0 {
			continue
		}
		still, needsThen, err := s.closed(ctx, sc, action, to)
		if err != nil {
			return err
		}
		if still || !closed && needsThen >= needs {
			continue
		}
		if err := s.authorizeToo(ctx, sc, action, from); err != nil {
			var d *denial
			if !errors.As(err, &d) {
				return err
			}
			return kmip.FailFrom(&denial{fmt.Sprintf("the change would permit %s: %s", action, d.reason)}, kmip.KindPermissionDenied,
				"the change would permit "+action+", which is not permitted now")
		}
	}
	return nil
}

// closed tells that nothing would permit an action, or how many approvals would.
func (s *Service) closed(ctx context.Context, sc *Scope, action string, r policy.Resource) (closed bool, needs int, err error) {
	needs, err = s.ask(ctx, sc, action, r, 0)
	if k := kmip.KindOf(err); err != nil && (k == kmip.KindPermissionDenied || k == kmip.KindNotAuthorised) {
		return true, 0, nil
	}
	return false, needs, err
}
