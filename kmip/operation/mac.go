package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func mac(ctx context.Context, c *call, r *payload.MACRequest) (*payload.MACResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationMAC, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationMAC, err)
	}
	code, err := c.server.Custody.MAC(ctx, c.scope, uid, parameters(r.CryptographicParameters), r.Data)
	if err != nil {
		return nil, err
	}
	return &payload.MACResponse{UniqueIdentifier: uid, MACData: code}, nil
}
