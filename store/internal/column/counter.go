package column

import "github.com/claviger/claviger/store"

// Counter reads the columns of a counter, all NULL when there is none.
func Counter(left *int64, allocated, served *bool, used *int64) store.Counter {
	c := store.Counter{
		Allocated: allocated != nil && *allocated,
		Served:    served != nil && *served,
		LastUsed:  OptionalTime(used),
	}
	if left != nil {
		c.HasUsage, c.UsageLeft = true, *left
	}
	return c
}
