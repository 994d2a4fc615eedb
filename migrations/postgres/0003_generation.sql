-- +goose Up

-- The generation of the domain key that seals a value has led every value so far.
alter table record add column generation integer not null default 0;
update record set generation = ('x' || encode(substring(value from 1 for 4), 'hex'))::bit(32)::integer
	where length(value) >= 4;

-- Generations of domain keys under which nothing new is sealed, for ever.
create table closed_generation (
	domain text collate "C" not null,
	generation integer not null,
	closed bigint not null,
	primary key (domain, generation)
);
