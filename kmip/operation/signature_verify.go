package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func signatureVerify(ctx context.Context, c *call, r *payload.SignatureVerifyRequest) (*payload.SignatureVerifyResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationSignatureVerify, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationSignatureVerify, err)
	}
	valid, err := c.server.Custody.SignatureVerify(ctx, c.scope, uid, custody.SignArgs{
		Parameters: parameters(r.CryptographicParameters), Data: r.Data, Digested: r.DigestedData,
	}, r.SignatureData)
	if err != nil {
		return nil, err
	}
	return &payload.SignatureVerifyResponse{UniqueIdentifier: uid, ValidityIndicator: validity(valid)}, nil
}

// validity writes the answer of a verification.
func validity(valid bool) kmip.ValidityIndicator {
	if valid {
		return kmip.ValidityIndicatorValid
	}
	return kmip.ValidityIndicatorInvalid
}
