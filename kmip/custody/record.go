package custody

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
)

// Kinds of records.
const (
	recordTicket      = "ticket"       // of a login; the key is a hash of the ticket
	recordWaiting     = "async.wait"   // asynchronous request that has no result yet
	recordDone        = "async.done"   // asynchronous request that has one
	recordDefaults    = "defaults"     // default attributes of new objects
	recordConstraints = "constraints"  // what objects must be like
	recordJob         = "job"          // work on the key hierarchy
	recordHashed      = "hashed.login" // what Hashed Password credentials of a user are verified by
	recordRules       = "rules"        // what keys of a domain must be like and how they end
	recordDestruction = "destruction"  // destroyed object whose waiting period is not over
)

// only is the key of records of which a domain has one.
const only = "only"

// sealRecord makes a record of a value. It is sealed, and bound to its domain,
// name and revision, so that none can be put in the place of another.
func (s *Service) sealRecord(ctx context.Context, r store.Record, value any) (store.Record, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return r, err
	}
	p := secret.New(plain)
	defer p.Destroy()
	return s.sealRecordBytes(ctx, r, p)
}

func (s *Service) sealRecordBytes(ctx context.Context, r store.Record, p *secret.Bytes) (store.Record, error) {
	generation, err := s.sealer.Current(ctx, r.Domain)
	if err != nil {
		return r, sealFailure(err, r.Key)
	}
	r.Generation = generation
	r.Created, r.Expires = r.Created.Truncate(time.Microsecond), r.Expires.Truncate(time.Microsecond)
	sealed, err := s.sealer.SealAt(ctx, r.Domain, generation, recordBinding(r), p)
	if err != nil {
		return r, sealFailure(err, r.Key)
	}
	r.Value = append(binary.BigEndian.AppendUint32(nil, uint32(generation)), sealed...) //nolint:gosec // a generation is positive
	return r, nil
}

func recordBinding(r store.Record) seal.Binding {
	return seal.Binding{UID: r.Kind + "/" + r.Key, MaterialVersion: int32(r.Revision)} //nolint:gosec // bits
}

// openRecord reads the value of a record.
func (s *Service) openRecord(ctx context.Context, r store.Record, into any) error {
	p, err := s.openRecordBytes(ctx, r)
	if err != nil {
		return err
	}
	defer p.Destroy()
	if err := json.Unmarshal(p.Reveal(), into); err != nil {
		return kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
	}
	return nil
}

// openRecordBytes is openRecord for a value that is no JSON; the caller destroys it.
func (s *Service) openRecordBytes(ctx context.Context, r store.Record) (*secret.Bytes, error) {
	if len(r.Value) < 4 {
		return nil, kmip.FailFrom(fmt.Errorf("record %s/%s", r.Kind, r.Key), kmip.KindIntegrity, "a stored record is damaged")
	}
	generation := int32(binary.BigEndian.Uint32(r.Value)) //nolint:gosec // written from an int32
	p, err := s.sealer.Open(ctx, r.Domain, generation, recordBinding(r), r.Value[4:])
	if err != nil {
		return nil, sealFailure(err, r.Key)
	}
	return p, nil
}

// singleRecord reads a record of which a domain has one. It returns revision 0
// when there is none.
func (s *Service) singleRecord(ctx context.Context, domain, kind string, into any) (store.Record, error) {
	r, err := s.store.Record(ctx, domain, kind, only)
	if errors.Is(err, store.ErrNotFound) {
		return store.Record{Domain: domain, Kind: kind, Key: only}, nil
	}
	if err != nil {
		return r, err
	}
	return r, s.openRecord(ctx, r, into)
}

// putSingle plans that a record has a value, or is gone when the value is nil.
func (s *Service) putSingle(ctx context.Context, c *store.Change, r store.Record, now time.Time, value any) error {
	if value == nil {
		if r.Revision > 0 {
			c.DeleteRecords = append(c.DeleteRecords, r.Ref())
		}
		return nil
	}
	r.Revision++
	if r.Revision == 1 {
		r.Created = now
	}
	r, err := s.sealRecord(ctx, r, value)
	if err != nil {
		return err
	}
	if r.Revision == 1 {
		c.AddRecords = append(c.AddRecords, r)
	} else {
		c.UpdateRecords = append(c.UpdateRecords, r)
	}
	return nil
}
