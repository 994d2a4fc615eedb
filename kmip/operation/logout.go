package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func logout(ctx context.Context, c *call, r *payload.LogoutRequest) (*payload.LogoutResponse, error) {
	value, ok := r.Ticket.Field(kmip.TagTicketValue)
	if !ok || value.Type != kmip.TypeByteString {
		return nil, refused(ctx, c, kmip.OperationLogout, kmip.Fail(kmip.KindMissingField, "a Ticket needs a Ticket Value"))
	}
	if err := c.server.Custody.Logout(ctx, c.scope, value.Bytes); err != nil {
		return nil, err
	}
	return &payload.LogoutResponse{}, nil
}
