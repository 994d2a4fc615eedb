package postgres

import (
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	sqlAddDomain = `insert into domain (name, created) values ($1, $2)`

	sqlAddClient = `insert into client (domain, name, role, revoked, created) values ($1, $2, $3, $4, $5)`

	sqlUpdateClient = `with done as (update client set role = $3, revoked = coalesce(revoked, $4) where domain = $1 and name = $2 returning 1)
		select claviger_expect(count(*), 1, '` + codeNotFound + `') from done`

	sqlAddCertificate = `insert into certificate (fingerprint, domain, client, serial, not_after, revoked, created)
		values ($1, $2, $3, $4, $5, $6, $7)`

	sqlUpdateCertificate = `with done as (update certificate set serial = $2, not_after = $3, revoked = coalesce(revoked, $4) where fingerprint = $1 returning 1)
		select claviger_expect(count(*), 1, '` + codeNotFound + `') from done`

	sqlAddUser = `insert into app_user (domain, name, role, password, disabled, created) values ($1, $2, $3, $4, $5, $6)`

	sqlUpdateUser = `with done as (update app_user set role = $3, password = $4, disabled = $5 where domain = $1 and name = $2 returning 1)
		select claviger_expect(count(*), 1, '` + codeNotFound + `') from done`

	sqlAddAdministrator = `insert into administrator (name, role, fingerprint, not_after, revoked, created)
		values ($1, $2, $3, $4, $5, $6)`

	sqlUpdateAdministrator = `with done as (update administrator set role = $2, fingerprint = $3, not_after = $4, revoked = $5
		where name = $1 returning 1)
		select claviger_expect(count(*), 1, '` + codeNotFound + `') from done`

	sqlAddDomainKey = `insert into domain_key (domain, generation, token, root_key, wrapped, created)
		values ($1, $2, $3, $4, $5, $6)`

	sqlAddSetting = `insert into setting (name, value) values ($1, $2)`

	sqlAddRecord = `insert into record (domain, kind, key, revision, created, expires, generation, value)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`

	sqlUpdateRecord = `with done as (update record set revision = $4, expires = $5, generation = $6, value = $7
		where domain = $1 and kind = $2 and key = $3 and revision = $4 - 1
		and (generation = $6 or not exists (` + sqlClosed + `($1, $6) for key share)) returning 1)
		select claviger_expect(count(*), 1, '` + codeConflict + `') from done`

	sqlDeleteRecord = `with done as (delete from record where domain = $1 and kind = $2 and key = $3 and revision = $4 returning 1)
		select claviger_expect(count(*), 1, '` + codeConflict + `') from done`

	sqlPutSetting = `insert into setting (name, value) values ($1, $2)
		on conflict (name) do update set value = excluded.value`
)

// queueRegistry writes what administration owns.
func (b *batch) queueRegistry(c *store.Change) {
	for _, d := range c.AddDomains {
		b.queue("add domain", sqlAddDomain, d.Name, column.Micro(d.Created))
	}
	for _, r := range c.AddClients {
		b.queue("add client", sqlAddClient, r.Domain, r.Name, r.Role, optional(r.Revoked), column.Micro(r.Created))
	}
	for _, r := range c.UpdateClients {
		b.queue("update client", sqlUpdateClient, r.Domain, r.Name, r.Role, optional(r.Revoked))
	}
	for _, r := range c.AddCertificates {
		b.queue("add certificate", sqlAddCertificate, column.Bytes(r.Fingerprint), r.Domain, r.Client, r.Serial,
			column.Micro(r.NotAfter), optional(r.Revoked), column.Micro(r.Created))
	}
	for _, r := range c.UpdateCerts {
		b.queue("update certificate", sqlUpdateCertificate, column.Bytes(r.Fingerprint), r.Serial,
			column.Micro(r.NotAfter), optional(r.Revoked))
	}
	for _, r := range c.AddUsers {
		b.queue("add user", sqlAddUser, r.Domain, r.Name, r.Role, r.Password, optional(r.Disabled), column.Micro(r.Created))
	}
	for _, r := range c.UpdateUsers {
		b.queue("update user", sqlUpdateUser, r.Domain, r.Name, r.Role, r.Password, optional(r.Disabled))
	}
	for _, r := range c.AddAdministrators {
		b.queue("add administrator", sqlAddAdministrator, r.Name, r.Role, column.Bytes(r.Fingerprint),
			column.Micro(r.NotAfter), optional(r.Revoked), column.Micro(r.Created))
	}
	for _, r := range c.UpdateAdmins {
		b.queue("update administrator", sqlUpdateAdministrator, r.Name, r.Role,
			column.Bytes(r.Fingerprint), column.Micro(r.NotAfter), optional(r.Revoked))
	}
	for _, r := range c.AddDomainKeys {
		b.queue("add domain key", sqlAddDomainKey, r.Domain, r.Generation, r.Token, r.RootKey,
			column.Bytes(r.Wrapped), column.Micro(r.Created))
	}
	for _, r := range c.AddSettings {
		b.queue("add setting", sqlAddSetting, r.Name, column.Bytes(r.Value))
	}
	for _, r := range c.PutSettings {
		b.queue("put setting", sqlPutSetting, r.Name, column.Bytes(r.Value))
	}
	for _, r := range c.DeleteRecords {
		b.queue("delete record", sqlDeleteRecord, r.Domain, r.Kind, r.Key, r.Revision)
	}
	for _, r := range c.AddRecords {
		b.queue("add record", sqlAddRecord, r.Domain, r.Kind, r.Key, r.Revision, column.Micro(r.Created), optional(r.Expires),
			r.Generation, column.Bytes(r.Value))
	}
	for _, r := range c.UpdateRecords {
		b.queue("update record", sqlUpdateRecord, r.Domain, r.Kind, r.Key, r.Revision, optional(r.Expires),
			r.Generation, column.Bytes(r.Value))
	}
}
