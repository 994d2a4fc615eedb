package policy

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/claviger/claviger/kmip"
)

// Difference is a policy that two documents do not have in common. Was or Is is
// empty when one of them has none of that name.
type Difference struct {
	Policy  string // its @id
	Was, Is string // Cedar
}

// Differences compares two documents, policy by policy.
func Differences(was, is *Compiled) []Difference {
	texts := func(c *Compiled) map[string]string {
		m := map[string]string{}
		for _, e := range c.entries {
			m[e.name(c)] = string(e.policy.MarshalCedar())
		}
		return m
	}
	before, after := texts(was), texts(is)
	var list []Difference
	for _, c := range []*Compiled{was, is} {
		for _, e := range c.entries {
			name := e.name(c)
			d := Difference{name, before[name], after[name]}
			if d.Was != d.Is && !slices.Contains(list, d) {
				list = append(list, d)
			}
		}
	}
	return list
}

func (e *entry) name(c *Compiled) string { return string(e.id[len(c.Source)+1:]) }

// Shift is an action that a role may do under one set of policies and not under
// another.
type Shift struct {
	Role, Action string
	Object       string // Object Type; "" for every type
	Was, Is      Decision
}

// Shifts compares what clients of every role of a domain may do with an active
// object of each type that somebody else made, when they come from nowhere in
// particular at the given time.
func Shifts(was, is *Set, domain string, c Context) []Shift {
	roles := append(was.Roles(domain), is.Roles(domain)...)
	slices.Sort(roles)
	var list []Shift
	for _, role := range slices.Compact(roles) {
		for _, action := range Operations() {
			list = append(list, shifts(was, is, Request{
				Principal: Principal{Kind: KindClient, Domain: domain, Name: "-", Role: role}, Action: action, Context: c,
			})...)
		}
	}
	return list
}

func shifts(was, is *Set, r Request) []Shift {
	var list []Shift
	all := kmip.EnumValues(kmip.TagObjectType)
	for _, typ := range all {
		r.Resource = Resource{Domain: r.Principal.Domain, UID: "-", Type: typ, State: uint32(kmip.StateActive)}
		a, b := was.Decide(r), is.Decide(r)
		if a.Allow != b.Allow || a.Approvals != b.Approvals {
			list = append(list, Shift{r.Principal.Role, r.Action, kmip.EnumName(kmip.TagObjectType, typ), a, b})
		}
	}
	if len(list) == len(all) {
		list[0].Object = ""
		return list[:1]
	}
	return list
}

// Known reports whether there is such an action.
func Known(action string) bool { return groupOf[action] != "" }

// effectOf names an effect, for those who show policies.
func effectOf(e types.Effect) string {
	if e == types.Forbid {
		return "forbid"
	}
	return "permit"
}
