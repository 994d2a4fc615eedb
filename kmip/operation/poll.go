package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// poll answers with the response of the operation that was processed
// asynchronously (§6.1.38), or that it is still pending.
func poll(ctx context.Context, c *call, r *payload.PollRequest) (*answer, error) {
	found, err := c.server.Custody.Poll(ctx, c.scope, r.AsynchronousCorrelationValue)
	if err != nil {
		return nil, err
	}
	if !found.Done {
		return pending(r.AsynchronousCorrelationValue), nil
	}
	if found.Refusal != "" {
		return &answer{payload.ResponseItem{
			Operation: found.Operation, Status: kmip.ResultStatusOperationFailed, Err: kmip.Fail(found.Kind, "%s", found.Refusal),
		}}, nil
	}
	resp, err := c.server.Messages.DecodeResponse(found.Response)
	if err != nil || len(resp.Items) != 1 {
		return nil, kmip.FailFrom(err, kmip.KindGeneral, "the response that was kept cannot be read")
	}
	item := resp.Items[0]
	if found.Failed { // with the reason that the version of the poll gives it
		item.Err, item.Reason = kmip.Fail(found.Kind, "%s", item.Message), 0
	}
	return &answer{item}, nil
}

// answer is the result of an operation that is a batch item as a whole.
type answer struct{ payload.ResponseItem }

// pending is the answer to a request that is processed later.
func pending(correlation []byte) *answer {
	return &answer{payload.ResponseItem{Status: kmip.ResultStatusOperationPending, AsynchronousCorrelationValue: correlation}}
}
