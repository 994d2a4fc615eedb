package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func ping(ctx context.Context, c *call, _ *payload.PingRequest) (*payload.PingResponse, error) {
	return &payload.PingResponse{}, c.server.Custody.Ping(ctx, c.scope)
}
