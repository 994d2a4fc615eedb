package client

import (
	"context"
	"fmt"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// one sends a single item and returns its typed answer. A refusal is an *Error.
func one[Resp any](ctx context.Context, c *Client, op kmip.Operation, request any) (*Resp, error) {
	resp, err := c.Do(ctx, payload.RequestItem{Operation: op, Payload: request})
	if err != nil {
		return nil, err
	}
	item := resp.Items[0]
	if item.Operation == 0 {
		item.Operation = op
	}
	if err := ItemError(item); err != nil {
		return nil, err
	}
	p, ok := item.Payload.(*Resp)
	if !ok {
		return nil, fmt.Errorf("kmip: the answer to %s has no payload of that operation", op)
	}
	return p, nil
}

func reference(uid string) kmip.Reference { return kmip.Reference{Text: uid} }

// Create makes a symmetric key and returns its Unique Identifier.
func (c *Client) Create(ctx context.Context, attrs kmip.Attributes) (string, error) {
	r, err := one[payload.CreateResponse](ctx, c, kmip.OperationCreate, &payload.CreateRequest{
		ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: payload.Template{Attributes: attrs},
	})
	if err != nil {
		return "", err
	}
	return r.UniqueIdentifier, nil
}

// Register hands an object over, which stays the caller's to destroy, and
// returns its Unique Identifier.
func (c *Client) Register(ctx context.Context, o *kmip.Object, attrs kmip.Attributes) (string, error) {
	r, err := one[payload.RegisterResponse](ctx, c, kmip.OperationRegister, &payload.RegisterRequest{
		ObjectType: o.Type, Attributes: payload.Template{Attributes: attrs}, Object: o,
	})
	if err != nil {
		return "", err
	}
	return r.UniqueIdentifier, nil
}

// Get fetches an object in a format, 0 for the one that it was made in. The
// caller destroys it.
func (c *Client) Get(ctx context.Context, uid string, format kmip.KeyFormatType) (*kmip.Object, error) {
	r, err := one[payload.GetResponse](ctx, c, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: reference(uid), KeyFormatType: format})
	if err != nil {
		return nil, err
	}
	if r.Object == nil {
		return nil, fmt.Errorf("kmip: the answer to Get holds no object")
	}
	return r.Object, nil
}

// Locate returns the identifiers of the objects that have all attributes, at
// most limit; as many as the server gives when limit is 0.
func (c *Client) Locate(ctx context.Context, attrs kmip.Attributes, limit int32) ([]string, error) {
	q := &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: attrs}}
	if limit > 0 {
		q.MaximumItems = &limit
	}
	r, err := one[payload.LocateResponse](ctx, c, kmip.OperationLocate, q)
	if err != nil {
		return nil, err
	}
	return r.UniqueIdentifier, nil
}

// GetAttributes returns attributes of an object, all when none is named.
func (c *Client) GetAttributes(ctx context.Context, uid string, ids ...kmip.AttributeID) (kmip.Attributes, error) {
	r, err := one[payload.GetAttributesResponse](ctx, c, kmip.OperationGetAttributes, &payload.GetAttributesRequest{
		UniqueIdentifier: reference(uid), AttributeReference: ids,
	})
	if err != nil {
		return nil, err
	}
	return r.Attributes.Attributes, nil
}

// Activate makes an object Active.
func (c *Client) Activate(ctx context.Context, uid string) error {
	_, err := one[payload.ActivateResponse](ctx, c, kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: reference(uid)})
	return err
}

// Revoke deactivates an object, or declares it compromised.
func (c *Client) Revoke(ctx context.Context, uid string, reason kmip.RevocationReason) error {
	_, err := one[payload.RevokeResponse](ctx, c, kmip.OperationRevoke, &payload.RevokeRequest{
		UniqueIdentifier: reference(uid),
		RevocationReason: &payload.RevocationReason{RevocationReasonCode: reason.Code, RevocationMessage: reason.Message},
	})
	return err
}

// Destroy destroys the value of an object.
func (c *Client) Destroy(ctx context.Context, uid string) error {
	_, err := one[payload.DestroyResponse](ctx, c, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: reference(uid)})
	return err
}

// ReKey makes a replacement of a symmetric key and returns its identifier.
func (c *Client) ReKey(ctx context.Context, uid string) (string, error) {
	r, err := one[payload.ReKeyResponse](ctx, c, kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: reference(uid)})
	if err != nil {
		return "", err
	}
	return r.UniqueIdentifier, nil
}

// Query asks what the server can do.
func (c *Client) Query(ctx context.Context, functions ...kmip.QueryFunction) (*payload.QueryResponse, error) {
	return one[payload.QueryResponse](ctx, c, kmip.OperationQuery, &payload.QueryRequest{QueryFunction: functions})
}

// DiscoverVersions lists the versions that the server speaks, its preference
// first; of the given ones only, when any is given.
func (c *Client) DiscoverVersions(ctx context.Context, of ...kmip.Version) ([]kmip.Version, error) {
	r, err := one[payload.DiscoverVersionsResponse](ctx, c, kmip.OperationDiscoverVersions, &payload.DiscoverVersionsRequest{ProtocolVersion: of})
	if err != nil {
		return nil, err
	}
	return r.ProtocolVersion, nil
}

// Encrypt encrypts data under a key of the server.
func (c *Client) Encrypt(ctx context.Context, r payload.EncryptRequest) (*payload.EncryptResponse, error) {
	return one[payload.EncryptResponse](ctx, c, kmip.OperationEncrypt, &r)
}

// Decrypt decrypts data under a key of the server.
func (c *Client) Decrypt(ctx context.Context, r payload.DecryptRequest) (*payload.DecryptResponse, error) {
	return one[payload.DecryptResponse](ctx, c, kmip.OperationDecrypt, &r)
}
