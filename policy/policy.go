// Package policy decides who may do what. Decide is pure: no input or output,
// no clock of its own, the same answer for the same request. What nothing
// allows is denied.
//
// For now roles are the fixed ones of this package. The question and the
// answer stay when policies become data.
package policy

import (
	"maps"
	"slices"
)

// Kinds of principals.
const (
	KindClient        = "client"
	KindUser          = "user"
	KindAdministrator = "admin"
	KindSystem        = "system"
)

// Roles.
const (
	// RoleFull: every KMIP operation on the objects of the client's domain.
	RoleFull = "full"
	// RoleUserAdmin: users, groups and credentials over KMIP 3.0; no objects.
	RoleUserAdmin = "user-admin"
	// RoleAdministrator: domains, clients, users, reports, and the lifecycle of
	// objects; never their material, never cryptographic use.
	RoleAdministrator = "administrator"
	// RoleRotation: what the server itself does with objects that it rotates.
	RoleRotation = "rotation"
)

// Principal is who asks.
type Principal struct {
	Kind   string
	Domain string
	Name   string
	Role   string
}

// Resource is what the action is about.
type Resource struct {
	Domain  string
	UID     string
	Type    uint32
	Creator string
	Groups  []string // Object Groups
}

// Request is a question. Action is the normalised name of a KMIP operation,
// such as "Get", or of an administrative action, such as "domain.create".
type Request struct {
	Principal Principal
	Action    string
	Resource  Resource
}

// Decision is the answer, with the rule that gave it.
type Decision struct {
	Allow  bool
	Reason string
}

// Decide answers a request.
func Decide(r Request) Decision {
	role, ok := roles[r.Principal.Role]
	switch {
	case !ok:
		return Decision{Reason: "no role grants it"}
	case role.kind != r.Principal.Kind && (role.kind != KindClient || r.Principal.Kind != KindUser):
		return Decision{Reason: "role " + r.Principal.Role + " is not for a " + r.Principal.Kind}
	case role.kind == KindClient && r.Resource.Domain != r.Principal.Domain:
		return Decision{Reason: "another domain"}
	case !role.grants(r.Action):
		return Decision{Reason: "role " + r.Principal.Role + " does not grant " + r.Action}
	}
	return Decision{Allow: true, Reason: "role " + r.Principal.Role}
}

// Roles lists the roles that clients and users, or administrators, can have.
func Roles(kind string) []string {
	var names []string
	for name, r := range roles {
		if r.kind == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Actions lists the administrative actions.
func Actions() []string { return slices.Sorted(maps.Keys(administrative)) }
