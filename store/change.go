package store

import (
	"time"

	"github.com/claviger/claviger/store/audit"
)

// Change is what shall become true in one transaction. An object is in Insert,
// Update and Delete at most once altogether; all the rest that concerns it may
// stand beside it.
type Change struct {
	// Insert adds objects; an identifier that the domain has already is ErrExists.
	Insert []Object
	// Update replaces objects whose revision is still Revision-1 of the given
	// record, else ErrConflict. A nil Material leaves the stored material as it
	// is, unless the MaterialVersion differs, and then removes it.
	Update []Object
	// Delete removes objects with their names, sides and counters if the
	// revision is still the given one.
	Delete []Ref
	// Names to take for an object of the domain (ErrNameTaken when another
	// object has one) and names to give up. Releases happen first.
	Take    []Name
	Release []Name
	// Sides to add (a repeated one is fine) and to drop.
	AddSides  []SideRow
	DropSides []SideRow
	// Counters to change.
	Counters []CounterChange
	// Records to add (ErrExists), to replace and to remove, if the revision that is
	// stored is the given one less one, or the given one (ErrConflict).
	AddRecords    []Record
	UpdateRecords []Record
	DeleteRecords []RecordRef
	// Audit entries; the backend numbers them.
	Audit []audit.Entry

	// Administration.
	AddDomains        []Domain
	AddClients        []Client
	UpdateClients     []Client // by domain and name; ErrNotFound. Revoked stays once it is set
	AddCertificates   []Certificate
	UpdateCerts       []Certificate // by fingerprint; ErrNotFound. Revoked stays once it is set
	AddUsers          []User
	UpdateUsers       []User
	AddAdministrators []Administrator
	UpdateAdmins      []Administrator // by name; ErrNotFound
	AddDomainKeys     []DomainKey     // ErrExists for (domain, generation, token)
	AddSettings       []Setting       // ErrExists
	PutSettings       []Setting

	// UpdateDomainKeys wraps copies anew (Created stays); DropDomainKeys removes
	// copies, of which the last of a generation stays (ErrInUse). Removing what is
	// gone is fine.
	UpdateDomainKeys []DomainKeyChange
	DropDomainKeys   []DomainKeyRef
	// CloseGenerations makes sure that, once the change is durable, no change by
	// any node puts an object or record under these generations that is not under
	// them already: such a change is an ErrConflict. Closing twice is fine.
	CloseGenerations []GenerationRef
	// DropGenerations removes all copies of generations that an earlier change has
	// closed and under which there is nothing (else ErrInUse). They stay closed
	// for ever.
	DropGenerations []GenerationRef
}

// Ref names a revision of an object.
type Ref struct {
	Domain, UID string
	Revision    int64
}

// Name is a Name of an object: unique in its domain.
type Name struct {
	Domain, Value, UID string
}

// SideRow is a Side of an object of a domain.
type SideRow struct {
	Domain string
	Side
}

// CounterChange changes a Counter, relative to what is stored.
type CounterChange struct {
	Domain, UID string
	// SetUsage replaces UsageLeft (creation, Modify Attribute); RemoveUsage drops the limit.
	SetUsage    *int64
	RemoveUsage bool
	// Take is subtracted from UsageLeft if that is there; less than Take left is
	// ErrExhausted. It sets Allocated.
	Take int64
	// Give is added back (undo of a batch).
	Give int64
	// Serve sets Served.
	Serve bool
	// Used sets LastUsed unless that is later already; zero leaves it.
	Used time.Time
}
