package operation

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func discoverVersions(ctx context.Context, c *call, r *payload.DiscoverVersionsRequest) (*payload.DiscoverVersionsResponse, error) {
	if err := c.server.Custody.Record(ctx, c.scope, kmip.OperationDiscoverVersions.String()); err != nil {
		return nil, err
	}
	resp := &payload.DiscoverVersionsResponse{}
	for _, v := range kmip.Versions {
		if len(r.ProtocolVersion) == 0 || slices.Contains(r.ProtocolVersion, v) {
			resp.ProtocolVersion = append(resp.ProtocolVersion, v)
		}
	}
	return resp, nil
}
