-- +goose Up

-- claviger_expect fails with the given SQLSTATE when a statement touched another
-- number of rows than it had to: a change then takes one round trip.
-- +goose StatementBegin
create function claviger_expect(got bigint, want bigint, code text) returns integer
language plpgsql as $$
begin
	if got <> want then
		raise exception using errcode = code, message = format('%s rows instead of %s', got, want);
	end if;
	return 1;
end
$$;
-- +goose StatementEnd

create table domain (
	name text collate "C" primary key,
	created bigint not null
);

create table client (
	domain text collate "C" not null references domain (name),
	name text collate "C" not null,
	role text collate "C" not null,
	revoked bigint,
	created bigint not null,
	primary key (domain, name)
);

create table certificate (
	fingerprint bytea primary key, -- SHA-256 of the DER form
	domain text collate "C" not null,
	client text collate "C" not null,
	serial text collate "C" not null,
	not_after bigint not null,
	revoked bigint,
	created bigint not null,
	foreign key (domain, client) references client (domain, name)
);
create index certificate_client on certificate (domain, client);

create table app_user (
	domain text collate "C" not null references domain (name),
	name text collate "C" not null,
	role text collate "C" not null,
	password text collate "C" not null, -- Argon2id, PHC form
	disabled bigint,
	created bigint not null,
	primary key (domain, name)
);

create table administrator (
	name text collate "C" primary key,
	role text collate "C" not null,
	fingerprint bytea not null unique, -- SHA-256 of the DER form
	not_after bigint not null,
	revoked bigint,
	created bigint not null
);

-- A wrapped copy of a generation of a domain key for each token.
create table domain_key (
	domain text collate "C" not null,
	generation integer not null,
	token text collate "C" not null,
	root_key text collate "C" not null,
	wrapped bytea not null,
	created bigint not null,
	primary key (domain, generation, token)
);

create table setting (
	name text collate "C" primary key,
	value bytea not null
);

-- One row an object: what queries use in columns, everything in attributes.
-- There is no reference to domain: every insert would lock the same row.
create table object (
	domain text collate "C" not null,
	uid text collate "C" not null,
	type bigint not null,
	state bigint not null,
	algorithm bigint not null,
	length_bits integer not null,
	usage_mask bigint not null,
	object_group text collate "C" not null, -- hexadecimal SHA-256 when longer than 255 bytes
	creator text collate "C" not null,
	initial_date bigint not null,
	activation_date bigint,
	deactivation_date bigint,
	destroy_date bigint,
	revision bigint not null,
	generation integer not null,
	material_version integer not null,
	material bytea,
	attributes bytea not null,
	mac bytea not null,
	primary key (domain, uid)
);
create index object_by_group on object (domain, object_group) include (uid);
create index object_by_state on object (domain, state, initial_date) include (uid);
create index object_by_date on object (domain, initial_date desc, uid desc);

-- Names, unique in their domain whatever their type; freed by Destroy.
create table name (
	domain text collate "C" not null,
	hash bytea not null, -- SHA-256 of the value
	uid text collate "C" not null,
	primary key (domain, hash),
	foreign key (domain, uid) references object (domain, uid) on delete cascade
);
create index name_object on name (domain, uid);

-- What Locate finds by besides the columns of object.
create table side (
	domain text collate "C" not null,
	kind text collate "C" not null,
	value text collate "C" not null, -- hexadecimal SHA-256 when longer than 255 bytes
	uid text collate "C" not null,
	primary key (domain, kind, value, uid),
	foreign key (domain, uid) references object (domain, uid) on delete cascade
);
create index side_object on side (domain, uid);

-- What changes at every use, without a revision.
create table counter (
	domain text collate "C" not null,
	uid text collate "C" not null,
	usage_left bigint, -- null when there is no limit
	allocated boolean not null,
	served boolean not null,
	last_used bigint,
	primary key (domain, uid),
	foreign key (domain, uid) references object (domain, uid) on delete cascade
);

-- node and counter come from the process, without gaps; sequence from here.
create table audit (
	sequence bigint generated always as identity primary key,
	node text collate "C" not null,
	counter bigint not null,
	time bigint not null,
	domain text collate "C" not null,
	actor text collate "C" not null,
	source text collate "C" not null,
	door text collate "C" not null,
	operation text collate "C" not null,
	uid text collate "C" not null,
	outcome text collate "C" not null,
	reason text collate "C" not null,
	detail text collate "C" not null,
	request text collate "C" not null,
	mac bytea not null,
	unique (node, counter)
);
create index audit_object on audit (domain, uid, sequence);
