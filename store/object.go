package store

import "time"

// State is a lifecycle state, with the numbers of KMIP (§11.48): the package
// stores it and orders it, and knows nothing else about it.
type State uint32

// Object is the record of a managed object: one row. Columns that queries use
// stand beside the canonical bytes of all attributes, from which they are
// computed; MAC covers the canonical bytes, state, revision, material version
// and a hash of the sealed material.
type Object struct {
	Domain          string
	UID             string // Unique Identifier
	Type            uint32 // Object Type
	State           State
	Algorithm       uint32 // Cryptographic Algorithm, 0 when there is none
	LengthBits      int32  // Cryptographic Length in bits, 0 when there is none
	UsageMask       uint32
	Group           string    // first Object Group, kept as IndexValue
	Creator         string    // client that created the object
	Initial         time.Time // Initial Date, whole microseconds
	Activation      time.Time // zero when not set, like all dates below
	Deactivation    time.Time
	Destroyed       time.Time
	Revision        int64 // 1 at creation, one more at each update
	Generation      int32 // of the domain key that sealed material and MAC
	MaterialVersion int32
	Material        []byte // sealed; nil when there is none, or in answers of Find
	Attributes      []byte // canonical
	MAC             []byte
	// Counter is read with the object; Commit changes it by CounterChange only.
	Counter Counter
}

// Counter is what changes at each use of an object: no revision of its own.
type Counter struct {
	// UsageLeft is the Usage Limits Count; meaningful when HasUsage.
	HasUsage  bool
	UsageLeft int64
	// Allocated tells that usage was ever taken, which freezes the limits.
	Allocated bool
	// Served tells that Get has given the object away (Fresh is False then).
	Served   bool
	LastUsed time.Time
}

// Side table kinds: what Locate finds by, besides the hot columns.
const (
	SideGroup      = "group"      // Object Group, beyond the first too
	SideLink       = "link"       // Linked Object Identifier
	SideCredential = "credential" // what a credential is recognised by
	SideToken      = "token"      // serial number of the token that the object lives in
	SideRotate     = "rotate"     // objects that the server rotates
	SideCustom     = "custom"     // custom attributes that an operator declared searchable
)

// Side is a row of the narrow side table.
type Side struct {
	UID   string
	Kind  string
	Value string // at most 255 bytes: longer values are stored as the hexadecimal SHA-256
}

// Query narrows Find. It may find too much: the caller checks each object
// against what was asked.
type Query struct {
	UIDs      []string // only these; nil means any
	Types     []uint32
	States    []State
	Algorithm *uint32
	Length    *int32
	UsageMask uint32 // objects that have all these bits
	Names     []string
	Sides     []Side // UID unused; all must match
	Creator   string
	// InitialFrom and InitialTo bound the Initial Date, inclusive; zero means open.
	InitialFrom, InitialTo time.Time
	// DeactivationFrom and DeactivationTo bound the Deactivation Date, inclusive; an
	// object without one is not between them.
	DeactivationFrom, DeactivationTo time.Time
	// After continues behind this position of an earlier answer; nil starts.
	After *Position
	Limit int // required, 1 to 1000
}

// Position is a place in the order of Find.
type Position struct {
	Initial time.Time
	UID     string
}
