package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

func setDefaults(ctx context.Context, c *call, r *payload.SetDefaultsRequest) (*payload.SetDefaultsResponse, error) {
	var list []custody.ForObjects
	if r.DefaultsInformation != nil {
		for _, d := range r.DefaultsInformation.ObjectDefaults {
			f := custody.ForObjects{Types: types(d.ObjectTypes), Groups: groups(d.ObjectGroups), Attributes: d.Attributes.Attributes}
			if d.ObjectType != 0 {
				f.Types = append(f.Types, d.ObjectType)
			}
			if len(f.Types) == 0 {
				return nil, refused(ctx, c, kmip.OperationSetDefaults, kmip.Fail(kmip.KindMissingField, "Object Defaults name a type of objects"))
			}
			list = append(list, f)
		}
	}
	if err := c.server.Custody.SetDefaults(ctx, c.scope, list); err != nil {
		return nil, err
	}
	return &payload.SetDefaultsResponse{}, nil
}

func types(t *payload.ObjectTypes) []kmip.ObjectType {
	if t == nil {
		return nil
	}
	return t.ObjectType
}

// groupsItem writes Object Groups; nil for none.
func groupsItem(names []string) *kmip.Item {
	if len(names) == 0 {
		return nil
	}
	i := kmip.Structure(kmip.TagObjectGroups)
	for _, n := range names {
		i.Items = append(i.Items, kmip.Text(kmip.TagObjectGroup, n))
	}
	return &i
}
