package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func logMessage(ctx context.Context, c *call, r *payload.LogRequest) (*payload.LogResponse, error) {
	return &payload.LogResponse{}, c.server.Custody.Log(ctx, c.scope, r.LogMessage)
}
