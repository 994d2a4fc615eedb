package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func createKeyPair(ctx context.Context, c *call, r *payload.CreateKeyPairRequest) (*payload.CreateKeyPairResponse, error) {
	common, err1 := plain(r.CommonAttributes, r.CommonProtectionStorageMasks)
	private, err2 := plain(r.PrivateKeyAttributes, r.PrivateProtectionStorageMasks)
	public, err3 := plain(r.PublicKeyAttributes, r.PublicProtectionStorageMasks)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, refused(ctx, c, kmip.OperationCreateKeyPair, err)
		}
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
