// Package store is the contract for durable state: managed objects and their
// lifecycle, names, domains, clients, domain keys and the audit. Two backends
// implement it, store/postgres and store/sqlite; store/storetest is the suite
// that both pass. Nothing here knows what a key is worth: material arrives
// sealed, attributes arrive as canonical bytes.
//
// Reads take the domain, always: an object of another domain is an object
// that does not exist. Writes are values: Commit makes everything that a
// Change says true, or nothing.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/store/audit"
)

// Errors that backends return, to be tested with errors.Is.
var (
	// ErrNotFound: no such record in that domain.
	ErrNotFound = errors.New("store: not found")
	// ErrExists: a record with that key is there already.
	ErrExists = errors.New("store: already exists")
	// ErrConflict: the revision is no longer the one that the change was planned
	// on, or the generation has been closed.
	ErrConflict = errors.New("store: changed meanwhile")
	// ErrNameTaken: another object of the domain has the name.
	ErrNameTaken = errors.New("store: name is taken")
	// ErrExhausted: a counter has less left than was asked for.
	ErrExhausted = errors.New("store: counter is exhausted")
	// ErrInUse: something is sealed under what should be removed, or it is the
	// last copy.
	ErrInUse = errors.New("store: still in use")
	// ErrUnavailable: the database cannot be reached or did not answer in time; trying again may help.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrInvalid: a text or a change that no backend can keep, such as one with U+0000.
	ErrInvalid = errors.New("store: invalid")
	// ErrForeign: a change that would touch another domain.
	ErrForeign = errors.New("store: of another domain")
	// ErrClosed is an ErrUnavailable: the store has been closed.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
	// ErrOutcomeUnknown is an ErrUnavailable: the connection was lost while a
	// change was being committed, and it may be durable or not.
	ErrOutcomeUnknown = fmt.Errorf("%w: outcome of the commit is unknown", ErrUnavailable)
)

// Reader reads. All methods are safe for concurrent use and return
// ErrNotFound where a single record is asked for and is not there.
type Reader interface {
	// Object returns one object with its sealed material.
	Object(ctx context.Context, domain, uid string) (Object, error)
	// Objects returns those of the given objects that exist, in no order.
	Objects(ctx context.Context, domain string, uids []string) ([]Object, error)
	// Find returns objects without their sealed material, newest first
	// (initial date, then identifier, descending), at most q.Limit.
	Find(ctx context.Context, domain string, q Query) ([]Object, error)
}

// Registry reads what administration owns.
type Registry interface {
	Domain(ctx context.Context, name string) (Domain, error)
	Domains(ctx context.Context) ([]Domain, error)
	// ClientByFingerprint finds the client that owns a certificate, by the
	// SHA-256 of its DER form, in whatever domain.
	ClientByFingerprint(ctx context.Context, sha256 []byte) (Client, Certificate, error)
	Client(ctx context.Context, domain, name string) (Client, error)
	Clients(ctx context.Context, domain string) ([]Client, error) // all domains when domain is ""
	// Certificates returns those of a client; of all clients of the domain when
	// client is "", and of all domains when domain is "" too.
	Certificates(ctx context.Context, domain, client string) ([]Certificate, error)
	// Expiring returns, of each client, the certificate that lasts longest, if it
	// ends from one time on and before another, soonest first. What is revoked does
	// not count.
	Expiring(ctx context.Context, from, before time.Time, limit int) ([]Certificate, error)
	User(ctx context.Context, domain, name string) (User, error)
	Users(ctx context.Context, domain string) ([]User, error)
	// AdministratorByFingerprint finds an administrator by certificate.
	AdministratorByFingerprint(ctx context.Context, sha256 []byte) (Administrator, error)
	Administrators(ctx context.Context) ([]Administrator, error)
	// DomainKeys returns every wrapped copy of every generation of a domain,
	// oldest first; of all domains when domain is "".
	DomainKeys(ctx context.Context, domain string) ([]DomainKey, error)
	// Generations lists the generations of all domains that have a copy or are
	// closed, by domain and number.
	Generations(ctx context.Context) ([]Generation, error)
	// Sealed returns objects whose record is under a generation of the domain's
	// key, with their sealed material and without their counters, by identifier,
	// those behind after, at most limit (1 to 10000).
	Sealed(ctx context.Context, domain string, generation int32, after string, limit int) ([]Object, error)
	// SealedCount returns the number of objects and of records under a generation.
	SealedCount(ctx context.Context, domain string, generation int32) (objects, records int64, err error)
	// Setting returns a value of the installation, such as the sealed key of its CA.
	Setting(ctx context.Context, name string) ([]byte, error)
	// Record returns one record.
	Record(ctx context.Context, domain, kind, key string) (Record, error)
	// Records returns records, oldest first (created, domain, key), at most q.Limit.
	Records(ctx context.Context, q RecordQuery) ([]Record, error)
	// Audit returns entries, newest first, at most q.Limit.
	Audit(ctx context.Context, q AuditQuery) ([]audit.Entry, error)
	// AuditCount returns the number of entries that match; Before and Limit do not
	// count.
	AuditCount(ctx context.Context, q AuditQuery) (int64, error)
	// Count returns the number of objects of a domain by state; the stored
	// state, which dates may have overtaken.
	Count(ctx context.Context, domain string) (map[State]int64, error)
}

// Store is a backend.
type Store interface {
	Reader
	Registry
	// Commit makes the change durable as a whole, audit entries included, and
	// returns after that. Errors: ErrConflict, ErrNameTaken, ErrExists,
	// ErrNotFound, ErrExhausted, ErrInUse, ErrInvalid, ErrUnavailable; on an error nothing
	// of the change is stored, unless it is ErrOutcomeUnknown. A context that
	// ends withdraws a change that still waits; one that is being written is
	// reported by its real outcome.
	Commit(ctx context.Context, c Change) error
	// Reseal moves objects of one domain to another generation: it replaces
	// generation, sealed material, MAC and revision of each object whose stored
	// revision is still Revision-1, and leaves every other alone. It returns how
	// many it moved. Everything that was moved is durable when it returns; on an
	// error some may have been moved. Returns ErrConflict if the generation that
	// they should move to is closed, ErrInvalid if they should move to several. An
	// object that has material is not moved without. At most 10000 objects; no
	// audit entry.
	Reseal(ctx context.Context, objects []Object) (int, error)
	// Ping reports whether the backend answers.
	Ping(ctx context.Context) error
	// Now is the clock of the database (of this machine for SQLite).
	Now(ctx context.Context) (time.Time, error)
	// Close waits for running commits and releases the backend.
	Close() error
}
