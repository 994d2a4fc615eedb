package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

var aRecord = store.Record{Domain: "d", Kind: "ticket", Key: "k", Revision: 1, Created: day, Expires: day.Add(time.Hour), Value: []byte("sealed")}

// with changes a copy of aRecord.
func with(change func(*store.Record)) store.Record {
	r := aRecord
	change(&r)
	return r
}

var recordCases = []testCase{
	{"is read as it was added", func(t *testing.T, s store.Store) {
		other := with(func(r *store.Record) { r.Key, r.Expires, r.Created = "other", time.Time{}, day.Add(-time.Second) })
		commit(t, s, store.Change{AddRecords: []store.Record{aRecord, other}})
		got, err := s.Record(t.Context(), "d", "ticket", "k")
		expect(t, "Record", aRecord, got, err)
		for name, q := range map[string]store.RecordQuery{
			"all":         {Limit: 10},
			"of a domain": {Domain: "d", Limit: 10},
			"of a kind":   {Domain: "d", Kind: "ticket", Limit: 10},
		} {
			list, err := s.Records(t.Context(), q)
			expect(t, "Records "+name, []store.Record{other, aRecord}, list, err)
		}
		list, err := s.Records(t.Context(), store.RecordQuery{Limit: 1})
		expect(t, "the oldest", []store.Record{other}, list, err)
		list, err = s.Records(t.Context(), store.RecordQuery{Expired: aRecord.Expires, Limit: 10})
		expect(t, "expired", []store.Record{aRecord}, list, err)
		for name, q := range map[string]store.RecordQuery{
			"behind the last": {Limit: 10, After: aRecord.Position()},
		} {
			list, err := s.Records(t.Context(), q)
			expect(t, "Records "+name, []store.Record(nil), list, err)
		}
		list, err = s.Records(t.Context(), store.RecordQuery{Limit: 10, After: other.Position()})
		expect(t, "behind the first", []store.Record{aRecord}, list, err)
		for name, q := range map[string]store.RecordQuery{
			"of another domain": {Domain: "D", Limit: 10},
			"of another kind":   {Kind: "Ticket", Limit: 10},
			"not yet expired":   {Expired: aRecord.Expires.Add(-time.Microsecond), Limit: 10},
		} {
			list, err := s.Records(t.Context(), q)
			expect(t, "Records "+name, []store.Record(nil), list, err)
		}
	}},
	{"is not found when it is not there", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{AddRecords: []store.Record{aRecord}})
		for _, k := range [][3]string{{"D", "ticket", "k"}, {"d", "login", "k"}, {"d", "ticket", "K"}} {
			if _, err := s.Record(t.Context(), k[0], k[1], k[2]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Record(%v): %v, want not found", k, err)
			}
		}
	}},
	{"cannot be added twice", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{AddRecords: []store.Record{aRecord}})
		err := s.Commit(t.Context(), store.Change{AddRecords: []store.Record{with(func(r *store.Record) { r.Value = []byte("other") })}})
		if !errors.Is(err, store.ErrExists) {
			t.Errorf("second add: %v, want exists", err)
		}
		got, err := s.Record(t.Context(), "d", "ticket", "k")
		expect(t, "Record", aRecord, got, err)
	}},
	{"is changed and removed only at the revision that was read", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{AddRecords: []store.Record{aRecord}})
		second := with(func(r *store.Record) { r.Revision, r.Value, r.Expires = 2, []byte("new"), time.Time{} })
		commit(t, s, store.Change{UpdateRecords: []store.Record{second}})
		for name, c := range map[string]store.Change{
			"an update of the first revision":  {UpdateRecords: []store.Record{second}},
			"a removal of the first revision":  {DeleteRecords: []store.RecordRef{aRecord.Ref()}},
			"an update of what is not there":   {UpdateRecords: []store.Record{with(func(r *store.Record) { r.Key, r.Revision = "x", 2 })}},
			"a removal of what is not there":   {DeleteRecords: []store.RecordRef{{Domain: "d", Kind: "ticket", Key: "x", Revision: 1}}},
			"a removal together with an entry": {DeleteRecords: []store.RecordRef{aRecord.Ref()}, AddSettings: []store.Setting{{Name: "s"}}},
		} {
			if err := s.Commit(t.Context(), c); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: %v, want conflict", name, err)
			}
		}
		got, err := s.Record(t.Context(), "d", "ticket", "k")
		expect(t, "Record", second, got, err)
		if _, err := s.Setting(t.Context(), "s"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a change that failed left a setting: %v", err)
		}
		commit(t, s, store.Change{DeleteRecords: []store.RecordRef{second.Ref()}})
		if _, err := s.Record(t.Context(), "d", "ticket", "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the removal: %v", err)
		}
	}},
	{"refuses what no backend can keep", func(t *testing.T, s store.Store) {
		for name, err := range map[string]error{
			"a key with U+0000": s.Commit(t.Context(), store.Change{AddRecords: []store.Record{with(func(r *store.Record) { r.Key = "a\x00" })}}),
			"no kind":           s.Commit(t.Context(), store.Change{AddRecords: []store.Record{with(func(r *store.Record) { r.Kind = "" })}}),
			"no limit":          second(s.Records(t.Context(), store.RecordQuery{})),
		} {
			if !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v, want invalid", name, err)
			}
		}
	}},
}

func second[T any](_ T, err error) error { return err }
