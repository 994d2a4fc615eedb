package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func queryAsynchronousRequests(ctx context.Context, c *call, r *payload.QueryAsynchronousRequestsRequest) (*payload.QueryAsynchronousRequestsResponse, error) {
	var correlations [][]byte
	var operations []kmip.Operation
	if r.AsynchronousCorrelationValues != nil {
		correlations = r.AsynchronousCorrelationValues.AsynchronousCorrelationValue
	}
	if r.Operations != nil {
		operations = r.Operations.Operation
	}
	list, err := c.server.Custody.Outstanding(ctx, c.scope, correlations, operations)
	if err != nil {
		return nil, err
	}
	resp := &payload.QueryAsynchronousRequestsResponse{}
	for _, a := range list {
		resp.AsynchronousRequest = append(resp.AsynchronousRequest, payload.AsynchronousRequest{
			AsynchronousCorrelationValue: a.Correlation, Operation: a.Operation, ProcessingStage: a.Stage,
			SubmissionDate: kmip.Item{Tag: kmip.TagSubmissionDate, Type: kmip.TypeDateTimeExtended, Int: a.Submitted.UnixMicro()},
		})
	}
	return resp, nil
}
