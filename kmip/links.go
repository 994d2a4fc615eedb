package kmip

import "slices"

// KMIP 3.0 has one attribute for each kind of link, named like the values of
// Link Type; the canonical form is Link.
var (
	linkTags = func() map[LinkType]Tag {
		m := map[LinkType]Tag{}
		for _, v := range EnumValues(TagLinkType) {
			if tag, ok := TagByName(LinkType(v).String()); ok {
				m[LinkType(v)] = tag
			}
		}
		return m
	}()
	linkTypes = func() map[Tag]LinkType {
		m := map[Tag]LinkType{}
		for t, tag := range linkTags {
			m[tag] = t
		}
		return m
	}()
)

// LinkTag returns the tag that KMIP 3.0 gives to a kind of link.
func LinkTag(t LinkType) (Tag, bool) {
	tag, ok := linkTags[t]
	return tag, ok
}

// LinkTypeOf returns the kind of link that a tag of KMIP 3.0 stands for.
func LinkTypeOf(tag Tag) (LinkType, bool) {
	t, ok := linkTypes[tag]
	return t, ok
}

// Matching returns the instances that an identity asks for: those of the
// attribute, or the links of one kind.
func (a Attributes) Matching(id AttributeID) Attributes {
	t, ok := LinkTypeOf(id.Tag)
	if !ok && id.Tag != TagObjectGroup {
		return a.Instances(id)
	}
	var found Attributes
	if !ok { // a group is named, or in KMIP 3.0 linked
		for _, at := range a {
			if at.Tag == TagObjectGroup || at.Tag == TagGroupLink {
				found = append(found, at)
			}
		}
		return found
	}
	for _, at := range a {
		if at.Tag == TagLink && LinkOf(at.Value).Type == t {
			found = append(found, at)
		}
	}
	return found
}

// References lists the attributes that are set as Get Attribute List names
// them: IDs, and the kinds of links.
func (a Attributes) References() []AttributeID {
	ids := a.IDs()
	if a.Has(TagObjectGroup) {
		ids = slices.DeleteFunc(ids, func(id AttributeID) bool { return id.Tag == TagGroupLink })
	}
	for _, at := range a {
		if at.Tag != TagLink {
			continue
		}
		if tag, ok := LinkTag(LinkOf(at.Value).Type); ok && !slices.Contains(ids, AttributeID{Tag: tag}) {
			ids = append(ids, AttributeID{Tag: tag})
		}
	}
	return ids
}
