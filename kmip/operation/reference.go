package operation

import (
	"context"
	"reflect"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// maxRepeated bounds how often items of a request are run again because what
// they name are several objects.
const maxRepeated = 1000

// gave remembers what an operation returned.
func (c *call) gave(kind kmip.UniqueIdentifierEnumeration, gave ...string) {
	if c.results == nil {
		c.results = map[kmip.UniqueIdentifierEnumeration][]string{}
	}
	if c.again {
		c.results[kind] = slices.Concat(c.results[kind], gave)
	} else {
		c.results[kind] = gave
	}
	c.all = append(c.all, gave...)
}

// made remembers a new object, which becomes the ID Placeholder.
func (c *call) made(kind kmip.UniqueIdentifierEnumeration, uid string) {
	c.gave(kind, uid)
	c.placeholder = uid
}

// uids resolves a Unique Identifier of a request (§4.58): the text, the nth
// identifier of the response so far, what the last operation of a kind gave
// (§11.58), or the ID Placeholder.
func (c *call) uids(r kmip.Reference) ([]string, error) {
	switch {
	case r.Text != "":
		return []string{r.Text}, nil
	case r.IsNth:
		n := int(r.Nth)
		if n < 0 {
			n += c.item
		}
		if n < 0 || n >= len(c.all) {
			return nil, kmip.Fail(kmip.KindNoPlaceholder, "the response has no identifier %d", r.Nth)
		}
		return []string{c.all[n]}, nil
	case r.Enum != 0 && r.Enum != kmip.UniqueIdentifierEnumerationIDPlaceholder:
		if len(c.results[r.Enum]) == 0 {
			return nil, kmip.Fail(kmip.KindNoPlaceholder, "no earlier item of the request gave a result of %s", r.Enum)
		}
		return c.results[r.Enum], nil
	}
	if c.placeholder == "" {
		return nil, kmip.Fail(kmip.KindNoPlaceholder, "no Unique Identifier was given and the ID Placeholder is empty")
	}
	return []string{c.placeholder}, nil
}

// uid resolves a Unique Identifier that must be one.
func (c *call) uid(r kmip.Reference) (string, error) {
	uids, err := c.uids(r)
	if err != nil {
		return "", err
	}
	if len(uids) > 1 {
		return "", kmip.Fail(kmip.KindUnsupportedFeature, "the result of %s has several identifiers; name one", r.Enum)
	}
	return uids[0], nil
}

// identifier reads a Unique Identifier that stands inside a structure.
func identifier(i kmip.Item) kmip.Reference {
	switch i.Type {
	case kmip.TypeEnumeration:
		return kmip.Reference{Enum: kmip.UniqueIdentifierEnumeration(i.Uint32())}
	case kmip.TypeInteger:
		return kmip.Reference{IsNth: true, Nth: int32(i.Int)} //nolint:gosec // an Integer has 32 bits
	}
	return kmip.Reference{Text: i.Text()}
}

// resolve finds the object that a request is about; a request about none is
// recorded here.
func resolve(ctx context.Context, c *call, op kmip.Operation, r kmip.Reference) (string, error) {
	uid, err := c.uid(r)
	if err != nil {
		return "", refused(ctx, c, op, err)
	}
	return uid, nil
}

// named resolves a list of Unique Identifiers.
func named(ctx context.Context, c *call, op kmip.Operation, refs []kmip.Reference) ([]string, error) {
	all := make([]string, 0, len(refs))
	for _, r := range refs {
		uids, err := c.uids(r)
		if err != nil {
			return nil, refused(ctx, c, op, err)
		}
		all = append(all, uids...)
	}
	return all, nil
}

// each returns the items that an item of a request stands for. It is itself, as
// a rule; where its Unique Identifier is the result of an operation that gave
// several, it is one for each (§11.58). Identifiers in the links of its
// attributes (§4.31) are resolved, in a copy: the batch may be run again.
func (c *call) each(item *payload.RequestItem, v kmip.Version) []payload.RequestItem {
	p := reflect.ValueOf(item.Payload)
	if v < kmip.V20 || item.Err != nil || p.Kind() != reflect.Pointer || p.IsNil() || p.Elem().Kind() != reflect.Struct {
		return []payload.RequestItem{*item}
	}
	one := *item
	if one.Payload, one.Err = c.linked(p.Elem()); one.Err != nil {
		return []payload.RequestItem{one}
	}
	p = reflect.ValueOf(one.Payload)
	f := p.Elem().FieldByName("UniqueIdentifier")
	if !f.IsValid() || f.Type() != reflect.TypeFor[kmip.Reference]() {
		return []payload.RequestItem{one}
	}
	uids, err := c.uids(f.Interface().(kmip.Reference)) //nolint:forcetypeassert // its type has been compared
	switch {
	case err != nil || len(uids) == 1:
		return []payload.RequestItem{one} // the operation knows whether it needs one
	case c.repeated+len(uids) > maxRepeated:
		one.Err = kmip.Fail(kmip.KindUnsupportedFeature, "the request would be about %d objects; %d is the most", c.repeated+len(uids), maxRepeated)
		return []payload.RequestItem{one}
	}
	c.repeated += len(uids)
	all := make([]payload.RequestItem, len(uids))
	for i, uid := range uids {
		of := reflect.New(p.Elem().Type())
		of.Elem().Set(p.Elem())
		of.Elem().FieldByName("UniqueIdentifier").Set(reflect.ValueOf(kmip.Reference{Text: uid}))
		all[i] = one
		all[i].Payload = of.Interface()
	}
	return all
}

// linked copies a payload whose links name objects by text.
func (c *call) linked(of reflect.Value) (any, error) {
	copied := reflect.New(of.Type())
	copied.Elem().Set(of)
	for n := range of.NumField() {
		var err error
		switch f := copied.Elem().Field(n).Addr().Interface().(type) {
		case *payload.Template:
			f.Attributes, err = c.withLinks(f.Attributes)
		case *payload.AttributeList:
			f.Attributes, err = c.withLinks(f.Attributes)
		case *payload.Instance:
			f.Value, err = c.withLink(f.Value)
		case **payload.Instance:
			if *f != nil {
				i := **f
				i.Value, err = c.withLink(i.Value)
				*f = &i
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return copied.Interface(), nil
}

func (c *call) withLinks(attrs kmip.Attributes) (kmip.Attributes, error) {
	if !slices.ContainsFunc(attrs, func(a kmip.Attribute) bool { return refers(a.Value) }) {
		return attrs, nil
	}
	attrs = slices.Clone(attrs)
	for n := range attrs {
		var err error
		if attrs[n].Value, err = c.withLink(attrs[n].Value); err != nil {
			return nil, err
		}
	}
	return attrs, nil
}

// withLink returns the value of an attribute; a Link names its object by text.
func (c *call) withLink(i kmip.Item) (kmip.Item, error) {
	if !refers(i) {
		return i, nil
	}
	id, _ := i.Field(kmip.TagLinkedObjectIdentifier)
	uid, err := c.uid(identifier(id))
	return kmip.LinkValue{Type: kmip.LinkOf(i).Type, Target: uid}.Item(), err
}

// refers reports whether a value is a Link to the result of an earlier item.
func refers(i kmip.Item) bool {
	id, ok := i.Field(kmip.TagLinkedObjectIdentifier)
	return i.Tag == kmip.TagLink && ok && !id.Type.IsText()
}
