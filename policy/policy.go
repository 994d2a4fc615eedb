// Package policy decides who may do what. Decide is pure: no input or output,
// no clock of its own, the same answer for the same request. What nothing
// allows is denied.
//
// For now roles are the fixed ones of this package. The question and the
// answer stay when policies become data.
package policy

import (
	"net/netip"
	"slices"
	"time"
)

// Kinds of principals.
const (
	KindClient        = "client"
	KindUser          = "user"
	KindAdministrator = "admin"
	KindSystem        = "system"
)

// Principal is who asks.
type Principal struct {
	Kind   string
	Domain string
	Name   string
	Role   string
}

// Resource is what the action is about. Of an object that does not exist yet, or
// not at all, there is what the request says of it; Type 0 and an empty UID
// mean that the action is about no object.
type Resource struct {
	Domain     string
	UID        string
	Type       uint32 // Object Type
	State      uint32
	Algorithm  uint32 // Cryptographic Algorithm
	LengthBits int32  // Cryptographic Length
	UsageMask  uint32
	Creator    string
	Names      []string
	Groups     []string // Object Groups
}

// Context is how and when the request comes.
type Context struct {
	Time   time.Time
	Source netip.Addr // invalid when it is not known
	Door   string     // "kmip", "admin" or "system"
	// Approvals is how many others have approved exactly this request.
	Approvals int
}

// Request is a question. Action is the normalised name of a KMIP operation,
// such as "Get", or of an administrative action, such as "domain.create".
type Request struct {
	Principal Principal
	Action    string
	Resource  Resource
	Context   Context
}

// Decision is the answer, with the rule that gave it.
type Decision struct {
	Allow  bool
	Reason string
	// Approvals is how many approvals would make a request allowed that is denied;
	// 0 when none would.
	Approvals int
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
