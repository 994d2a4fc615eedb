-- +goose Up

-- Small state of a domain beside its objects: tickets of logins, asynchronous
-- requests, constraints, defaults. The value is sealed.
create table record (
	domain text not null,
	kind text not null,
	key text not null,
	revision integer not null,
	created integer not null,
	expires integer, -- null when it stays
	value blob not null,
	primary key (domain, kind, key)
) strict;
create index record_by_kind on record (kind, created, domain, key);
create index record_by_expiry on record (expires) where expires is not null;
