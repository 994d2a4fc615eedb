package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func certify(ctx context.Context, c *call, r *payload.CertifyRequest) (*payload.CertifyResponse, error) {
	args := custody.CertifyArgs{RequestType: r.CertificateRequestType, Request: r.CertificateRequestValue}
	var err error
	// A certificate request in the message stands for itself, without a key.
	if r.CertificateRequestValue == nil || r.UniqueIdentifier.Given() {
		if args.UID, err = resolve(ctx, c, kmip.OperationCertify, r.UniqueIdentifier); err != nil {
			return nil, err
		}
	}
	if args.Attrs, err = plain(ctx, c, kmip.OperationCertify, r.Attributes, r.ProtectionStorageMasks); err != nil {
		return nil, err
	}
	uid, err := c.server.Custody.Certify(ctx, c.scope, args)
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationCertify, uid)
	return &payload.CertifyResponse{UniqueIdentifier: uid}, nil
}
