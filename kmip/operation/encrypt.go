package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func encrypt(ctx context.Context, c *call, r *payload.EncryptRequest) (*payload.EncryptResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationEncrypt, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := onePart(r.CorrelationValue, r.InitIndicator, r.FinalIndicator); err != nil {
		return nil, refused(ctx, c, kmip.OperationEncrypt, err)
	}
	out, err := c.server.Custody.Encrypt(ctx, c.scope, uid, custody.CipherArgs{
		Parameters: parameters(r.CryptographicParameters), Data: r.Data, IV: r.IVCounterNonce, AAD: r.AuthenticatedEncryptionAdditionalData,
	})
	if err != nil {
		return nil, err
	}
	return &payload.EncryptResponse{UniqueIdentifier: uid, Data: present(out.Data), IVCounterNonce: out.IV, AuthenticatedEncryptionTag: out.Tag}, nil
}

// onePart refuses the parts of a stream, which are still to come. Init and
// Final together are one part.
func onePart(correlation []byte, first, last *bool) error {
	if correlation != nil || first != nil && *first && (last == nil || !*last) {
		return kmip.Fail(kmip.KindUnsupportedFeature, "cryptographic operations in several parts are not supported")
	}
	return nil
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
