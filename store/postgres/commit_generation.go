package postgres

import (
	"slices"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// Closing takes a lock on closed_generation that waits for all transactions
// that have looked into it, and lets no other look: who looks does it for key
// share, and keeps that until the end. So whoever wrote before has ended, and
// whoever writes now sees what is closed, because a statement sees what was
// there when it got its locks. Reads of the table go on, and the big tables
// are not locked at all.
const (
	sqlLockGenerations = `lock table closed_generation in exclusive mode`

	sqlCloseGenerations = `insert into closed_generation (domain, generation, closed)
		select domain, generation, (extract(epoch from clock_timestamp()) * 1000000)::bigint
		from unnest($1::text[], $2::integer[]) as u (domain, generation)
		on conflict (domain, generation) do nothing`

	// sqlClosed is to be completed by the place where a row goes.
	sqlClosed = `select from closed_generation g where (g.domain, g.generation) = `

	// sqlExpectOpen fails for a generation that is closed. It takes no arrays,
	// which cost eight times as much, because a transaction has one or few.
	sqlExpectOpen = `select claviger_expect(count(*), 0, '` + codeConflict + `')
		from (` + sqlClosed + `($1, $2) for key share) c`

	sqlUpdateDomainKey = `with done as (update domain_key set root_key = $4, wrapped = $5
		where domain = $1 and generation = $2 and token = $3 and root_key = $6 returning 1)
		select claviger_expect(count(*), 1, '` + codeConflict + `') from done`

	sqlDropGenerations = `delete from domain_key k using unnest($1::text[], $2::integer[]) as u (domain, generation)
		where k.domain = u.domain and k.generation = u.generation`

	// sqlLockDomainKeys makes nodes that drop copies of one generation wait for
	// each other.
	sqlLockDomainKeys = `select from domain_key where (domain, generation) in (
		select * from unnest($1::text[], $2::integer[])) order by domain, generation, token for update`

	sqlDropDomainKeys = `with done as (
		delete from domain_key k using unnest($1::text[], $2::integer[], $3::text[]) as u (domain, generation, token)
		where k.domain = u.domain and k.generation = u.generation and k.token = u.token
		returning k.domain, k.generation)
		select claviger_expect(count(*), 0, '` + codeInUse + `') from (
			select domain, generation, count(*) as dropped from done group by domain, generation) d
		where d.dropped = (select count(*) from domain_key k where k.domain = d.domain and k.generation = d.generation)`
)

// queueClose comes first in a transaction: the lock must find it without any.
func (b *batch) queueClose(c *store.Change) {
	if len(c.CloseGenerations) > 0 {
		b.queue("lock generations", sqlLockGenerations)
		b.queue("close generation", sqlCloseGenerations, generationArrays(c.CloseGenerations)...)
	}
}

func (b *batch) queueDomainKeys(c *store.Change) {
	for _, k := range c.UpdateDomainKeys {
		b.queue("update domain key", sqlUpdateDomainKey,
			k.Domain, k.Generation, k.Token, k.RootKey, column.Bytes(k.Wrapped), k.From)
	}
	if len(c.DropGenerations) > 0 {
		b.queue("drop generation", sqlDropGenerations, generationArrays(c.DropGenerations)...)
	}
	if n := len(c.DropDomainKeys); n > 0 {
		domain, generation, token := make([]string, n), make([]int32, n), make([]string, n)
		for i, k := range c.DropDomainKeys {
			domain[i], generation[i], token[i] = k.Domain, k.Generation, k.Token
		}
		b.queue("lock domain keys", sqlLockDomainKeys, domain, generation)
		b.queue("drop domain key", sqlDropDomainKeys, domain, generation, token)
	}
}

// queueExpectOpen comes after the rows that it is about. Updates look for
// themselves, because they may leave a row under a closed generation.
func (b *batch) queueExpectOpen(c *store.Change) {
	var list []store.GenerationRef
	add := func(domain string, generation int32) {
		g := store.GenerationRef{Domain: domain, Generation: generation}
		if generation != 0 && !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	for i := range c.Insert {
		add(c.Insert[i].Domain, c.Insert[i].Generation)
	}
	for i := range c.AddRecords {
		add(c.AddRecords[i].Domain, c.AddRecords[i].Generation)
	}
	for _, g := range list {
		b.queue("add under a generation", sqlExpectOpen, g.Domain, g.Generation)
	}
}

func generationArrays(list []store.GenerationRef) []any {
	domain, generation := make([]string, len(list)), make([]int32, len(list))
	for i, g := range list {
		domain[i], generation[i] = g.Domain, g.Generation
	}
	return []any{domain, generation}
}
