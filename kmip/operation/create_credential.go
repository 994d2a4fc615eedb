package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func createCredential(ctx context.Context, c *call, r *payload.CreateCredentialRequest) (*payload.CreateCredentialResponse, error) {
	var value kmip.Item
	given := 0
	for _, i := range []*kmip.Item{r.PasswordCredential, r.DeviceCredential, r.HashedPasswordCredential, r.OTPCredential, r.Certificate} {
		if i != nil {
			value = *i
			given++
		}
	}
	if given > 1 {
		return nil, refused(ctx, c, kmip.OperationCreateCredential, kmip.Fail(kmip.KindInvalidField, "a credential is of one type"))
	}
	uid, err := c.server.Custody.MakeCredential(ctx, c.scope, r.CredentialType, r.Attributes.Attributes, value)
	if err != nil {
		return nil, err
	}
	c.made(0, uid)
	return &payload.CreateCredentialResponse{UniqueIdentifier: uid}, nil
}
