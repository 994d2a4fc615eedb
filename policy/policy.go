// Package policy decides who may do what. Policies are data, in Cedar: those of the
// ready roles, a document of the installation, and one of each domain. A Set of
// them answers requests: no input or output, no clock of its own, the same answer
// for the same request. What nothing permits is denied.
//
// Three things no policy can change: a client never reaches another domain, an
// administrator never goes beyond the duties of their role, and the server itself
// does only what it must.
package policy

import (
	"net/netip"
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

// Actor names the principal in the audit: "client:demo".
func (p Principal) Actor() string {
	if p.Name == "" {
		return "unknown"
	}
	return p.Kind + ":" + p.Name
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
	TLS    string     // "1.2" or "1.3"; empty when the request did not just arrive
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
