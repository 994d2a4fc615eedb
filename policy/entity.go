package policy

import (
	"net/netip"
	"strings"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/claviger/claviger/kmip"
)

// actionEntities are the actions with the groups that they are in. Only read.
var actionEntities = func() types.EntityMap {
	m := types.EntityMap{}
	add := func(name, parent string) {
		uid := types.EntityUID{Type: "Action", ID: types.String(name)}
		e := types.Entity{UID: uid}
		if parent != "" {
			e.Parents = types.NewEntityUIDSet(types.EntityUID{Type: "Action", ID: types.String(parent)})
		}
		m[uid] = e
	}
	add(groupKMIP, "")
	add(groupAdmin, "")
	for g := range groups {
		add(g, groupKMIP)
	}
	for a, g := range groupOf {
		add(a, g)
	}
	return m
}()

// typeOf is the type of entity of a kind of principal.
func typeOf(kind string) types.EntityType {
	switch kind {
	case KindClient:
		return "Client"
	case KindUser:
		return "User"
	}
	return "Administrator"
}

// question is a Request as Cedar sees it. The entities are made when a policy asks
// for them. It belongs to one goroutine.
type question struct {
	req       *Request
	groups    []string // of the principal
	principal types.EntityUID
	resource  types.EntityUID

	asks, is        types.Entity // principal and resource
	asked, resolved bool
}

func newQuestion(r *Request, groups []string) *question {
	return &question{
		req: r, groups: groups,
		principal: types.EntityUID{Type: typeOf(r.Principal.Kind), ID: types.String(r.Principal.Name)},
		resource:  types.EntityUID{Type: "Object", ID: types.String(r.Resource.UID)},
	}
}

// Get implements cedar's EntityGetter.
func (q *question) Get(uid types.EntityUID) (types.Entity, bool) {
	switch {
	case uid.Type == "Action":
		e, ok := actionEntities[uid]
		return e, ok
	case uid == q.principal:
		if !q.asked {
			q.asks, q.asked = q.who(), true
		}
		return q.asks, true
	case uid == q.resource:
		if !q.resolved {
			q.is, q.resolved = q.what(), true
		}
		return q.is, true
	}
	return types.Entity{}, false
}

func (q *question) who() types.Entity {
	p := q.req.Principal
	parents := make([]types.EntityUID, 0, 2+len(q.groups))
	parents = append(parents, types.EntityUID{Type: "Role", ID: types.String(p.Role)})
	if p.Domain != "" {
		parents = append(parents, types.EntityUID{Type: "Domain", ID: types.String(p.Domain)})
	}
	for _, g := range q.groups {
		parents = append(parents, types.EntityUID{Type: "Group", ID: types.String(g)})
	}
	return types.Entity{
		UID: q.principal, Parents: types.NewEntityUIDSet(parents...),
		Attributes: types.NewRecord(types.RecordMap{
			"name": types.String(p.Name), "actor": types.String(p.Actor()), "domain": types.String(p.Domain), "role": types.String(p.Role),
		}),
	}
}

func (q *question) what() types.Entity {
	r := q.req.Resource
	parents := make([]types.EntityUID, 0, 1+len(r.Groups))
	parents = append(parents, types.EntityUID{Type: "Domain", ID: types.String(r.Domain)})
	for _, g := range r.Groups {
		parents = append(parents, types.EntityUID{Type: "ObjectGroup", ID: types.String(g)})
	}
	name := func(tag kmip.Tag, v uint32) types.String {
		if v == 0 {
			return ""
		}
		return types.String(kmip.EnumName(tag, v))
	}
	return types.Entity{
		UID: q.resource, Parents: types.NewEntityUIDSet(parents...),
		Attributes: types.NewRecord(types.RecordMap{
			"type": name(kmip.TagObjectType, r.Type), "state": name(kmip.TagState, r.State),
			"algorithm": name(kmip.TagCryptographicAlgorithm, r.Algorithm), "length": types.Long(r.LengthBits),
			"usage": set(usages(r.UsageMask)), "creator": types.String(r.Creator),
			"names": set(r.Names), "groups": set(r.Groups), "domain": types.String(r.Domain),
		}),
	}
}

// usages are the names of bits of a Cryptographic Usage Mask.
func usages(mask uint32) []string {
	if mask == 0 {
		return nil
	}
	var list []string
	for _, n := range kmip.MaskNames(kmip.TagCryptographicUsageMask, mask) {
		if !strings.HasPrefix(n, "0x") {
			list = append(list, n)
		}
	}
	return list
}

func set(list []string) types.Set {
	values := make([]types.Value, len(list))
	for i, s := range list {
		values[i] = types.String(s)
	}
	return types.NewSet(values...)
}

// unknownSource stands for an address that is not known; no client has it.
var unknownSource = netip.PrefixFrom(netip.IPv4Unspecified(), 32)

func (q *question) context(approvals int) types.Record {
	c := q.req.Context
	source := unknownSource
	if c.Source.IsValid() {
		source = netip.PrefixFrom(c.Source, c.Source.BitLen())
	}
	return types.NewRecord(types.RecordMap{
		"time": types.NewDatetime(c.Time), "weekday": types.String(c.Time.UTC().Weekday().String()),
		"source": types.IPAddr(source), "door": types.String(c.Door), "tls": types.String(c.TLS), "approvals": types.Long(approvals),
	})
}
