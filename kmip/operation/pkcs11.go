package operation

import (
	"context"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func pkcs11(ctx context.Context, c *call, r *payload.PKCS11Request) (*payload.PKCS11Response, error) {
	out, err := c.server.Custody.PKCS11(ctx, c.scope, custody.PKCS11Call{
		Interface: r.PKCS11Interface, Function: r.PKCS11Function, Correlation: r.CorrelationValue, Input: r.PKCS11InputParameters,
	})
	if err != nil {
		return nil, err
	}
	return &payload.PKCS11Response{
		PKCS11Interface: r.PKCS11Interface, PKCS11Function: r.PKCS11Function, CorrelationValue: out.Correlation,
		PKCS11OutputParameters: out.Output, PKCS11ReturnCode: &out.Return,
	}, nil
}
