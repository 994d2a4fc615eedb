package postgres

import (
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// sqlInsertEntries gives sequence numbers in the order of the arrays.
const sqlInsertEntries = `insert into audit (node, counter, time, domain, actor, source, door, operation,
	uid, outcome, reason, detail, request, mac)
	select node, counter, time, domain, actor, source, door, operation, uid, outcome, reason, detail, request, mac
	from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
		$9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[])
		as e (node, counter, time, domain, actor, source, door, operation, uid, outcome, reason, detail, request, mac)
	order by counter`

func (b *batch) queueAudit(c *store.Change) {
	n := len(c.Audit)
	if n == 0 {
		return
	}
	counter, at, mac := make([]int64, n), make([]int64, n), make([][]byte, n)
	var texts [11][]string
	for i := range texts {
		texts[i] = make([]string, n)
	}
	for i := range c.Audit {
		e := &c.Audit[i]
		counter[i], at[i], mac[i] = e.Counter, column.Micro(e.Time), column.Bytes(e.MAC)
		for j, v := range [11]string{
			e.Node, e.Domain, e.Actor, e.Source, e.Door, e.Operation,
			e.UID, e.Outcome, e.Reason, e.Detail, e.Request,
		} {
			texts[j][i] = v
		}
	}
	b.queue("add audit entry", sqlInsertEntries, texts[0], counter, at, texts[1], texts[2], texts[3], texts[4],
		texts[5], texts[6], texts[7], texts[8], texts[9], texts[10], mac)
}
