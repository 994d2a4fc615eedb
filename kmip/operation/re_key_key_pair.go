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
	common, private, public, err := pairAttributes(ctx, c, kmip.OperationReKeyKeyPair,
		[3]payload.Template{r.CommonAttributes, r.PrivateKeyAttributes, r.PublicKeyAttributes},
		[3]*payload.ObjectMasks{r.CommonProtectionStorageMasks, r.PrivateProtectionStorageMasks, r.PublicProtectionStorageMasks})
	if err != nil {
		return nil, err
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
