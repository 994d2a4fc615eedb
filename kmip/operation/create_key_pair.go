package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func createKeyPair(ctx context.Context, c *call, r *payload.CreateKeyPairRequest) (*payload.CreateKeyPairResponse, error) {
	common, private, public, err := pairAttributes(ctx, c, kmip.OperationCreateKeyPair,
		[3]payload.Template{r.CommonAttributes, r.PrivateKeyAttributes, r.PublicKeyAttributes},
		[3]*payload.ObjectMasks{r.CommonProtectionStorageMasks, r.PrivateProtectionStorageMasks, r.PublicProtectionStorageMasks})
	if err != nil {
		return nil, err
	}
	privateUID, publicUID, err := c.server.Custody.CreateKeyPair(ctx, c.scope, common, private, public)
	if err != nil {
		return nil, err
	}
	c.gave(kmip.UniqueIdentifierEnumerationCreateKeyPair, privateUID, publicUID)
	c.results[kmip.UniqueIdentifierEnumerationCreateKeyPairPrivateKey] = []string{privateUID}
	c.results[kmip.UniqueIdentifierEnumerationCreateKeyPairPublicKey] = []string{publicUID}
	c.placeholder = privateUID
	return &payload.CreateKeyPairResponse{PrivateKeyUniqueIdentifier: privateUID, PublicKeyUniqueIdentifier: publicUID}, nil
}
