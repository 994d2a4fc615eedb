package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func signatureVerify(ctx context.Context, c *call, r *payload.SignatureVerifyRequest) (*payload.SignatureVerifyResponse, error) {
	in, err := c.input(ctx, kmip.OperationSignatureVerify, r.UniqueIdentifier, r.Data, r.CorrelationValue, r.InitIndicator, r.FinalIndicator)
	if err != nil {
		return nil, err
	}
	if (in.part.Single() || in.part.Final) && r.SignatureData == nil {
		return nil, refused(ctx, c, kmip.OperationSignatureVerify, kmip.Fail(kmip.KindMissingField, "Signature Verify needs Signature Data"))
	}
	args := custody.SignArgs{Parameters: parameters(r.CryptographicParameters), Data: in.data, Digested: r.DigestedData}
	if !in.part.Single() {
		out, err := c.server.Custody.SignatureVerifyPart(ctx, c.scope, in.uid, in.part, args, present(r.SignatureData))
		if err != nil {
			return nil, err
		}
		resp := &payload.SignatureVerifyResponse{UniqueIdentifier: out.UID, CorrelationValue: out.Correlation}
		if out.Done {
			resp.ValidityIndicator = validity(out.Valid)
		}
		return resp, nil
	}
	valid, err := c.server.Custody.SignatureVerify(ctx, c.scope, in.uid, args, r.SignatureData)
	if err != nil {
		return nil, err
	}
	return &payload.SignatureVerifyResponse{UniqueIdentifier: in.uid, ValidityIndicator: validity(valid)}, nil
}

// validity writes the answer of a verification.
func validity(valid bool) kmip.ValidityIndicator {
	if valid {
		return kmip.ValidityIndicatorValid
	}
	return kmip.ValidityIndicatorInvalid
}
