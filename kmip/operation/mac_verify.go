package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func macVerify(ctx context.Context, c *call, r *payload.MACVerifyRequest) (*payload.MACVerifyResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationMACVerify, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationMACVerify, err)
	}
	valid, err := c.server.Custody.MACVerify(ctx, c.scope, uid, parameters(r.CryptographicParameters), r.Data, r.MACData)
	if err != nil {
		return nil, err
	}
	return &payload.MACVerifyResponse{UniqueIdentifier: uid, ValidityIndicator: validity(valid)}, nil
}
