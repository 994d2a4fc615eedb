package commit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// take splits the queue into the next group and the rest, both in order of
// arrival. A change stays behind when it shares a record with one of the group
// or with one that stays behind before it.
func take(waiting []*request) (group, rest []*request) {
	if len(waiting) == 0 {
		return nil, waiting[:0]
	}
	used := make(map[string]bool)
	rest = waiting[:0]
	for i, r := range waiting {
		if len(group) == Most {
			rest = append(rest, waiting[i:]...)
			break
		}
		free := !slices.ContainsFunc(r.keys, func(k string) bool { return used[k] })
		for _, k := range r.keys {
			used[k] = true
		}
		if free {
			r.taken = true
			group = append(group, r)
		} else {
			rest = append(rest, r)
		}
	}
	clear(waiting[len(rest):])
	return group, rest
}

// keys lists the records that a change touches. The parts have no U+0000.
func keys(c *store.Change) []string {
	var list []string
	add := func(parts ...string) { list = append(list, strings.Join(parts, "\x00")) }
	for i := range c.Insert {
		add("object", c.Insert[i].Domain, c.Insert[i].UID)
	}
	for i := range c.Update {
		add("object", c.Update[i].Domain, c.Update[i].UID)
	}
	for _, r := range c.Delete {
		add("object", r.Domain, r.UID)
	}
	for _, n := range slices.Concat(c.Take, c.Release) {
		add("name", n.Domain, n.Value)
		add("object", n.Domain, n.UID)
	}
	for _, s := range slices.Concat(c.AddSides, c.DropSides) {
		add("object", s.Domain, s.UID)
	}
	for _, u := range c.Counters {
		add("object", u.Domain, u.UID)
	}
	for _, d := range c.AddDomains {
		add("domain", d.Name)
	}
	for _, r := range slices.Concat(c.AddClients, c.UpdateClients) {
		add("client", r.Domain, r.Name)
	}
	for _, r := range slices.Concat(c.AddCertificates, c.UpdateCerts) {
		add("certificate", string(r.Fingerprint))
	}
	for _, r := range slices.Concat(c.AddUsers, c.UpdateUsers) {
		add("user", r.Domain, r.Name)
	}
	for _, r := range slices.Concat(c.AddAdministrators, c.UpdateAdmins) {
		add("administrator", r.Name)
	}
	// What happens to copies is decided by how many there are of a generation.
	generation := func(domain string, number int32) { add("generation", domain, fmt.Sprint(number)) }
	for _, r := range c.AddDomainKeys {
		generation(r.Domain, r.Generation)
	}
	for _, r := range c.UpdateDomainKeys {
		generation(r.Domain, r.Generation)
	}
	for _, r := range c.DropDomainKeys {
		generation(r.Domain, r.Generation)
	}
	for _, r := range slices.Concat(c.CloseGenerations, c.DropGenerations) {
		generation(r.Domain, r.Generation)
	}
	for _, r := range slices.Concat(c.AddSettings, c.PutSettings) {
		add("setting", r.Name)
	}
	for _, r := range slices.Concat(c.AddRecords, c.UpdateRecords) {
		add("record", r.Domain, r.Kind, r.Key)
	}
	for _, r := range c.DeleteRecords {
		add("record", r.Domain, r.Kind, r.Key)
	}
	return list
}

// merge makes one change of a group. The slices are new, so that the caller's
// records stay as they are; objects and names are sorted, so that nodes that
// write at the same time lock rows in the same order.
func merge(group []*request) *store.Change {
	var m store.Change
	for _, r := range group {
		c := &r.change
		m.Insert = append(m.Insert, c.Insert...)
		m.Update = append(m.Update, c.Update...)
		m.Delete = append(m.Delete, c.Delete...)
		m.Take = append(m.Take, c.Take...)
		m.Release = append(m.Release, c.Release...)
		m.AddSides = append(m.AddSides, c.AddSides...)
		m.DropSides = append(m.DropSides, c.DropSides...)
		m.Counters = append(m.Counters, c.Counters...)
		m.Audit = append(m.Audit, c.Audit...)
		m.AddDomains = append(m.AddDomains, c.AddDomains...)
		m.AddClients = append(m.AddClients, c.AddClients...)
		m.UpdateClients = append(m.UpdateClients, c.UpdateClients...)
		m.AddCertificates = append(m.AddCertificates, c.AddCertificates...)
		m.UpdateCerts = append(m.UpdateCerts, c.UpdateCerts...)
		m.AddUsers = append(m.AddUsers, c.AddUsers...)
		m.UpdateUsers = append(m.UpdateUsers, c.UpdateUsers...)
		m.AddAdministrators = append(m.AddAdministrators, c.AddAdministrators...)
		m.UpdateAdmins = append(m.UpdateAdmins, c.UpdateAdmins...)
		m.AddDomainKeys = append(m.AddDomainKeys, c.AddDomainKeys...)
		m.UpdateDomainKeys = append(m.UpdateDomainKeys, c.UpdateDomainKeys...)
		m.DropDomainKeys = append(m.DropDomainKeys, c.DropDomainKeys...)
		m.CloseGenerations = append(m.CloseGenerations, c.CloseGenerations...)
		m.DropGenerations = append(m.DropGenerations, c.DropGenerations...)
		m.AddSettings = append(m.AddSettings, c.AddSettings...)
		m.PutSettings = append(m.PutSettings, c.PutSettings...)
		m.AddRecords = append(m.AddRecords, c.AddRecords...)
		m.UpdateRecords = append(m.UpdateRecords, c.UpdateRecords...)
		m.DeleteRecords = append(m.DeleteRecords, c.DeleteRecords...)
	}
	object := func(a, b store.Object) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), strings.Compare(a.UID, b.UID))
	}
	name := func(a, b store.Name) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), strings.Compare(a.Value, b.Value), strings.Compare(a.UID, b.UID))
	}
	slices.SortFunc(m.Insert, object)
	slices.SortFunc(m.Update, object)
	slices.SortFunc(m.Delete, func(a, b store.Ref) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), strings.Compare(a.UID, b.UID))
	})
	slices.SortFunc(m.Take, name)
	slices.SortFunc(m.Release, name)
	m.Take = slices.Compact(m.Take)
	slices.SortStableFunc(m.Counters, func(a, b store.CounterChange) int {
		return cmp.Or(strings.Compare(a.Domain, b.Domain), strings.Compare(a.UID, b.UID))
	})
	for i := range m.AddSides {
		m.AddSides[i].Value = store.IndexValue(m.AddSides[i].Value)
	}
	for i := range m.DropSides {
		m.DropSides[i].Value = store.IndexValue(m.DropSides[i].Value)
	}
	return &m
}

// number fills in what makes entries of this node a sequence, and signs them.
// The time is cut to what the store keeps before it is signed.
func (c *Committer) number(entries []audit.Entry) error {
	for i := range entries {
		e := &entries[i]
		e.Node = c.options.Node
		e.Counter = c.last + int64(i) + 1
		e.Sequence = 0
		e.Time = e.Time.UTC().Truncate(time.Microsecond)
		if c.options.Sign == nil {
			continue
		}
		if err := c.options.Sign(e); err != nil {
			return fmt.Errorf("commit: sign audit entry: %w", err)
		}
	}
	return nil
}
