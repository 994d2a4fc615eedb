package postgres

import (
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// counterOf reads the columns of a counter that may not be there.
func counterOf(left *int64, allocated, served *bool, used *int64) store.Counter {
	var c store.Counter
	if left != nil {
		c.HasUsage, c.UsageLeft = true, *left
	}
	c.Allocated = allocated != nil && *allocated
	c.Served = served != nil && *served
	c.LastUsed = column.OptionalTime(used)
	return c
}
