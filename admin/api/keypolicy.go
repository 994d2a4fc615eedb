package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

// KeyPolicy says how keys live. A period is a number with s, m, h, d, w or y, such as
// 90d, or never, which takes away what a less specific policy says.
type KeyPolicy struct {
	Group        string `json:"group,omitempty" maxLength:"4096" doc:"only for objects of this Object Group"`
	Role         string `json:"role,omitempty" maxLength:"63" doc:"only for objects made by clients of this role"`
	Enforce      bool   `json:"enforce,omitempty" doc:"win over what a client asks for"`
	Activate     string `json:"activate_after,omitempty" maxLength:"20" doc:"Activation Date, so long after creation; now: at once"`
	Originator   string `json:"originator,omitempty" maxLength:"20" doc:"originator-usage period: then the Protect Stop Date"`
	Recipient    string `json:"recipient,omitempty" maxLength:"20" doc:"recipient-usage period: then the Deactivation Date"`
	Rotate       string `json:"rotate,omitempty" maxLength:"20" doc:"interval of automatic rotation"`
	RotateOffset string `json:"rotate_offset,omitempty" maxLength:"20" doc:"how long after its making the new key is activated"`
	UsageTotal   *int64 `json:"usage_total,omitempty" minimum:"0" doc:"Usage Limits; 0 for none"`
	UsageUnit    string `json:"usage_unit,omitempty" enum:"byte,object"`
	InUse        string `json:"in_use,omitempty" maxLength:"20" doc:"what was used within so long counts as in use"`
}

// KeyPolicies is a list of policies.
type KeyPolicies struct {
	Policies []KeyPolicy `json:"policies" maxItems:"1000"`
}

func (p KeyPolicy) custody() (custody.KeyPolicy, error) {
	out := custody.KeyPolicy{Group: p.Group, Role: p.Role, Enforce: p.Enforce, UsageTotal: p.UsageTotal, UsageUnit: p.UsageUnit}
	for _, f := range []struct {
		name, text string
		into       **custody.Period
	}{
		{"activate_after", p.Activate, &out.Activate},
		{"originator", p.Originator, &out.Originator},
		{"recipient", p.Recipient, &out.Recipient},
		{"rotate", p.Rotate, &out.Rotate},
		{"rotate_offset", p.RotateOffset, &out.RotateOffset},
		{"in_use", p.InUse, &out.InUse},
	} {
		if f.text == "" {
			continue
		}
		v, err := custody.ParsePeriod(f.text)
		if err != nil {
			return out, kmip.Fail(kmip.KindInvalidField, "%s: %v", f.name, err)
		}
		*f.into = &v
	}
	return out, nil
}

func keyPolicyOf(p custody.KeyPolicy) KeyPolicy {
	text := func(v *custody.Period) string {
		if v == nil {
			return ""
		}
		return v.String()
	}
	return KeyPolicy{
		Group: p.Group, Role: p.Role, Enforce: p.Enforce, Activate: text(p.Activate), Originator: text(p.Originator), Recipient: text(p.Recipient),
		Rotate: text(p.Rotate), RotateOffset: text(p.RotateOffset), UsageTotal: p.UsageTotal, UsageUnit: p.UsageUnit, InUse: text(p.InUse),
	}
}

func (a *api) keyPolicies(ctx context.Context, in *DomainPath) (*body[KeyPolicies], error) {
	list, err := a.Custody.KeyPolicies(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[KeyPolicies]{KeyPolicies{[]KeyPolicy{}}}
	for _, p := range list {
		out.Body.Policies = append(out.Body.Policies, keyPolicyOf(p))
	}
	return out, nil
}

type setKeyPoliciesInput struct {
	DomainPath
	Body KeyPolicies
}

func (a *api) setKeyPolicies(ctx context.Context, in *setKeyPoliciesInput) (*struct{}, error) {
	list := make([]custody.KeyPolicy, len(in.Body.Policies))
	for i, p := range in.Body.Policies {
		var err error
		if list[i], err = p.custody(); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	if err := a.Custody.SetKeyPolicies(ctx, a.scope(ctx, in.Domain), list); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

type removeKeyPolicyInput struct {
	DomainPath
	Body struct {
		Group string `json:"group,omitempty" maxLength:"4096"`
		Role  string `json:"role,omitempty" maxLength:"63"`
	}
}

func (a *api) removeKeyPolicy(ctx context.Context, in *removeKeyPolicyInput) (*struct{}, error) {
	if err := a.Custody.RemoveKeyPolicy(ctx, a.scope(ctx, in.Domain), in.Body.Group, in.Body.Role); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

// Ending is an object that is in use and about to be deactivated by its date.
type Ending struct {
	Domain       string    `json:"domain"`
	UID          string    `json:"uid"`
	Names        []string  `json:"names"`
	Deactivation time.Time `json:"deactivation"`
	LastUsed     time.Time `json:"last_used" doc:"to ten minutes"`
}

// EndingList is what is in use and about to be deactivated within 14 days.
type EndingList struct {
	Ending []Ending `json:"ending"`
}

func (a *api) ending(ctx context.Context, in *anyDomain) (*body[EndingList], error) {
	list, err := a.Custody.EndingInUse(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[EndingList]{EndingList{[]Ending{}}}
	for _, e := range list {
		out.Body.Ending = append(out.Body.Ending, Ending{e.Domain, e.UID, append([]string{}, e.Names...), e.Deactivation, e.LastUsed})
	}
	return out, nil
}
