package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func sign(ctx context.Context, c *call, r *payload.SignRequest) (*payload.SignResponse, error) {
	in, err := c.input(ctx, kmip.OperationSign, r.UniqueIdentifier, r.Data, r.CorrelationValue, r.InitIndicator, r.FinalIndicator)
	if err != nil {
		return nil, err
	}
	args := custody.SignArgs{Parameters: parameters(r.CryptographicParameters), Data: in.data, Digested: r.DigestedData}
	if !in.part.Single() {
		out, err := c.server.Custody.SignPart(ctx, c.scope, in.uid, in.part, args)
		if err != nil {
			return nil, err
		}
		resp := &payload.SignResponse{UniqueIdentifier: out.UID, CorrelationValue: out.Correlation}
		if out.Done {
			resp.SignatureData = c.result(kmip.DataEnumerationSignSignatureData, out.Code)
		}
		return resp, nil
	}
	signature, err := c.server.Custody.Sign(ctx, c.scope, in.uid, args)
	if err != nil {
		return nil, err
	}
	return &payload.SignResponse{UniqueIdentifier: in.uid, SignatureData: c.result(kmip.DataEnumerationSignSignatureData, signature)}, nil
}
