package api

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
)

// registerKeyRules lists the routes about what keys must be like, how long they live
// and how they end.
func (a *api) registerKeyRules(h huma.API) {
	huma.Register(h, get("show-destruction", "/domains/{domain}/destruction", "Show what Destroy does to material in a domain"), a.destruction)
	huma.Register(h, post("set-destruction", "/domains/{domain}/destruction", "Say what Destroy does to material in a domain", http.StatusNoContent), a.setDestruction)
	huma.Register(h, post("remove-destruction", "/domains/{domain}/destruction/remove", "Take the rule of an Object Group away", http.StatusNoContent), a.removeDestruction)
	huma.Register(h, get("show-suite", "/domains/{domain}/suite", "Show which algorithms are fit in a domain"), a.suite)
	huma.Register(h, post("set-suite", "/domains/{domain}/suite", "Say which algorithms are fit in a domain", http.StatusNoContent), a.setSuite)
	huma.Register(h, get("list-suites", "/suites", "List the profiles of algorithms"), a.suiteProfiles)
	huma.Register(h, get("show-suite-profile", "/suites/{name}", "Show a profile of algorithms with its rules"), a.suiteDetail)
	huma.Register(h, get("list-key-policies", "/domains/{domain}/key-policies", "List the key policies of a domain"), a.keyPolicies)
	huma.Register(h, post("set-key-policies", "/domains/{domain}/key-policies", "Set key policies of a domain, all or none", http.StatusNoContent), a.setKeyPolicies)
	huma.Register(h, post("remove-key-policy", "/domains/{domain}/key-policies/remove", "Remove a key policy", http.StatusNoContent), a.removeKeyPolicy)
	huma.Register(h, get("list-ending", "/keys-in-use-ending", "List objects that are in use and about to be deactivated"), a.ending)
	huma.Register(h, get("list-pending", "/pending-destructions", "List the destructions whose waiting period is not over"), a.pendingDestructions)
	huma.Register(h, post("restore-key", "/domains/{domain}/keys/{uid}/restore", "Bring back an object whose destruction is pending", http.StatusNoContent), a.restoreKey)
}

// Destruction says what Destroy does to material.
type Destruction struct {
	Days       int  `json:"days" minimum:"0" maximum:"365" doc:"how long material is kept, out of reach, after Destroy; 0: it is removed at once"`
	Protection bool `json:"purge_protection" required:"false" doc:"the period can only be lengthened from now on, and nobody ends it early"`
	AllowNow   bool `json:"allow_now" required:"false" doc:"administrators may destroy without waiting"`
}

// GroupDestruction is the rule of an Object Group.
type GroupDestruction struct {
	Group string `json:"group"`
	Destruction
}

// Destructions are the rules of a domain.
type Destructions struct {
	Domain Destruction        `json:"domain"`
	Groups []GroupDestruction `json:"groups"`
}

func destructionOf(r custody.DestructionRule) Destruction {
	return Destruction{Days: r.Days, Protection: r.Protected, AllowNow: r.AllowNow}
}

func (a *api) destruction(ctx context.Context, in *DomainPath) (*body[Destructions], error) {
	rules, err := a.Custody.Destruction(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Destructions]{Destructions{destructionOf(rules.DestructionRule), []GroupDestruction{}}}
	for _, g := range slices.Sorted(maps.Keys(rules.Groups)) {
		out.Body.Groups = append(out.Body.Groups, GroupDestruction{g, destructionOf(rules.Groups[g])})
	}
	return out, nil
}

type setDestructionInput struct {
	DomainPath
	Body struct {
		Group string `json:"group,omitempty" maxLength:"4096" doc:"only for objects of this Object Group"`
		Destruction
	}
}

func (a *api) setDestruction(ctx context.Context, in *setDestructionInput) (*struct{}, error) {
	rule := custody.DestructionRule{Days: in.Body.Days, Protected: in.Body.Protection, AllowNow: in.Body.AllowNow}
	if err := a.Custody.SetDestruction(ctx, a.scope(ctx, in.Domain), in.Body.Group, rule); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

type removeDestructionInput struct {
	DomainPath
	Body struct {
		Group string `json:"group" minLength:"1" maxLength:"4096"`
	}
}

func (a *api) removeDestruction(ctx context.Context, in *removeDestructionInput) (*struct{}, error) {
	if err := a.Custody.RemoveDestruction(ctx, a.scope(ctx, in.Domain), in.Body.Group); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

// Pending is a destruction whose waiting period is not over.
type Pending struct {
	Domain     string    `json:"domain"`
	UID        string    `json:"uid"`
	Names      []string  `json:"names" doc:"as they were; free for others now"`
	Type       string    `json:"type"`
	State      string    `json:"state" doc:"before Destroy"`
	Asked      time.Time `json:"asked"`
	By         string    `json:"by" doc:"who asked for it"`
	Due        time.Time `json:"due" doc:"when the material is removed"`
	Protection bool      `json:"purge_protection"`
}

// PendingList is a page of pending destructions.
type PendingList struct {
	Pending []Pending `json:"pending"`
	Next    string    `json:"next,omitempty" doc:"cursor of the next page; none at the end"`
}

type pendingInput struct {
	Domain string `query:"domain" maxLength:"63" doc:"all when empty"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *api) pendingDestructions(ctx context.Context, in *pendingInput) (*body[PendingList], error) {
	after, err := parseRecordCursor(in.Cursor)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	list, next, err := a.Custody.PendingDestructions(ctx, a.scope(ctx, in.Domain), after, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[PendingList]{PendingList{Pending: make([]Pending, 0, len(list)), Next: recordCursor(next)}}
	for _, p := range list {
		out.Body.Pending = append(out.Body.Pending, Pending{
			Domain: p.Domain, UID: p.UID, Names: append([]string{}, p.Names...), Type: p.Type.String(), State: p.State.String(),
			Asked: p.Asked, By: p.By, Due: p.Due, Protection: p.Protected,
		})
	}
	return out, nil
}

func recordCursor(p *store.RecordPosition) string {
	if p == nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.Created.UnixMicro(), 10) + " " + p.Domain + " " + p.Key))
}

func parseRecordCursor(cursor string) (*store.RecordPosition, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // from the start
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	parts := strings.SplitN(string(b), " ", 3) // a domain has no spaces
	if err != nil || len(parts) != 3 {
		return nil, kmip.Fail(kmip.KindInvalidField, "the cursor is none that this server gave")
	}
	micros, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return nil, kmip.Fail(kmip.KindInvalidField, "the cursor is none that this server gave")
	}
	return &store.RecordPosition{Created: time.UnixMicro(micros).UTC(), Domain: parts[1], Key: parts[2]}, nil
}

type restoreKeyInput struct {
	ObjectPath
	Body struct {
		WithoutNames bool `json:"without_names" required:"false" doc:"leave its Names to whoever has them now"`
	}
}

func (a *api) restoreKey(ctx context.Context, in *restoreKeyInput) (*struct{}, error) {
	if err := a.Custody.RestoreKey(ctx, a.scope(ctx, in.Domain), in.UID, in.Body.WithoutNames); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
