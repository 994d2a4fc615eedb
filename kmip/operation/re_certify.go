package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func reCertify(ctx context.Context, c *call, r *payload.ReCertifyRequest) (*payload.ReCertifyResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationReCertify, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	args := custody.CertifyArgs{UID: uid, RequestType: r.CertificateRequestType, Request: r.CertificateRequestValue, Offset: r.Offset}
	if r.CertificateRequestUniqueIdentifier.Given() {
		if args.RequestUID, err = resolve(ctx, c, kmip.OperationReCertify, r.CertificateRequestUniqueIdentifier); err != nil {
			return nil, err
		}
	}
	if args.Attrs, err = plain(ctx, c, kmip.OperationReCertify, r.Attributes, r.ProtectionStorageMasks); err != nil {
		return nil, err
	}
	fresh, err := c.server.Custody.ReCertify(ctx, c.scope, args)
	if err != nil {
		return nil, err
	}
	c.made(kmip.UniqueIdentifierEnumerationReCertify, fresh)
	return &payload.ReCertifyResponse{UniqueIdentifier: fresh}, nil
}
