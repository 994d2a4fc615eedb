package dialect

import "github.com/claviger/claviger/kmip"

// attributeSpans are the attributes that came later, or went earlier, than
// the tag that they share with a field.
var attributeSpans = map[kmip.Tag]span{
	kmip.TagKeyFormatType:  {kmip.V20, kmip.V30},
	kmip.TagOpaqueDataType: {kmip.V20, kmip.V30},
	kmip.TagLink:           {kmip.V10, kmip.V30}, // 3.0 has a tag for each kind of link
	kmip.TagObjectGroup:    {kmip.V10, kmip.V30}, // 3.0 writes Group Link
	kmip.TagSplitKeyParts:  since30, kmip.TagKeyPartIdentifier: since30, kmip.TagSplitKeyThreshold: since30, kmip.TagSplitKeyMethod: since30,
	kmip.TagCredentialType:       since30,
	kmip.TagCertificateIssuer:    {kmip.V10, kmip.V14},
	kmip.TagCertificateSubject:   {kmip.V10, kmip.V14},
	kmip.TagCertificateSubjectCN: since20, kmip.TagCertificateSubjectO: since20, kmip.TagCertificateSubjectOU: since20,
	kmip.TagCertificateSubjectEmail: since20, kmip.TagCertificateSubjectC: since20, kmip.TagCertificateSubjectST: since20,
	kmip.TagCertificateSubjectL: since20, kmip.TagCertificateSubjectUID: since20, kmip.TagCertificateSubjectSerialNumber: since20,
	kmip.TagCertificateSubjectTitle: since20, kmip.TagCertificateSubjectDC: since20, kmip.TagCertificateSubjectDNQualifier: since20,
	kmip.TagCertificateIssuerCN: since20, kmip.TagCertificateIssuerO: since20, kmip.TagCertificateIssuerOU: since20,
	kmip.TagCertificateIssuerEmail: since20, kmip.TagCertificateIssuerC: since20, kmip.TagCertificateIssuerST: since20,
	kmip.TagCertificateIssuerL: since20, kmip.TagCertificateIssuerUID: since20, kmip.TagCertificateIssuerSerialNumber: since20,
	kmip.TagCertificateIssuerTitle: since20, kmip.TagCertificateIssuerDC: since20, kmip.TagCertificateIssuerDNQualifier: since20,
}

var since30 = span{kmip.V30, kmip.V30}

var since20 = span{kmip.V20, kmip.V30}

// attributeExists reports whether the version has the attribute.
func (c codec) attributeExists(id kmip.AttributeID) bool {
	if id.IsVendor() {
		return !c.old() || id.Vendor == kmip.VendorX || id.Vendor == kmip.VendorY
	}
	if _, link := kmip.LinkTypeOf(id.Tag); link {
		return c.v >= kmip.V30
	}
	if _, ok := kmip.RuleOf(id); !ok {
		return false
	}
	if s, ok := attributeSpans[id.Tag]; ok {
		return s.has(c.v)
	}
	s, ok := tagSpans[id.Tag]
	return ok && s.has(c.v)
}
