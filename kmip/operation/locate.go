package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func locate(ctx context.Context, c *call, r *payload.LocateRequest) (*payload.LocateResponse, error) {
	q := custody.LocateQuery{Attributes: r.Attributes.Attributes, GroupMember: r.ObjectGroupMember, Count: r.OffsetItems != nil}
	if r.MaximumItems != nil {
		q.Maximum = int(*r.MaximumItems)
	}
	if r.OffsetItems != nil {
		q.Offset = int(*r.OffsetItems)
	}
	if r.StorageStatusMask != nil {
		q.Storage = kmip.StorageStatusMask(*r.StorageStatusMask) //nolint:gosec // a mask: the bits count
	}
	if r.ObjectClassMask != nil {
		q.Classes = kmip.ObjectClassMask(*r.ObjectClassMask) //nolint:gosec // a mask: the bits count
	}
	found, err := c.server.Custody.Locate(ctx, c.scope, q)
	if err != nil {
		return nil, err
	}
	c.gave(kmip.UniqueIdentifierEnumerationLocate, found.UIDs...)
	c.placeholder = ""
	if len(found.UIDs) == 1 && (!found.Several || q.Maximum == 1) {
		c.placeholder = found.UIDs[0]
	}
	resp := &payload.LocateResponse{UniqueIdentifier: found.UIDs}
	if q.Count {
		n := int32(found.Matches) //nolint:gosec // bounded by what one search walks
		resp.LocatedItems = &n
	}
	return resp, nil
}
