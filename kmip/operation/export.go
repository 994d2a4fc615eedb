package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func export(ctx context.Context, c *call, r *payload.ExportRequest) (*payload.ExportResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationExport, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	o, attrs, err := c.server.Custody.Export(ctx, c.scope, uid, custody.GetOptions{
		Format: r.KeyFormatType, Compression: r.KeyCompressionType, WrapType: r.KeyWrapType, Wrapping: r.KeyWrappingSpecification,
	})
	if err != nil {
		return nil, err
	}
	c.placeholder = uid
	return &payload.ExportResponse{ObjectType: o.Type, UniqueIdentifier: uid, Attributes: payload.AttributeList{Attributes: attrs}, Object: o}, nil
}
