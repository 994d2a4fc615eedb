package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func validate(ctx context.Context, c *call, r *payload.ValidateRequest) (*payload.ValidateResponse, error) {
	uids, err := named(ctx, c, kmip.OperationValidate, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	var given [][]byte
	for _, i := range r.Certificate {
		der, ok := i.Field(kmip.TagCertificateValue)
		if !ok || der.Type != kmip.TypeByteString {
			return nil, refused(ctx, c, kmip.OperationValidate, kmip.Fail(kmip.KindMissingField, "a Certificate needs a Certificate Value"))
		}
		given = append(given, der.Bytes)
	}
	verdict, err := c.server.Custody.Validate(ctx, c.scope, given, uids, r.ValidityDate)
	if err != nil {
		return nil, err
	}
	return &payload.ValidateResponse{ValidityIndicator: verdict}, nil
}
