package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func decrypt(ctx context.Context, c *call, r *payload.DecryptRequest) (*payload.DecryptResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationDecrypt, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationDecrypt, err)
	}
	out, err := c.server.Custody.Decrypt(ctx, c.scope, uid, custody.CipherArgs{
		Parameters: parameters(r.CryptographicParameters), Data: r.Data, IV: r.IVCounterNonce,
		AAD: r.AuthenticatedEncryptionAdditionalData, Tag: r.AuthenticatedEncryptionTag, TagInData: r.TagInData,
	})
	if err != nil {
		return nil, err
	}
	return &payload.DecryptResponse{UniqueIdentifier: uid, Data: present(out.Data)}, nil
}
