package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func decrypt(ctx context.Context, c *call, r *payload.DecryptRequest) (*payload.DecryptResponse, error) {
	in, err := c.input(ctx, kmip.OperationDecrypt, r.UniqueIdentifier, r.Data, r.CorrelationValue, r.InitIndicator, r.FinalIndicator)
	if err != nil {
		return nil, err
	}
	args := custody.CipherArgs{
		Parameters: parameters(r.CryptographicParameters), Data: in.data, IV: r.IVCounterNonce,
		AAD: r.AuthenticatedEncryptionAdditionalData, Tag: r.AuthenticatedEncryptionTag, TagInData: r.TagInData,
	}
	if !in.part.Single() {
		out, err := c.server.Custody.DecryptPart(ctx, c.scope, in.uid, in.part, args)
		if err != nil {
			return nil, err
		}
		return &payload.DecryptResponse{UniqueIdentifier: out.UID, Data: c.result(kmip.DataEnumerationDecrypt, out.Data), CorrelationValue: out.Correlation}, nil
	}
	out, err := c.server.Custody.Decrypt(ctx, c.scope, in.uid, args)
	if err != nil {
		return nil, err
	}
	return &payload.DecryptResponse{UniqueIdentifier: in.uid, Data: c.result(kmip.DataEnumerationDecrypt, out.Data)}, nil
}
