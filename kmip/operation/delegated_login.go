package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func delegatedLogin(ctx context.Context, c *call, r *payload.DelegatedLoginRequest) (*payload.DelegatedLoginResponse, error) {
	args, err := loginArgs(r.LeaseTime, r.RequestCount, r.UsageLimits)
	if err == nil {
		args.Rights, err = rights(c, *r.Rights)
	}
	if err != nil {
		return nil, refused(ctx, c, kmip.OperationDelegatedLogin, err)
	}
	value, err := c.server.Custody.DelegatedLogin(ctx, c.scope, args)
	if err != nil {
		return nil, err
	}
	return &payload.DelegatedLoginResponse{Ticket: ticketItem(value)}, nil
}

// rights reads Rights (§7.35).
func rights(c *call, i kmip.Item) ([]custody.Right, error) {
	var list []custody.Right
	for _, f := range i.Items {
		if f.Tag != kmip.TagRight {
			return nil, kmip.Fail(kmip.KindUnknownTag, "Rights has no field %s", f.Tag.Title())
		}
		right, err := right(c, f)
		if err != nil {
			return nil, err
		}
		list = append(list, right)
	}
	return list, nil
}

func right(c *call, i kmip.Item) (custody.Right, error) {
	var r custody.Right
	for _, f := range i.Items {
		if len(f.Items) == 0 { // not the same as a field that is left out, which allows everything
			return r, kmip.Fail(kmip.KindInvalidField, "%s in a Right is empty", f.Tag.Title())
		}
		switch f.Tag {
		case kmip.TagUsageLimits:
			l := kmip.UsageLimitsOf(f)
			r.Limits = &l
		case kmip.TagOperations:
			for _, o := range f.Items {
				r.Operations = append(r.Operations, kmip.Operation(o.Uint32()))
			}
		case kmip.TagObjects:
			for _, o := range f.Items {
				uids, err := c.uids(identifier(o))
				if err != nil {
					return r, err
				}
				r.Objects = append(r.Objects, uids...)
			}
		case kmip.TagObjectGroups:
			r.Groups = groups(&f)
		default:
			return r, kmip.Fail(kmip.KindUnknownTag, "Right has no field %s", f.Tag.Title())
		}
	}
	return r, nil
}

// groups lists the names of Object Groups (§7.23).
func groups(i *kmip.Item) []string {
	if i == nil {
		return nil
	}
	var names []string
	for _, f := range i.Items {
		names = append(names, f.Text())
	}
	return names
}
