package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func archive(ctx context.Context, c *call, r *payload.ArchiveRequest) (*payload.ArchiveResponse, error) {
	uid, err := resolve(ctx, c, kmip.OperationArchive, r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	if err := c.server.Custody.Archive(ctx, c.scope, uid); err != nil {
		return nil, err
	}
	return &payload.ArchiveResponse{UniqueIdentifier: uid}, nil
}
