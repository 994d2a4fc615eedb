package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/payload"
)

func cancel(ctx context.Context, c *call, r *payload.CancelRequest) (*payload.CancelResponse, error) {
	result, err := c.server.Custody.Cancel(ctx, c.scope, r.AsynchronousCorrelationValue)
	if err != nil {
		return nil, err
	}
	return &payload.CancelResponse{AsynchronousCorrelationValue: r.AsynchronousCorrelationValue, CancellationResult: result}, nil
}
