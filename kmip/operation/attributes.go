package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// plain returns the attributes for a new object. There are no templates here,
// so a template that is named does not exist; and the storage is that of the
// server's own: software.
func plain(t payload.Template, masks *payload.ObjectMasks) (kmip.Attributes, error) {
	if len(t.Templates) > 0 {
		return nil, kmip.Fail(kmip.KindTemplateNotFound, "there is no template %q", t.Templates[0].Value)
	}
	if masks == nil || len(masks.ProtectionStorageMask) == 0 {
		return t.Attributes, nil
	}
	for _, m := range masks.ProtectionStorageMask {
		if m == int32(kmip.ProtectionStorageMaskSoftware) {
			return t.Attributes, nil
		}
	}
	return nil, kmip.Fail(kmip.KindStorageMask, "objects are kept in software; the requested protection storage is not available")
}

// refused records a call that never reached its use case.
func refused(ctx context.Context, c *call, op kmip.Operation, err error) error {
	c.server.Custody.Refuse(ctx, c.scope, op.String(), "", err)
	return err
}

// resolve finds the object that a request is about; a request about none is
// recorded here.
func resolve(ctx context.Context, c *call, op kmip.Operation, r kmip.Reference) (string, error) {
	uid, err := c.uid(r)
	if err != nil {
		return "", refused(ctx, c, op, err)
	}
	return uid, nil
}
