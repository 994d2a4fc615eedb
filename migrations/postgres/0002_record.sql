-- +goose Up

-- Small state of a domain beside its objects: tickets of logins, asynchronous
-- requests, constraints, defaults. The value is sealed.
create table record (
	domain text collate "C" not null,
	kind text collate "C" not null,
	key text collate "C" not null,
	revision bigint not null,
	created bigint not null,
	expires bigint, -- null when it stays
	value bytea not null,
	primary key (domain, kind, key)
);
create index record_by_kind on record (kind, created, domain, key);
create index record_by_expiry on record (expires) where expires is not null;
