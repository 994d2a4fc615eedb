-- +goose Up

-- The generation of the domain key that seals a value has led every value so far.
alter table record add column generation integer not null default 0;
update record set generation = (
	with recursive digit (at, number) as (
		values (0, 0)
		union all
		select at + 1, number * 16 + instr('0123456789ABCDEF', substr(hex(value), at + 1, 1)) - 1 from digit where at < 8)
	select number from digit where at = 8)
	where length(value) >= 4;

-- Generations of domain keys under which nothing new is sealed, for ever.
create table closed_generation (
	domain text not null,
	generation integer not null,
	closed integer not null,
	primary key (domain, generation)
) strict;
