package sqlite

import (
	"context"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	sqlAddDomain = `insert into domain (name, created) values (?, ?)`

	sqlAddClient = `insert into client (domain, name, role, revoked, created) values (?, ?, ?, ?, ?)`

	sqlUpdateClient = `update client set role = ?3, revoked = coalesce(revoked, ?4) where domain = ?1 and name = ?2`

	sqlAddCertificate = `insert into certificate (fingerprint, domain, client, serial, not_after, revoked, created)
		values (?, ?, ?, ?, ?, ?, ?)`

	sqlUpdateCertificate = `update certificate set serial = ?2, not_after = ?3, revoked = coalesce(revoked, ?4) where fingerprint = ?1`

	sqlAddUser = `insert into app_user (domain, name, role, password, disabled, created) values (?, ?, ?, ?, ?, ?)`

	sqlUpdateUser = `update app_user set role = ?3, password = ?4, disabled = ?5 where domain = ?1 and name = ?2`

	sqlAddAdministrator = `insert into administrator (name, role, fingerprint, not_after, revoked, created)
		values (?, ?, ?, ?, ?, ?)`

	sqlUpdateAdministrator = `update administrator set role = ?2, fingerprint = ?3, not_after = ?4, revoked = ?5
		where name = ?1`

	sqlAddDomainKey = `insert into domain_key (domain, generation, token, root_key, wrapped, created)
		values (?, ?, ?, ?, ?, ?)`

	sqlAddSetting = `insert into setting (name, value) values (?, ?)`

	sqlAddRecord = `insert into record (domain, kind, key, revision, created, expires, generation, value)
		select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 where not exists (` + sqlClosed + `(?1, ?7))`

	sqlUpdateRecord = `update record set revision = ?4, expires = ?5, generation = ?6, value = ?7
		where domain = ?1 and kind = ?2 and key = ?3 and revision = ?4 - 1
		and (generation = ?6 or not exists (` + sqlClosed + `(?1, ?6)))`

	sqlDeleteRecord = `delete from record where domain = ? and kind = ? and key = ? and revision = ?`

	sqlPutSetting = `insert into setting (name, value) values (?, ?)
		on conflict (name) do update set value = excluded.value`
)

// applyRegistry writes what administration owns.
func (w *writer) applyRegistry(ctx context.Context, c *store.Change) error {
	var failed error
	do := func(verb string, miss error, text string, args ...any) {
		if failed == nil {
			failed = w.must(ctx, verb, miss, text, args...)
		}
	}
	for _, d := range c.AddDomains {
		do("add domain", nil, sqlAddDomain, d.Name, column.Micro(d.Created))
	}
	for _, r := range c.AddClients {
		do("add client", nil, sqlAddClient, r.Domain, r.Name, r.Role, optional(r.Revoked), column.Micro(r.Created))
	}
	for _, r := range c.UpdateClients {
		do("update client", store.ErrNotFound, sqlUpdateClient, r.Domain, r.Name, r.Role, optional(r.Revoked))
	}
	for _, r := range c.AddCertificates {
		do("add certificate", nil, sqlAddCertificate, column.Bytes(r.Fingerprint), r.Domain, r.Client, r.Serial,
			column.Micro(r.NotAfter), optional(r.Revoked), column.Micro(r.Created))
	}
	for _, r := range c.UpdateCerts {
		do("update certificate", store.ErrNotFound, sqlUpdateCertificate, column.Bytes(r.Fingerprint), r.Serial,
			column.Micro(r.NotAfter), optional(r.Revoked))
	}
	for _, r := range c.AddUsers {
		do("add user", nil, sqlAddUser, r.Domain, r.Name, r.Role, r.Password, optional(r.Disabled), column.Micro(r.Created))
	}
	for _, r := range c.UpdateUsers {
		do("update user", store.ErrNotFound, sqlUpdateUser, r.Domain, r.Name, r.Role, r.Password, optional(r.Disabled))
	}
	for _, r := range c.AddAdministrators {
		do("add administrator", nil, sqlAddAdministrator, r.Name, r.Role, column.Bytes(r.Fingerprint),
			column.Micro(r.NotAfter), optional(r.Revoked), column.Micro(r.Created))
	}
	for _, r := range c.UpdateAdmins {
		do("update administrator", store.ErrNotFound, sqlUpdateAdministrator, r.Name, r.Role,
			column.Bytes(r.Fingerprint), column.Micro(r.NotAfter), optional(r.Revoked))
	}
	for _, r := range c.AddDomainKeys {
		do("add domain key", nil, sqlAddDomainKey, r.Domain, r.Generation, r.Token, r.RootKey,
			column.Bytes(r.Wrapped), column.Micro(r.Created))
	}
	for _, r := range c.AddSettings {
		do("add setting", nil, sqlAddSetting, r.Name, column.Bytes(r.Value))
	}
	for _, r := range c.PutSettings {
		do("put setting", nil, sqlPutSetting, r.Name, column.Bytes(r.Value))
	}
	for _, r := range c.DeleteRecords {
		do("delete record", store.ErrConflict, sqlDeleteRecord, r.Domain, r.Kind, r.Key, r.Revision)
	}
	for _, r := range c.AddRecords {
		do("add record", store.ErrConflict, sqlAddRecord, r.Domain, r.Kind, r.Key, r.Revision, column.Micro(r.Created), optional(r.Expires),
			r.Generation, column.Bytes(r.Value))
	}
	for _, r := range c.UpdateRecords {
		do("update record", store.ErrConflict, sqlUpdateRecord, r.Domain, r.Kind, r.Key, r.Revision, optional(r.Expires),
			r.Generation, column.Bytes(r.Value))
	}
	return failed
}
