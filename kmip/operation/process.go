package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

// process processes an asynchronous request now (§6.1.39), so that the next Poll
// has its response.
func process(ctx context.Context, c *call, r *payload.ProcessRequest) (*payload.ProcessResponse, error) {
	claimed, err := c.server.Custody.ClaimOne(ctx, c.scope, r.AsynchronousCorrelationValue)
	if err != nil {
		return nil, err
	}
	if err := c.server.complete(ctx, claimed); err != nil {
		return nil, err
	}
	return &payload.ProcessResponse{}, nil
}
