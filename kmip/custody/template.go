package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
)

// checkTemplate refuses a Template without a name, or with one inside (1.4
// §2.2.6, §11.4), and attributes that no object could be given.
func checkTemplate(attrs, template kmip.Attributes) error {
	switch {
	case !attrs.Has(kmip.TagName):
		return kmip.Fail(kmip.KindMissingField, "a Template needs a Name")
	case template.Has(kmip.TagName):
		return kmip.Fail(kmip.KindInvalidField, "the Name of a Template is not inside the Template")
	case len(template) == 0:
		return kmip.Fail(kmip.KindMissingField, "a Template has attributes")
	}
	return checkGiven(template)
}

// Expand joins the attributes of a request with those of the Templates that it
// names (1.4 §2.1.8): what the request says goes before what a Template says,
// and a later Template before an earlier one; instances of attributes that may
// have several add up.
func (s *Service) Expand(ctx context.Context, sc *Scope, action string, templates []kmip.NameValue, attrs kmip.Attributes) (kmip.Attributes, error) {
	all := attrs
	for _, name := range slices.Backward(templates) {
		inner, err := s.template(ctx, sc, action, name.Value)
		if err != nil {
			err = s.translate(ctx, err)
			s.Refuse(ctx, sc, action, "", err)
			return nil, err
		}
		all = under(all, inner)
	}
	return all, nil
}

// under puts the attributes of a Template under those that go before them.
func under(first, template kmip.Attributes) kmip.Attributes {
	all := slices.Clone(first)
	for _, at := range template {
		rule, _ := kmip.RuleOf(at.AttributeID)
		has := first.Instances(at.AttributeID)
		if len(has) > 0 && (!rule.Multi || slices.ContainsFunc(has, func(h kmip.Attribute) bool { return h.Value.Equal(at.Value) })) {
			continue
		}
		all = append(all, at)
	}
	return all
}

// template reads the attributes of a Template.
func (s *Service) template(ctx context.Context, sc *Scope, action, name string) (kmip.Attributes, error) {
	missing := kmip.Fail(kmip.KindTemplateNotFound, "there is no template %q", printable(name))
	if name == "" || len(name) > maxNameBytes {
		return nil, missing
	}
	found, err := sc.reader.Find(ctx, store.Query{Names: []string{name}, Types: []uint32{uint32(kmip.ObjectTypeTemplate)}, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, missing
	}
	m, err := s.load(ctx, sc, action, found[0].UID)
	if err != nil {
		return nil, err
	}
	if m.destroyed() || m.objectType() != kmip.ObjectTypeTemplate {
		return nil, missing
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return nil, err
	}
	return value.Template, nil
}
