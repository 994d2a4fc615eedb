package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func hash(ctx context.Context, c *call, r *payload.HashRequest) (*payload.HashResponse, error) {
	data, err := c.data(ctx, kmip.OperationHash, r.Data)
	if err != nil {
		return nil, err
	}
	var algorithm kmip.HashingAlgorithm
	if p := parameters(r.CryptographicParameters); p != nil {
		algorithm = p.HashingAlgorithm
	}
	if part := partOf(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); !part.Single() {
		out, err := c.server.Custody.HashPart(ctx, c.scope, part, algorithm, data)
		if err != nil {
			return nil, err
		}
		resp := &payload.HashResponse{CorrelationValue: out.Correlation}
		if out.Done {
			resp.Data = c.result(kmip.DataEnumerationHash, out.Code)
		}
		return resp, nil
	}
	sum, err := c.server.Custody.Hash(ctx, c.scope, algorithm, data)
	if err != nil {
		return nil, err
	}
	return &payload.HashResponse{Data: c.result(kmip.DataEnumerationHash, sum)}, nil
}
