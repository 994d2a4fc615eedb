package store

import "fmt"

// Check returns ErrInvalid for a query that no backend can answer.
func (q Query) Check() error {
	if q.Limit < 1 || q.Limit > 1000 {
		return fmt.Errorf("%w: limit %d is not in 1 to 1000", ErrInvalid, q.Limit)
	}
	if err := CheckText("identifier", q.UIDs...); err != nil {
		return err
	}
	if err := CheckText("name", q.Names...); err != nil {
		return err
	}
	if err := CheckText("creator", q.Creator); err != nil {
		return err
	}
	if q.After != nil {
		if err := CheckText("position", q.After.UID); err != nil {
			return err
		}
	}
	for _, s := range q.Sides {
		if err := CheckText("searched value", s.Kind, s.Value); err != nil {
			return err
		}
	}
	return nil
}

// Check returns ErrInvalid for a query that no backend can answer.
func (q AuditQuery) Check() error {
	if q.Limit < 1 || q.Limit > 1000 {
		return fmt.Errorf("%w: limit %d is not in 1 to 1000", ErrInvalid, q.Limit)
	}
	return CheckText("audit query", q.Domain, q.UID, q.Actor, q.Operation)
}

// Check returns ErrInvalid for a change that no backend can keep, and
// ErrNameTaken for one that gives a name to two objects.
func (c Change) Check() error {
	if err := c.checkObjects(); err != nil {
		return err
	}
	if err := c.checkTaken(); err != nil {
		return err
	}
	for _, list := range [][]Name{c.Take, c.Release} {
		for _, n := range list {
			if err := CheckKey("domain and identifier", n.Domain, n.UID); err != nil {
				return err
			}
			if err := CheckText("name", n.Value); err != nil {
				return err
			}
		}
	}
	for _, list := range [][]SideRow{c.AddSides, c.DropSides} {
		for _, s := range list {
			if err := CheckKey("domain, identifier and kind", s.Domain, s.UID, s.Kind); err != nil {
				return err
			}
			if err := CheckText("side value", s.Value); err != nil {
				return err
			}
		}
	}
	for _, u := range c.Counters {
		if err := CheckKey("domain and identifier", u.Domain, u.UID); err != nil {
			return err
		}
		if u.Take < 0 || u.Give < 0 || u.SetUsage != nil && *u.SetUsage < 0 {
			return fmt.Errorf("%w: a counter change is negative", ErrInvalid)
		}
	}
	for _, e := range c.Audit {
		err := CheckText("audit entry", e.Domain, e.Actor, e.Source, e.Door, e.Operation,
			e.UID, e.Outcome, e.Reason, e.Detail, e.Request)
		if err != nil {
			return err
		}
	}
	if err := c.checkGenerations(); err != nil {
		return err
	}
	return c.checkRegistry()
}

func (c Change) checkObjects() error {
	type id struct{ domain, uid string }
	n := len(c.Insert) + len(c.Update) + len(c.Delete)
	if n == 0 {
		return nil
	}
	seen := make(map[id]bool, n)
	once := func(domain, uid string) error {
		if err := CheckKey("domain and identifier", domain, uid); err != nil {
			return err
		}
		if k := (id{domain, uid}); seen[k] {
			return fmt.Errorf("%w: object %q twice in one change", ErrInvalid, uid)
		} else {
			seen[k] = true
		}
		return nil
	}
	for _, list := range [][]Object{c.Insert, c.Update} {
		for i := range list {
			o := &list[i]
			if err := once(o.Domain, o.UID); err != nil {
				return err
			}
			if err := CheckText("group and creator", o.Group, o.Creator); err != nil {
				return err
			}
		}
	}
	for _, r := range c.Delete {
		if err := once(r.Domain, r.UID); err != nil {
			return err
		}
	}
	return nil
}

func (c Change) checkTaken() error {
	if len(c.Take) < 2 {
		return nil
	}
	owner := make(map[Name]string, len(c.Take))
	for _, n := range c.Take {
		k := Name{Domain: n.Domain, Value: n.Value}
		if uid, ok := owner[k]; ok && uid != n.UID {
			return fmt.Errorf("%w: by %q in the same change", ErrNameTaken, uid)
		}
		owner[k] = n.UID
	}
	return nil
}

func (c Change) checkRegistry() error {
	var keys, texts []string
	for _, d := range c.AddDomains {
		keys = append(keys, d.Name)
	}
	for _, list := range [][]Client{c.AddClients, c.UpdateClients} {
		for _, r := range list {
			keys = append(keys, r.Domain, r.Name)
			texts = append(texts, r.Role)
		}
	}
	for _, list := range [][]Certificate{c.AddCertificates, c.UpdateCerts} {
		for _, r := range list {
			keys = append(keys, r.Domain, r.Client)
			texts = append(texts, r.Serial)
		}
	}
	for _, list := range [][]User{c.AddUsers, c.UpdateUsers} {
		for _, r := range list {
			keys = append(keys, r.Domain, r.Name)
			texts = append(texts, r.Role, r.Password)
		}
	}
	for _, list := range [][]Administrator{c.AddAdministrators, c.UpdateAdmins} {
		for _, r := range list {
			keys = append(keys, r.Name)
			texts = append(texts, r.Role)
		}
	}
	for _, r := range c.AddDomainKeys {
		keys = append(keys, r.Domain, r.Token)
		texts = append(texts, r.RootKey)
	}
	for _, list := range [][]Setting{c.AddSettings, c.PutSettings} {
		for _, r := range list {
			keys = append(keys, r.Name)
		}
	}
	for _, list := range [][]Record{c.AddRecords, c.UpdateRecords} {
		for _, r := range list {
			keys = append(keys, r.Domain, r.Kind, r.Key)
		}
	}
	for _, r := range c.DeleteRecords {
		keys = append(keys, r.Domain, r.Kind, r.Key)
	}
	if err := CheckKey("name of a record", keys...); err != nil {
		return err
	}
	return CheckText("record", texts...)
}

func (c Change) checkGenerations() error {
	for _, k := range c.UpdateDomainKeys {
		if err := CheckKey("domain and token", k.Domain, k.Token); err != nil {
			return err
		}
		if err := CheckText("root key", k.RootKey, k.From); err != nil {
			return err
		}
	}
	for _, k := range c.DropDomainKeys {
		if err := CheckKey("domain and token", k.Domain, k.Token); err != nil {
			return err
		}
	}
	for _, list := range [][]GenerationRef{c.CloseGenerations, c.DropGenerations} {
		for _, g := range list {
			if err := CheckKey("domain", g.Domain); err != nil {
				return err
			}
			if g.Generation < 1 {
				return fmt.Errorf("%w: generation %d is not positive", ErrInvalid, g.Generation)
			}
		}
	}
	return nil
}

// maxResealed bounds Sealed and Reseal.
const maxResealed = 10_000

// CheckSealed returns ErrInvalid for parameters of Sealed that no backend can
// answer.
func CheckSealed(domain, after string, limit int) error {
	if limit < 1 || limit > maxResealed {
		return fmt.Errorf("%w: limit %d is not in 1 to %d", ErrInvalid, limit, maxResealed)
	}
	return CheckText("domain and position", domain, after)
}

// CheckReseal returns ErrInvalid for objects that cannot be moved together.
func CheckReseal(objects []Object) error {
	if len(objects) > maxResealed {
		return fmt.Errorf("%w: %d objects are more than %d", ErrInvalid, len(objects), maxResealed)
	}
	seen := make(map[string]bool, len(objects))
	for i := range objects {
		o := &objects[i]
		if err := CheckKey("domain and identifier", o.Domain, o.UID); err != nil {
			return err
		}
		if o.Domain != objects[0].Domain || o.Generation != objects[0].Generation {
			return fmt.Errorf("%w: objects of several domains or for several generations", ErrInvalid)
		}
		if seen[o.UID] {
			return fmt.Errorf("%w: object %q twice", ErrInvalid, o.UID)
		}
		seen[o.UID] = true
	}
	return nil
}
