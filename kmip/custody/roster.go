package custody

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// recordRoster authenticates a row of a client, certificate, user or administrator;
// the key is the kind of row and what names it.
const recordRoster = "roster"

// roster is the store, with what it says of who is who authenticated: beside each
// row of a client, a client's certificate, a user and an administrator there is a
// record with its MAC under the key of the domain. Whoever can write to the database
// but not use the root of trust makes no client, gives none another role or
// certificate, and changes no password: the row is refused at its next use, named in
// the log, and the others go on.
//
// Lists of clients, certificates and users are as they are stored: nothing is decided
// by them.
type roster struct {
	store.Store
	sealer Sealer
	log    *slog.Logger
}

// rosterReads bounds how often a row that does not match its record is read again:
// it may have been changed between the two.
const rosterReads = 3

// errAltered marks a row that does not match its record.
var errAltered = fmt.Errorf("the row does not match its record: %w", hsm.ErrIntegrity)

// rosterRow is a row as its record has it.
type rosterRow struct {
	domain string
	key    string
	sum    [sha256.Size]byte // of everything else in the row
}

func newRosterRow(domain, key string, fields ...string) rosterRow {
	return rosterRow{domain, key, sha256.Sum256(appendTexts(nil, fields...))}
}

func clientRow(c store.Client) rosterRow {
	return newRosterRow(c.Domain, "client/"+c.Name, c.Role, instant(c.Revoked), instant(c.Created))
}

func certificateRow(c store.Certificate) rosterRow {
	return newRosterRow(c.Domain, "certificate/"+hex.EncodeToString(c.Fingerprint),
		c.Client, c.Serial, instant(c.NotAfter), instant(c.Revoked), instant(c.Created))
}

func userRow(u store.User) rosterRow {
	return newRosterRow(u.Domain, "user/"+u.Name, u.Role, u.Password, instant(u.Disabled), instant(u.Created))
}

func administratorRow(a store.Administrator) rosterRow {
	return newRosterRow(SystemDomain, "administrator/"+a.Name,
		a.Role, hex.EncodeToString(a.Fingerprint), instant(a.NotAfter), instant(a.Revoked), instant(a.Created))
}

// instant is a time as the stores keep it; empty when there is none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

// rosterMessage is what the MAC of a record covers.
func rosterMessage(r store.Record) []byte {
	b := append([]byte(nil), "claviger roster 1\x00"...)
	b = appendTexts(b, r.Domain, r.Key)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Revision)) //nolint:gosec // bits
	return append(b, r.Value[:sha256.Size]...)
}

// seal puts the MAC under the current key of its domain into a record, whose value
// begins with the sum of the row.
func (r roster) seal(ctx context.Context, record store.Record) (store.Record, error) {
	generation, err := r.sealer.Current(ctx, record.Domain)
	if err != nil {
		return record, sealFailure(err, record.Key)
	}
	record.Generation = generation
	mac, err := r.sealer.MAC(ctx, record.Domain, generation, rosterMessage(record))
	if err != nil {
		return record, sealFailure(err, record.Key)
	}
	record.Value = slices.Concat(record.Value[:sha256.Size], mac)
	return record, nil
}

// verify returns errAltered for a record that this installation did not write. That the
// key of the domain cannot be had, or does not authenticate itself, is another failure.
func (r roster) verify(ctx context.Context, record store.Record) error {
	if len(record.Value) != 2*sha256.Size {
		return errAltered
	}
	mac, err := r.sealer.MAC(ctx, record.Domain, record.Generation, rosterMessage(record))
	if err != nil {
		return sealFailure(err, record.Key)
	}
	if !hmac.Equal(mac, record.Value[sha256.Size:]) {
		return errAltered
	}
	return nil
}

// check returns errAltered for a row that does not match its record.
func (r roster) check(ctx context.Context, rows ...rosterRow) error {
	for _, row := range rows {
		record, err := r.Record(ctx, row.domain, recordRoster, row.key)
		if err == nil {
			err = r.verify(ctx, record)
		}
		switch {
		case errors.Is(err, store.ErrNotFound):
			return errAltered
		case err != nil:
			return err
		case subtle.ConstantTimeCompare(record.Value[:sha256.Size], row.sum[:]) != 1:
			return errAltered
		}
	}
	return nil
}

// attested reads what is in the store, and refuses it unless its rows match their
// records.
func attested[T any](ctx context.Context, r roster, read func() (T, error), rows func(T) []rosterRow) (T, error) {
	var none, v T
	var err error
	for range rosterReads {
		if v, err = read(); err != nil {
			return none, err
		}
		if err = r.check(ctx, rows(v)...); err == nil {
			return v, nil
		}
		if !errors.Is(err, errAltered) && !errors.Is(err, hsm.ErrNotFound) && !errors.Is(err, hsm.ErrClosed) { // nor moved to another key meanwhile
			return none, err
		}
	}
	if !errors.Is(err, errAltered) {
		return none, err
	}
	row := rows(v)[0]
	r.tell(ctx, row)
	return none, kmip.FailFrom(errAltered, kmip.KindIntegrity,
		fmt.Sprintf("%s of domain %q was altered in the database, or was not made by this installation", row.key, row.domain))
}

func (r roster) tell(ctx context.Context, row rosterRow) {
	r.log.ErrorContext(ctx, "what the database says of a client, user or administrator was not written by this installation, and is refused",
		"domain", row.domain, "row", row.key)
}

// Client implements store.Registry.
func (r roster) Client(ctx context.Context, domain, name string) (store.Client, error) {
	return attested(ctx, r, func() (store.Client, error) { return r.Store.Client(ctx, domain, name) },
		func(c store.Client) []rosterRow { return []rosterRow{clientRow(c)} })
}

// ClientByFingerprint implements store.Registry.
func (r roster) ClientByFingerprint(ctx context.Context, sum []byte) (store.Client, store.Certificate, error) {
	type owned struct {
		client      store.Client
		certificate store.Certificate
	}
	o, err := attested(ctx, r, func() (o owned, err error) {
		o.client, o.certificate, err = r.Store.ClientByFingerprint(ctx, sum)
		return o, err
	}, func(o owned) []rosterRow { return []rosterRow{clientRow(o.client), certificateRow(o.certificate)} })
	return o.client, o.certificate, err
}

// User implements store.Registry.
func (r roster) User(ctx context.Context, domain, name string) (store.User, error) {
	return attested(ctx, r, func() (store.User, error) { return r.Store.User(ctx, domain, name) },
		func(u store.User) []rosterRow { return []rosterRow{userRow(u)} })
}

// AdministratorByFingerprint implements store.Registry.
func (r roster) AdministratorByFingerprint(ctx context.Context, sum []byte) (store.Administrator, error) {
	return attested(ctx, r, func() (store.Administrator, error) { return r.Store.AdministratorByFingerprint(ctx, sum) },
		func(a store.Administrator) []rosterRow { return []rosterRow{administratorRow(a)} })
}

// Administrators implements store.Registry, without those that were altered.
func (r roster) Administrators(ctx context.Context) ([]store.Administrator, error) {
	for attempt := 1; ; attempt++ {
		list, err := r.Store.Administrators(ctx)
		if err != nil {
			return nil, err
		}
		good := make([]store.Administrator, 0, len(list))
		for _, a := range list {
			err := r.check(ctx, administratorRow(a))
			if err == nil {
				good = append(good, a)
			} else if !errors.Is(err, errAltered) {
				return nil, err
			} else if attempt == rosterReads {
				r.tell(ctx, administratorRow(a))
			}
		}
		if len(good) == len(list) || attempt == rosterReads {
			return good, nil
		}
	}
}

// Commit implements store.Store: what a change writes of who is who, it also
// authenticates.
func (r roster) Commit(ctx context.Context, c store.Change) error {
	if err := r.authenticate(ctx, &c); err != nil {
		return err
	}
	return r.Store.Commit(ctx, c)
}

func (r roster) authenticate(ctx context.Context, c *store.Change) error {
	var failed error
	add := func(row rosterRow, created time.Time) {
		if failed == nil {
			failed = r.add(ctx, c, row, created)
		}
	}
	update := func(row rosterRow, created time.Time, becomes func() (rosterRow, error)) {
		if failed == nil {
			failed = r.update(ctx, c, row, created, becomes)
		}
	}
	for _, v := range c.AddClients {
		add(clientRow(v), v.Created)
	}
	for _, v := range c.AddCertificates {
		add(certificateRow(v), v.Created)
	}
	for _, v := range c.AddUsers {
		add(userRow(v), v.Created)
	}
	for _, v := range c.AddAdministrators {
		add(administratorRow(v), v.Created)
	}
	for _, v := range c.UpdateClients {
		update(clientRow(v), v.Created, func() (rosterRow, error) {
			is, err := r.Store.Client(ctx, v.Domain, v.Name)
			v.Revoked = firstOf(is.Revoked, v.Revoked)
			return clientRow(v), err
		})
	}
	for _, v := range c.UpdateCerts {
		update(certificateRow(v), v.Created, func() (rosterRow, error) {
			_, is, err := r.Store.ClientByFingerprint(ctx, v.Fingerprint)
			v.Revoked = firstOf(is.Revoked, v.Revoked)
			return certificateRow(v), err
		})
	}
	for _, v := range c.UpdateUsers {
		update(userRow(v), v.Created, func() (rosterRow, error) { return userRow(v), nil })
	}
	for _, v := range c.UpdateAdmins {
		update(administratorRow(v), v.Created, func() (rosterRow, error) { return administratorRow(v), nil })
	}
	return failed
}

// firstOf is the revocation that the store keeps: the first one.
func firstOf(stored, planned time.Time) time.Time {
	if stored.IsZero() {
		return planned
	}
	return stored
}

// add plans the record of a new row.
func (r roster) add(ctx context.Context, c *store.Change, row rosterRow, created time.Time) error {
	record, err := r.seal(ctx, store.Record{Domain: row.domain, Kind: recordRoster, Key: row.key, Revision: 1, Created: created, Value: row.sum[:]})
	c.AddRecords = append(slices.Clip(c.AddRecords), record)
	return err
}

// update plans the record of a row that is there. It reads the record before the
// row: if another change comes in between, this one is a conflict.
func (r roster) update(ctx context.Context, c *store.Change, planned rosterRow, created time.Time, becomes func() (rosterRow, error)) error {
	record, err := r.Record(ctx, planned.domain, recordRoster, planned.key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	missing := err != nil // of a row that was altered: what is revoked may be one
	row, err := becomes()
	if err != nil {
		return err
	}
	if missing {
		return r.add(ctx, c, row, created)
	}
	record.Revision++
	record.Value = row.sum[:]
	record, err = r.seal(ctx, record)
	c.UpdateRecords = append(slices.Clip(c.UpdateRecords), record)
	return err
}
