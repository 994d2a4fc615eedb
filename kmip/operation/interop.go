package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// interopMark takes note of the beginning and end of a test (§6.1.26). It
// changes nothing; the audit tells of it.
func interopMark(ctx context.Context, c *call, _ *payload.InteropRequest) (*payload.InteropResponse, error) {
	return &payload.InteropResponse{}, c.server.Custody.Record(ctx, c.scope, kmip.OperationInterop.String())
}
