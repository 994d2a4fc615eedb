package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func reKeyKeyPair(ctx context.Context, c *call, r *payload.ReKeyKeyPairRequest) (*payload.ReKeyKeyPairResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationReKeyKeyPair, r.PrivateKeyUniqueIdentifier)
	if err != nil {
		return nil, err
	}
	common, err1 := plain(r.CommonAttributes, r.CommonProtectionStorageMasks)
	private, err2 := plain(r.PrivateKeyAttributes, r.PrivateProtectionStorageMasks)
	public, err3 := plain(r.PublicKeyAttributes, r.PublicProtectionStorageMasks)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, refused(ctx, c, kmip.OperationReKeyKeyPair, err)
		}
	}
	privateUID, publicUID, err := c.server.Custody.ReKeyKeyPair(ctx, c.scope, uid, r.Offset, common, private, public)
	if err != nil {
		return nil, err
	}
	c.gave(kmip.UniqueIdentifierEnumerationReKeyKeyPair, privateUID, publicUID)
	c.results[kmip.UniqueIdentifierEnumerationReKeyKeyPairPrivateKey] = []string{privateUID}
	c.results[kmip.UniqueIdentifierEnumerationReKeyKeyPairPublicKey] = []string{publicUID}
	c.placeholder = privateUID
	return &payload.ReKeyKeyPairResponse{PrivateKeyUniqueIdentifier: privateUID, PublicKeyUniqueIdentifier: publicUID}, nil
}
