package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func encrypt(ctx context.Context, c *call, r *payload.EncryptRequest) (*payload.EncryptResponse, error) {
	in, err := c.input(ctx, kmip.OperationEncrypt, r.UniqueIdentifier, r.Data, r.CorrelationValue, r.InitIndicator, r.FinalIndicator)
	if err != nil {
		return nil, err
	}
	args := custody.CipherArgs{
		Parameters: parameters(r.CryptographicParameters), Data: in.data, IV: r.IVCounterNonce, AAD: r.AuthenticatedEncryptionAdditionalData,
	}
	if !in.part.Single() {
		out, err := c.server.Custody.EncryptPart(ctx, c.scope, in.uid, in.part, args)
		if err != nil {
			return nil, err
		}
		return &payload.EncryptResponse{
			UniqueIdentifier: out.UID, Data: c.result(kmip.DataEnumerationEncrypt, out.Data), IVCounterNonce: out.IV,
			CorrelationValue: out.Correlation, AuthenticatedEncryptionTag: out.Tag,
		}, nil
	}
	out, err := c.server.Custody.Encrypt(ctx, c.scope, in.uid, args)
	if err != nil {
		return nil, err
	}
	return &payload.EncryptResponse{
		UniqueIdentifier: in.uid, Data: c.result(kmip.DataEnumerationEncrypt, out.Data), IVCounterNonce: out.IV, AuthenticatedEncryptionTag: out.Tag,
	}, nil
}

// parameters reads the Cryptographic Parameters of a request.
func parameters(i *kmip.Item) *kmip.CryptographicParameters {
	if i == nil {
		return nil
	}
	p := kmip.CryptographicParametersOf(*i)
	return &p
}

// present makes an empty result one that is there.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
