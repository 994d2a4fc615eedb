package dialect

import "github.com/claviger/claviger/kmip"

// splitTags are what the payload of Create Split Key says with fields of its
// own, and KMIP 3.0 also as attributes.
var splitTags = []kmip.Tag{
	kmip.TagSplitKeyParts, kmip.TagSplitKeyThreshold, kmip.TagSplitKeyMethod, kmip.TagSplitKeyPolynomial, kmip.TagKeyPartIdentifier,
}

// polynomial is the modulus of the field of 256 elements that splits are made
// with: that of FIPS 197 in KMIP 1.x (1.4 §2.2.5), another from 2.0 (§13.1), and
// in 3.0 what an attribute says.
func (c codec) polynomial(attrs kmip.Attributes) kmip.SplitKeyPolynomial {
	if p, ok := attrs.Get(kmip.TagSplitKeyPolynomial); ok && c.v >= kmip.V30 {
		return kmip.SplitKeyPolynomial(p.Uint32())
	}
	if c.old() {
		return kmip.SplitKeyPolynomialPolynomial283
	}
	return kmip.SplitKeyPolynomialPolynomial285
}

// wrappedAttributes brings the attributes that a Key Wrapping Specification names
// into one form: Attribute References.
func (c codec) wrappedAttributes(spec *kmip.Item) error {
	if spec == nil {
		return nil
	}
	for n, f := range spec.Items {
		if f.Tag != kmip.TagAttributeName {
			continue
		}
		id := c.idOfName(f.Text())
		if id.IsVendor() && id.Vendor == "" || !c.attributeExists(id) {
			return kmip.Fail(kmip.KindAttributeUnsupported, "KMIP %s has no attribute %q", c.v, f.Text())
		}
		spec.Items[n] = kmip.Enumeration(kmip.TagAttributeReference, uint32(id.Tag))
		if id.IsVendor() {
			spec.Items[n] = kmip.Structure(kmip.TagAttributeReference, kmip.Text(kmip.TagVendorIdentification, id.Vendor), kmip.Text(kmip.TagAttributeName, id.Name))
		}
	}
	return nil
}
