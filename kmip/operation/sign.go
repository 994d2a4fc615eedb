package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func sign(ctx context.Context, c *call, r *payload.SignRequest) (*payload.SignResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationSign, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationSign, err)
	}
	signature, err := c.server.Custody.Sign(ctx, c.scope, uid, custody.SignArgs{
		Parameters: parameters(r.CryptographicParameters), Data: r.Data, Digested: r.DigestedData,
	})
	if err != nil {
		return nil, err
	}
	return &payload.SignResponse{UniqueIdentifier: uid, SignatureData: signature}, nil
}
