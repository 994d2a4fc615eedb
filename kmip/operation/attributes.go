package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// stored is plain for objects that the server makes, which can live in hardware
// too. A failure has been recorded.
func stored(ctx context.Context, c *call, op kmip.Operation, t payload.Template, masks *payload.ObjectMasks, kind kmip.Kind) (kmip.Attributes, error) {
	storage, err := c.storage(masks, kind)
	if err != nil {
		return nil, refused(ctx, c, op, err)
	}
	if t.Attributes.Has(kmip.TagProtectionStorageMask) {
		return nil, refused(ctx, c, op, kmip.Fail(kmip.KindAttributeReadOnly, "Protection Storage Mask is set by the server"))
	}
	attrs, err := plain(ctx, c, op, t, nil)
	if err == nil && storage != 0 {
		attrs = append(kmip.Attributes{}, attrs...).Set(kmip.Mask(kmip.TagProtectionStorageMask, storage))
	}
	return attrs, err
}

// storage picks the first of the Protection Storage Masks (§7.32) that the server
// can keep: a mask names storages any of which will do. 0 when none is asked for.
func (c *call) storage(masks *payload.ObjectMasks, kind kmip.Kind) (kmip.ProtectionStorageMask, error) {
	if masks == nil || len(masks.ProtectionStorageMask) == 0 {
		return 0, nil
	}
	for _, m := range masks.ProtectionStorageMask {
		for _, s := range c.server.Custody.Storages() {
			if uint32(m)&uint32(s) != 0 { //nolint:gosec // bits
				return s, nil
			}
		}
	}
	return 0, kmip.Fail(kind, "the requested protection storage is not available")
}

// plain returns the attributes for a new object: those of the request, over those
// of the templates that it names. The storage is that of the server's own:
// software. A failure has been recorded.
func plain(ctx context.Context, c *call, op kmip.Operation, t payload.Template, masks *payload.ObjectMasks) (kmip.Attributes, error) {
	if err := inSoftware(masks, kmip.KindStorageMask); err != nil {
		return nil, refused(ctx, c, op, err)
	}
	if len(t.Templates) == 0 {
		return t.Attributes, nil
	}
	return c.server.Custody.Expand(ctx, c.scope, op.String(), t.Templates, t.Attributes)
}

// pairAttributes returns the attributes of a key pair.
func pairAttributes(ctx context.Context, c *call, op kmip.Operation, parts [3]payload.Template, masks [3]*payload.ObjectMasks) (common, private, public kmip.Attributes, err error) {
	var all [3]kmip.Attributes
	for i := range parts {
		kind := kmip.KindPrivateStorage // also of the masks that are for both
		if i == 2 {
			kind = kmip.KindPublicStorage
		}
		if op != kmip.OperationCreateKeyPair || i == 2 { // a public key is no secret
			if err := inSoftware(masks[i], kind); err != nil {
				return nil, nil, nil, refused(ctx, c, op, err)
			}
			all[i], err = plain(ctx, c, op, parts[i], nil)
		} else {
			all[i], err = stored(ctx, c, op, parts[i], masks[i], kind)
		}
		if err != nil {
			return nil, nil, nil, err
		}
	}
	return all[0], all[1], all[2], nil
}

// inSoftware refuses Protection Storage Masks (§7.32) that leave out the storage
// that there is.
func inSoftware(masks *payload.ObjectMasks, kind kmip.Kind) error {
	if masks == nil || len(masks.ProtectionStorageMask) == 0 {
		return nil
	}
	for _, m := range masks.ProtectionStorageMask {
		if m&int32(kmip.ProtectionStorageMaskSoftware) != 0 {
			return nil
		}
	}
	return kmip.Fail(kind, "objects are kept in software; the requested protection storage is not available")
}

// refused records a call that never reached its use case.
func refused(ctx context.Context, c *call, op kmip.Operation, err error) error {
	c.server.Custody.Refuse(ctx, c.scope, op.String(), "", err)
	return err
}
