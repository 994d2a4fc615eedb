package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func macVerify(ctx context.Context, c *call, r *payload.MACVerifyRequest) (*payload.MACVerifyResponse, error) {
	in, err := c.input(ctx, kmip.OperationMACVerify, r.UniqueIdentifier, r.Data, r.CorrelationValue, r.InitIndicator, r.FinalIndicator)
	if err != nil {
		return nil, err
	}
	if (in.part.Single() || in.part.Final) && r.MACData == nil {
		return nil, refused(ctx, c, kmip.OperationMACVerify, kmip.Fail(kmip.KindMissingField, "MAC Verify needs MAC Data"))
	}
	if !in.part.Single() {
		out, err := c.server.Custody.MACVerifyPart(ctx, c.scope, in.uid, in.part, parameters(r.CryptographicParameters), in.data, present(r.MACData))
		if err != nil {
			return nil, err
		}
		resp := &payload.MACVerifyResponse{UniqueIdentifier: out.UID, CorrelationValue: out.Correlation}
		if out.Done {
			resp.ValidityIndicator = validity(out.Valid)
		}
		return resp, nil
	}
	valid, err := c.server.Custody.MACVerify(ctx, c.scope, in.uid, parameters(r.CryptographicParameters), in.data, r.MACData)
	if err != nil {
		return nil, err
	}
	return &payload.MACVerifyResponse{UniqueIdentifier: in.uid, ValidityIndicator: validity(valid)}, nil
}
