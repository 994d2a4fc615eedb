package store

import (
	"context"
	"fmt"
)

// Bound reads the objects of one domain: who has one cannot ask for those of
// another.
type Bound struct {
	reader Reader
	domain string
}

// In binds a reader to a domain.
func In(r Reader, domain string) Bound { return Bound{r, domain} }

// Object is Reader.Object.
func (b Bound) Object(ctx context.Context, uid string) (Object, error) {
	return b.reader.Object(ctx, b.domain, uid)
}

// Objects is Reader.Objects.
func (b Bound) Objects(ctx context.Context, uids []string) ([]Object, error) {
	return b.reader.Objects(ctx, b.domain, uids)
}

// Find is Reader.Find.
func (b Bound) Find(ctx context.Context, q Query) ([]Object, error) {
	return b.reader.Find(ctx, b.domain, q)
}

// Within returns ErrForeign if a change touches anything of another domain. Records
// of the installation, which belong to its own domain, are let through: there is
// what follows a change in a token.
func (c *Change) Within(domain, installation string) error {
	other := func(what, is string) error {
		if is == domain {
			return nil
		}
		return fmt.Errorf("%w: %s of domain %q, changed by domain %q", ErrForeign, what, is, domain)
	}
	record := func(is string) error {
		if is == installation {
			return nil
		}
		return other("a record", is)
	}
	for _, list := range [][]Object{c.Insert, c.Update} {
		for i := range list {
			if err := other("an object", list[i].Domain); err != nil {
				return err
			}
		}
	}
	for _, r := range c.Delete {
		if err := other("an object", r.Domain); err != nil {
			return err
		}
	}
	for _, list := range [][]Name{c.Take, c.Release} {
		for _, n := range list {
			if err := other("a name", n.Domain); err != nil {
				return err
			}
		}
	}
	for _, list := range [][]SideRow{c.AddSides, c.DropSides} {
		for _, r := range list {
			if err := other("a side", r.Domain); err != nil {
				return err
			}
		}
	}
	for _, n := range c.Counters {
		if err := other("a counter", n.Domain); err != nil {
			return err
		}
	}
	for _, list := range [][]Record{c.AddRecords, c.UpdateRecords} {
		for i := range list {
			if err := record(list[i].Domain); err != nil {
				return err
			}
		}
	}
	for _, r := range c.DeleteRecords {
		if err := record(r.Domain); err != nil {
			return err
		}
	}
	for _, list := range [][]Certificate{c.AddCertificates, c.UpdateCerts} { // of a client that renews its own
		for _, k := range list {
			if err := other("a certificate", k.Domain); err != nil {
				return err
			}
		}
	}
	if n := len(c.AddDomains) + len(c.AddClients) + len(c.UpdateClients) +
		len(c.AddUsers) + len(c.UpdateUsers) + len(c.AddAdministrators) + len(c.UpdateAdmins) + len(c.AddDomainKeys) +
		len(c.AddSettings) + len(c.PutSettings) + len(c.UpdateDomainKeys) + len(c.DropDomainKeys) + len(c.CloseGenerations) + len(c.DropGenerations); n > 0 {
		return fmt.Errorf("%w: what is administered, changed by domain %q", ErrForeign, domain)
	}
	return nil
}
