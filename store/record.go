package store

import (
	"fmt"
	"time"
)

// Record is small state of a domain beside its objects: a ticket, a request
// that waits, a default. The store knows nothing of its value, which arrives
// sealed. A record belongs to a domain, or to the installation when the domain
// is the system's.
type Record struct {
	Domain   string
	Kind     string
	Key      string
	Revision int64     // 1 when it is added, one more at each update
	Created  time.Time // whole microseconds; Update leaves it
	Expires  time.Time // zero when it stays; an expired record is still read, until it is deleted
	// Generation of the domain key that seals the value; 0 when none does.
	Generation int32
	Value      []byte
}

// RecordRef names a revision of a record.
type RecordRef struct {
	Domain, Kind, Key string
	Revision          int64
}

// Ref names the record as it is.
func (r Record) Ref() RecordRef { return RecordRef{r.Domain, r.Kind, r.Key, r.Revision} }

// RecordQuery narrows Registry.Records. All conditions must hold.
type RecordQuery struct {
	Domain string // any when empty
	Kind   string // any when empty
	// Generation narrows to records under it; 0 means any.
	Generation int32
	Expired    time.Time // only records that expire at or before this; zero means all
	// After continues behind a record of an earlier answer; nil starts.
	After *RecordPosition
	Limit int // required, 1 to 1000
}

// RecordPosition is a place in the order of Registry.Records.
type RecordPosition struct {
	Created     time.Time
	Domain, Key string
}

// Position is where the record stands.
func (r Record) Position() *RecordPosition { return &RecordPosition{r.Created, r.Domain, r.Key} }

// Check returns ErrInvalid for a query that no backend can answer.
func (q RecordQuery) Check() error {
	if q.Limit < 1 || q.Limit > 1000 {
		return fmt.Errorf("%w: limit %d is not in 1 to 1000", ErrInvalid, q.Limit)
	}
	if a := q.After; a != nil {
		return CheckText("record query", q.Domain, q.Kind, a.Domain, a.Key)
	}
	return CheckText("record query", q.Domain, q.Kind)
}
