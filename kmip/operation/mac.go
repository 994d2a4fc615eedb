package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func mac(ctx context.Context, c *call, r *payload.MACRequest) (*payload.MACResponse, error) {
	in, err := c.input(ctx, kmip.OperationMAC, r.UniqueIdentifier, r.Data, r.CorrelationValue, r.InitIndicator, r.FinalIndicator)
	if err != nil {
		return nil, err
	}
	if !in.part.Single() {
		out, err := c.server.Custody.MACPart(ctx, c.scope, in.uid, in.part, parameters(r.CryptographicParameters), in.data)
		if err != nil {
			return nil, err
		}
		resp := &payload.MACResponse{UniqueIdentifier: out.UID, CorrelationValue: out.Correlation}
		if out.Done {
			resp.MACData = c.result(kmip.DataEnumerationMACMACData, out.Code)
		}
		return resp, nil
	}
	code, err := c.server.Custody.MAC(ctx, c.scope, in.uid, parameters(r.CryptographicParameters), in.data)
	if err != nil {
		return nil, err
	}
	return &payload.MACResponse{UniqueIdentifier: in.uid, MACData: c.result(kmip.DataEnumerationMACMACData, code)}, nil
}
