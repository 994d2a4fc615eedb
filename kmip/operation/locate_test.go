package operation_test

import (
	"math"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func TestLocateFilters(t *testing.T) {
	s := newServer(t)
	start := s.svc.Clock.Now()
	// Four keys, an hour apart: a is archived, b is destroyed, c and d are on-line
	// and in a group; c was used.
	uids := map[string]string{}
	for _, n := range []string{"a", "b", "c", "d"} {
		extra := []kmip.Item{name(n)}
		if n >= "c" {
			extra = append(extra, kmip.Text(kmip.TagObjectGroup, "pool"), kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now()))
		}
		uids[n] = one[payload.CreateResponse](s, kmip.V14, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(extra...)}).UniqueIdentifier
		s.svc.Clock.Advance(time.Hour)
	}
	one[payload.ArchiveResponse](s, kmip.V14, kmip.OperationArchive, &payload.ArchiveRequest{UniqueIdentifier: ref(uids["a"])})
	one[payload.DestroyResponse](s, kmip.V14, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uids["b"])})
	one[payload.GetResponse](s, kmip.V14, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uids["c"])})
	group := one[payload.CreateGroupResponse](s, kmip.V30, kmip.OperationCreateGroup, &payload.CreateGroupRequest{Attributes: template(name("operators"))}).UniqueIdentifier
	uids["group"] = group

	number := func(n int32) *int32 { return &n }
	storage := func(m kmip.StorageStatusMask) *int32 { return number(int32(m)) }
	class := func(m kmip.ObjectClassMask) *int32 { return number(int32(m)) }
	initial := func(hours ...int) []kmip.Item {
		var items []kmip.Item
		for _, h := range hours {
			i := kmip.DateTime(kmip.TagInitialDate, start.Add(time.Duration(h)*time.Hour))
			if h < 0 {
				i.Int = math.MaxInt64
			}
			items = append(items, i)
		}
		return items
	}
	pool := kmip.Text(kmip.TagObjectGroup, "pool")
	all := kmip.StorageStatusMaskOnLineStorage | kmip.StorageStatusMaskArchivalStorage | kmip.StorageStatusMaskDestroyedStorage

	for _, c := range []struct {
		name    string
		since   kmip.Version
		request payload.LocateRequest
		filters []kmip.Item
		want    string // names of the objects, the newest first
		located int32  // Located Items; -1 for none
	}{
		{"nothing said is what is on-line", kmip.V10, payload.LocateRequest{}, nil, "dc", -1},
		{"archival storage", kmip.V10, payload.LocateRequest{StorageStatusMask: storage(kmip.StorageStatusMaskArchivalStorage)}, nil, "a", -1},
		{"destroyed storage", kmip.V20, payload.LocateRequest{StorageStatusMask: storage(kmip.StorageStatusMaskDestroyedStorage)}, nil, "b", -1},
		{"all storage", kmip.V20, payload.LocateRequest{StorageStatusMask: storage(all)}, nil, "dcba", -1},
		{"a date", kmip.V10, payload.LocateRequest{}, initial(2), "c", -1},
		{"a range of dates", kmip.V20, payload.LocateRequest{StorageStatusMask: storage(all)}, initial(1, 2), "cb", -1},
		{"a range of dates backwards", kmip.V20, payload.LocateRequest{StorageStatusMask: storage(all)}, initial(2, 1), "cb", -1},
		{"a range without end", kmip.V20, payload.LocateRequest{StorageStatusMask: storage(all)}, initial(1, -1), "dcb", -1},
		{"state", kmip.V10, payload.LocateRequest{}, []kmip.Item{kmip.Enumeration(kmip.TagState, kmip.StateActive)}, "dc", -1},
		{"a group", kmip.V11, payload.LocateRequest{}, []kmip.Item{pool}, "dc", -1},
		{"fresh members of a group", kmip.V11, payload.LocateRequest{ObjectGroupMember: kmip.ObjectGroupMemberGroupMemberFresh}, []kmip.Item{pool}, "d", -1},
		{"the default member of a group", kmip.V11, payload.LocateRequest{ObjectGroupMember: kmip.ObjectGroupMemberGroupMemberDefault}, []kmip.Item{pool}, "d", -1},
		{"a group without members", kmip.V11, payload.LocateRequest{}, []kmip.Item{kmip.Text(kmip.TagObjectGroup, "none")}, "", -1},
		{"at most one", kmip.V10, payload.LocateRequest{MaximumItems: number(1)}, nil, "d", -1},
		{"the second page", kmip.V13, payload.LocateRequest{MaximumItems: number(1), OffsetItems: number(1)}, nil, "c", 2},
		{"behind the last page", kmip.V13, payload.LocateRequest{MaximumItems: number(1), OffsetItems: number(2)}, nil, "", 2},
		{"objects of the system", kmip.V30, payload.LocateRequest{ObjectClassMask: class(kmip.ObjectClassMaskSystem)}, []kmip.Item{name("operators")}, "g", -1},
		{"objects of users are not of the system", kmip.V30, payload.LocateRequest{ObjectClassMask: class(kmip.ObjectClassMaskUser)}, []kmip.Item{name("operators")}, "", -1},
	} {
		for _, v := range kmip.Versions {
			if v < c.since || v >= kmip.V30 && c.request.ObjectGroupMember != 0 {
				continue // 3.0 has no Object Group Member
			}
			t.Run(c.name+" "+v.String(), func(t *testing.T) {
				r := c.request
				r.Attributes = payload.AttributeList{Attributes: template(c.filters...).Attributes}
				s := &server{t: t, svc: s.svc, ops: s.ops}
				got := one[payload.LocateResponse](s, v, kmip.OperationLocate, &r)
				var names string
				for _, uid := range got.UniqueIdentifier {
					for n, u := range uids {
						if u == uid {
							names += n[:1]
						}
					}
				}
				if names != c.want {
					t.Errorf("found %q, want %q", names, c.want)
				}
				if located := got.LocatedItems; located == nil && c.located >= 0 || located != nil && *located != c.located {
					t.Errorf("Located Items %v, want %d", located, c.located)
				}
			})
		}
	}
}
