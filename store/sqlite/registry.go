package sqlite

import (
	"context"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

const (
	domainColumns      = `name, created`
	clientColumns      = `c.domain, c.name, c.role, c.revoked, c.created`
	certificateColumns = `t.domain, t.client, t.fingerprint, t.serial, t.not_after, t.revoked, t.created`
	userColumns        = `domain, name, role, password, disabled, created`
	adminColumns       = `name, role, fingerprint, not_after, revoked, created`

	sqlDomain  = `select ` + domainColumns + ` from domain where name = ?`
	sqlDomains = `select ` + domainColumns + ` from domain order by name`

	sqlClientByFingerprint = `select ` + clientColumns + `, ` + certificateColumns + `
		from certificate t join client c on c.domain = t.domain and c.name = t.client
		where t.fingerprint = ?`
	sqlClient       = `select ` + clientColumns + ` from client c where c.domain = ? and c.name = ?`
	sqlClients      = `select ` + clientColumns + ` from client c where ? in (c.domain, '') order by c.domain, c.name`
	sqlCertificates = `select ` + certificateColumns + ` from certificate t
		where t.domain = ? and t.client = ? order by t.created, t.fingerprint`
	sqlAllCertificates = `select ` + certificateColumns + ` from certificate t
		where ? in (t.domain, '') order by t.domain, t.client, t.created, t.fingerprint`
	sqlExpiring = `select ` + certificateColumns + ` from certificate t join client c on c.domain = t.domain and c.name = t.client
		where t.not_after >= ?1 and t.not_after < ?2 and t.revoked is null and c.revoked is null
		and not exists (select 1 from certificate o where o.domain = t.domain and o.client = t.client and o.revoked is null
			and (o.not_after > t.not_after or o.not_after = t.not_after and o.fingerprint > t.fingerprint))
		order by t.not_after, t.fingerprint limit ?3`

	sqlUser  = `select ` + userColumns + ` from app_user where domain = ? and name = ?`
	sqlUsers = `select ` + userColumns + ` from app_user where domain = ? order by name`

	sqlAdministratorByFingerprint = `select ` + adminColumns + ` from administrator where fingerprint = ?`
	sqlAdministrators             = `select ` + adminColumns + ` from administrator order by name`

	sqlDomainKeys = `select domain, generation, token, root_key, wrapped, created from domain_key
		where ? in (domain, '') order by domain, generation, token`
	sqlSetting = `select value from setting where name = ?`
)

func scanDomain(r row, d *store.Domain) error {
	var created int64
	err := r.Scan(&d.Name, &created)
	d.Created = column.Time(created)
	return err
}

// clientFields gives places to scan into, and what to do afterwards.
func clientFields(c *store.Client) ([]any, func()) {
	var revoked *int64
	var created int64
	return []any{&c.Domain, &c.Name, &c.Role, &revoked, &created}, func() {
		c.Revoked = column.OptionalTime(revoked)
		c.Created = column.Time(created)
	}
}

func scanClient(r row, c *store.Client) error {
	fields, finish := clientFields(c)
	err := r.Scan(fields...)
	finish()
	return err
}

func certificateFields(c *store.Certificate) ([]any, func()) {
	var revoked *int64
	var notAfter, created int64
	return []any{&c.Domain, &c.Client, &c.Fingerprint, &c.Serial, &notAfter, &revoked, &created}, func() {
		c.NotAfter = column.Time(notAfter)
		c.Revoked = column.OptionalTime(revoked)
		c.Created = column.Time(created)
	}
}

func scanCertificate(r row, c *store.Certificate) error {
	fields, finish := certificateFields(c)
	err := r.Scan(fields...)
	finish()
	return err
}

func scanUser(r row, u *store.User) error {
	var disabled *int64
	var created int64
	err := r.Scan(&u.Domain, &u.Name, &u.Role, &u.Password, &disabled, &created)
	u.Disabled = column.OptionalTime(disabled)
	u.Created = column.Time(created)
	return err
}

func scanAdministrator(r row, a *store.Administrator) error {
	var revoked *int64
	var notAfter, created int64
	err := r.Scan(&a.Name, &a.Role, &a.Fingerprint, &notAfter, &revoked, &created)
	a.NotAfter = column.Time(notAfter)
	a.Revoked = column.OptionalTime(revoked)
	a.Created = column.Time(created)
	return err
}

func scanDomainKey(r row, k *store.DomainKey) error {
	var created int64
	err := r.Scan(&k.Domain, &k.Generation, &k.Token, &k.RootKey, &k.Wrapped, &created)
	k.Created = column.Time(created)
	return err
}

// one reads the single record that a statement finds.
func one[T any](ctx context.Context, s *Store, verb string, scan func(row, *T) error, text string, args ...any) (T, error) {
	var value, zero T
	if err := scan(s.reads.QueryRowContext(ctx, text, args...), &value); err != nil {
		return zero, s.failure(verb, err)
	}
	return value, nil
}

// all reads every record that a statement finds.
func all[T any](ctx context.Context, s *Store, verb string, scan func(row, *T) error, text string, args ...any) ([]T, error) {
	rows, err := s.finds.query(ctx, s.reads, text, args...)
	if err != nil {
		return nil, s.failure(verb, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	var found []T
	for rows.Next() {
		var value T
		if err := scan(rows, &value); err != nil {
			return nil, s.failure(verb, err)
		}
		found = append(found, value)
	}
	return found, s.failure(verb, rows.Err())
}

// Domain implements store.Registry.
func (s *Store) Domain(ctx context.Context, name string) (store.Domain, error) {
	if err := store.CheckText("name", name); err != nil {
		return store.Domain{}, err
	}
	return one(ctx, s, "read domain", scanDomain, sqlDomain, name)
}

// Domains implements store.Registry.
func (s *Store) Domains(ctx context.Context) ([]store.Domain, error) {
	return all(ctx, s, "read domains", scanDomain, sqlDomains)
}

// ClientByFingerprint implements store.Registry.
func (s *Store) ClientByFingerprint(ctx context.Context, sha256 []byte) (store.Client, store.Certificate, error) {
	type pair struct {
		client      store.Client
		certificate store.Certificate
	}
	scan := func(r row, p *pair) error {
		a, finishClient := clientFields(&p.client)
		b, finishCertificate := certificateFields(&p.certificate)
		err := r.Scan(append(a, b...)...)
		finishClient()
		finishCertificate()
		return err
	}
	p, err := one(ctx, s, "read client", scan, sqlClientByFingerprint, column.Bytes(sha256))
	return p.client, p.certificate, err
}

// Client implements store.Registry.
func (s *Store) Client(ctx context.Context, domain, name string) (store.Client, error) {
	if err := store.CheckText("name", domain, name); err != nil {
		return store.Client{}, err
	}
	return one(ctx, s, "read client", scanClient, sqlClient, domain, name)
}

// Clients implements store.Registry.
func (s *Store) Clients(ctx context.Context, domain string) ([]store.Client, error) {
	if err := store.CheckText("domain", domain); err != nil {
		return nil, err
	}
	return all(ctx, s, "read clients", scanClient, sqlClients, domain)
}

// Certificates implements store.Registry.
func (s *Store) Certificates(ctx context.Context, domain, client string) ([]store.Certificate, error) {
	if err := store.CheckText("name", domain, client); err != nil {
		return nil, err
	}
	if client == "" {
		return all(ctx, s, "read certificates", scanCertificate, sqlAllCertificates, domain)
	}
	return all(ctx, s, "read certificates", scanCertificate, sqlCertificates, domain, client)
}

// Expiring implements store.Registry.
func (s *Store) Expiring(ctx context.Context, from, before time.Time, limit int) ([]store.Certificate, error) {
	return all(ctx, s, "read certificates", scanCertificate, sqlExpiring, column.Micro(from), column.Micro(before), limit)
}

// User implements store.Registry.
func (s *Store) User(ctx context.Context, domain, name string) (store.User, error) {
	if err := store.CheckText("name", domain, name); err != nil {
		return store.User{}, err
	}
	return one(ctx, s, "read user", scanUser, sqlUser, domain, name)
}

// Users implements store.Registry.
func (s *Store) Users(ctx context.Context, domain string) ([]store.User, error) {
	if err := store.CheckText("domain", domain); err != nil {
		return nil, err
	}
	return all(ctx, s, "read users", scanUser, sqlUsers, domain)
}

// AdministratorByFingerprint implements store.Registry.
func (s *Store) AdministratorByFingerprint(ctx context.Context, sha256 []byte) (store.Administrator, error) {
	return one(ctx, s, "read administrator", scanAdministrator, sqlAdministratorByFingerprint, column.Bytes(sha256))
}

// Administrators implements store.Registry.
func (s *Store) Administrators(ctx context.Context) ([]store.Administrator, error) {
	return all(ctx, s, "read administrators", scanAdministrator, sqlAdministrators)
}

// DomainKeys implements store.Registry.
func (s *Store) DomainKeys(ctx context.Context, domain string) ([]store.DomainKey, error) {
	if err := store.CheckText("domain", domain); err != nil {
		return nil, err
	}
	return all(ctx, s, "read domain keys", scanDomainKey, sqlDomainKeys, domain)
}

// Setting implements store.Registry.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	if err := store.CheckText("name", name); err != nil {
		return nil, err
	}
	scan := func(r row, v *[]byte) error { return r.Scan(v) }
	return one(ctx, s, "read setting", scan, sqlSetting, name)
}
