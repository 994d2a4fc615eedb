package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func hash(ctx context.Context, c *call, r *payload.HashRequest) (*payload.HashResponse, error) {
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationHash, err)
	}
	var algorithm kmip.HashingAlgorithm
	if p := parameters(r.CryptographicParameters); p != nil {
		algorithm = p.HashingAlgorithm
	}
	sum, err := c.server.Custody.Hash(ctx, c.scope, algorithm, r.Data)
	if err != nil {
		return nil, err
	}
	return &payload.HashResponse{Data: sum}, nil
}
