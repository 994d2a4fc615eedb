package custody_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// rank orders the states as an object goes through them.
var rank = map[kmip.State]int{
	kmip.StatePreActive: 0, kmip.StateActive: 1, kmip.StateDeactivated: 2, kmip.StateCompromised: 3,
	kmip.StateDestroyed: 4, kmip.StateDestroyedCompromised: 5,
}

// Whatever clients do, and however time passes: no state goes back, no name
// has two owners, and every call has its audit entry.
func TestNoSequenceOfCallsBreaksAnObject(t *testing.T) {
	s := service.New(t)
	ctx := context.Background()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		domain := fmt.Sprintf("d%d", run)
		if err := s.CreateDomain(ctx, s.Administrator(""), domain, ""); err != nil {
			rt.Fatal(err)
		}
		var uids []string
		states := map[string]kmip.State{}
		calls := 0
		pick := func() string { return rapid.SampledFrom(uids).Draw(rt, "object") }
		anyName := rapid.SampledFrom([]string{"a", "b", "c"})
		made := func(uid string, err error) {
			calls++
			if err == nil {
				uids = append(uids, uid)
			}
		}
		acts := map[string]func(){
			"create": func() {
				extra := []kmip.Item{}
				if rapid.Bool().Draw(rt, "named") {
					extra = append(extra, name(anyName.Draw(rt, "name")))
				}
				if rapid.Bool().Draw(rt, "dated") {
					extra = append(extra, kmip.DateTime(kmip.TagActivationDate, s.Clock.Now().Add(time.Duration(rapid.IntRange(-2, 2).Draw(rt, "hours"))*time.Hour)))
				}
				made(s.Create(ctx, s.Client(domain), kmip.ObjectTypeSymmetricKey, aes256(extra...)))
			},
			"rekey":    func() { made(s.ReKey(ctx, s.Client(domain), pick(), nil, nil)) },
			"activate": func() { calls++; _ = s.Activate(ctx, s.Client(domain), pick()) },
			"destroy":  func() { calls++; _ = s.Destroy(ctx, s.Client(domain), pick()) },
			"revoke": func() {
				calls++
				code := rapid.SampledFrom([]kmip.RevocationReasonCode{kmip.RevocationReasonCodeKeyCompromise, kmip.RevocationReasonCodeSuperseded}).Draw(rt, "code")
				_ = s.Revoke(ctx, s.Client(domain), pick(), kmip.RevocationReason{Code: code}, time.Time{})
			},
			"rename": func() {
				calls++
				_, _ = s.AddAttribute(ctx, s.Client(domain), pick(), kmip.NewAttribute(name(anyName.Draw(rt, "name"))))
			},
			"unname": func() {
				calls++
				_, _ = s.DeleteAttribute(ctx, s.Client(domain), pick(), kmip.AttributeID{Tag: kmip.TagName}, custody.Change{})
			},
			"deactivate later": func() {
				calls++
				_ = s.SetAttribute(ctx, s.Client(domain), pick(), kmip.NewAttribute(kmip.DateTime(kmip.TagDeactivationDate, s.Clock.Now().Add(time.Hour))))
			},
			"wait": func() { s.Clock.Advance(time.Duration(rapid.IntRange(1, 90).Draw(rt, "minutes")) * time.Minute) },
		}
		names := []string{"create", "rekey", "activate", "destroy", "revoke", "rename", "unname", "deactivate later", "wait"}
		acts["create"]()
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			act := rapid.SampledFrom(names).Draw(rt, "act")
			if len(uids) == 0 {
				act = "create"
			}
			acts[act]()
			for _, uid := range uids {
				a, err := s.GetAttributes(ctx, s.Client(domain), uid, []kmip.AttributeID{{Tag: kmip.TagState}})
				calls++
				if err != nil {
					rt.Fatalf("attributes of %s after %s: %v", uid, act, err)
				}
				now := kmip.State(a.Uint32(kmip.TagState))
				if before, ok := states[uid]; ok && rank[now] < rank[before] {
					rt.Fatalf("after %s the state went from %s back to %s", act, before, now)
				}
				states[uid] = now
			}
		}
		for _, n := range []string{"a", "b", "c"} {
			found, err := s.Locate(ctx, s.Client(domain), custody.LocateQuery{Attributes: attrs(name(n))})
			calls++
			if err != nil || len(found.UIDs) > 1 {
				rt.Fatalf("name %s: %v, %v", n, found.UIDs, err)
			}
		}
		recorded := 0
		for before := int64(0); ; {
			page, err := s.Store.Audit(ctx, store.AuditQuery{Domain: domain, Actor: "client:test", Before: before, Limit: 1000})
			if err != nil {
				rt.Fatal(err)
			}
			recorded += len(page)
			if len(page) < 1000 {
				break
			}
			before = page[len(page)-1].Sequence
		}
		if recorded != calls {
			rt.Fatalf("%d calls, %d audit entries", calls, recorded)
		}
	})
}
