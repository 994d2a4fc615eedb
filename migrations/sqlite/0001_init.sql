-- +goose Up

create table domain (
	name text primary key,
	created integer not null
) strict;

create table client (
	domain text not null references domain (name),
	name text not null,
	role text not null,
	revoked integer,
	created integer not null,
	primary key (domain, name)
) strict;

create table certificate (
	fingerprint blob primary key, -- SHA-256 of the DER form
	domain text not null,
	client text not null,
	serial text not null,
	not_after integer not null,
	revoked integer,
	created integer not null,
	foreign key (domain, client) references client (domain, name)
) strict;
create index certificate_client on certificate (domain, client);

create table app_user (
	domain text not null references domain (name),
	name text not null,
	role text not null,
	password text not null, -- Argon2id, PHC form
	disabled integer,
	created integer not null,
	primary key (domain, name)
) strict;

create table administrator (
	name text primary key,
	role text not null,
	fingerprint blob not null unique, -- SHA-256 of the DER form
	not_after integer not null,
	revoked integer,
	created integer not null
) strict;

-- A wrapped copy of a generation of a domain key for each token.
create table domain_key (
	domain text not null,
	generation integer not null,
	token text not null,
	root_key text not null,
	wrapped blob not null,
	created integer not null,
	primary key (domain, generation, token)
) strict;

create table setting (
	name text primary key,
	value blob not null
) strict;

-- One row an object: what queries use in columns, everything in attributes.
-- There is no reference to domain: every insert would lock the same row.
create table object (
	domain text not null,
	uid text not null,
	type integer not null,
	state integer not null,
	algorithm integer not null,
	length_bits integer not null,
	usage_mask integer not null,
	object_group text not null, -- hexadecimal SHA-256 when longer than 255 bytes
	creator text not null,
	initial_date integer not null,
	activation_date integer,
	deactivation_date integer,
	destroy_date integer,
	revision integer not null,
	generation integer not null,
	material_version integer not null,
	material blob,
	attributes blob not null,
	mac blob not null,
	primary key (domain, uid)
) strict;
create index object_by_group on object (domain, object_group, uid);
create index object_by_state on object (domain, state, initial_date, uid);
create index object_by_date on object (domain, initial_date desc, uid desc);

-- Names, unique in their domain whatever their type; freed by Destroy.
create table name (
	domain text not null,
	hash blob not null, -- SHA-256 of the value
	uid text not null,
	primary key (domain, hash),
	foreign key (domain, uid) references object (domain, uid) on delete cascade
) strict, without rowid;
create index name_object on name (domain, uid);

-- What Locate finds by besides the columns of object.
create table side (
	domain text not null,
	kind text not null,
	value text not null, -- hexadecimal SHA-256 when longer than 255 bytes
	uid text not null,
	primary key (domain, kind, value, uid),
	foreign key (domain, uid) references object (domain, uid) on delete cascade
) strict, without rowid;
create index side_object on side (domain, uid);

-- What changes at every use, without a revision.
create table counter (
	domain text not null,
	uid text not null,
	usage_left integer, -- null when there is no limit
	allocated integer not null,
	served integer not null,
	last_used integer,
	primary key (domain, uid),
	foreign key (domain, uid) references object (domain, uid) on delete cascade
) strict, without rowid;

-- node and counter come from the process, without gaps; sequence from here.
create table audit (
	sequence integer primary key autoincrement,
	node text not null,
	counter integer not null,
	time integer not null,
	domain text not null,
	actor text not null,
	source text not null,
	door text not null,
	operation text not null,
	uid text not null,
	outcome text not null,
	reason text not null,
	detail text not null,
	request text not null,
	mac blob not null,
	unique (node, counter)
) strict;
create index audit_object on audit (domain, uid, sequence);
