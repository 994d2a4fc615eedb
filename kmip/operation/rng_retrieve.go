package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func rngRetrieve(ctx context.Context, c *call, r *payload.RNGRetrieveRequest) (*payload.RNGRetrieveResponse, error) {
	n := 0
	if r.DataLength != nil {
		n = int(*r.DataLength)
	}
	b, err := c.server.Custody.RNGRetrieve(ctx, c.scope, n)
	if err != nil {
		return nil, err
	}
	return &payload.RNGRetrieveResponse{Data: c.result(kmip.DataEnumerationRNGRetrieve, b)}, nil
}
