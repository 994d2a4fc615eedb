package custody

import (
	"math/big"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
)

// certificateAttributes sets the attributes of a certificate (§4.6 to §4.8,
// §4.22, §4.61 to §4.63, and those of KMIP 1.x). A certificate that is not
// X.509 has type and length only.
func certificateAttributes(a kmip.Attributes, o *kmip.Object) (kmip.Attributes, error) {
	a = a.Set(kmip.Enumeration(kmip.TagCertificateType, o.CertificateType))
	a = a.Set(kmip.Integer(kmip.TagCertificateLength, int32(len(o.CertificateValue)))) //nolint:gosec // bounded by the message size
	if o.CertificateType != kmip.CertificateTypeX509 {
		return a, nil
	}
	info, err := crypto.InspectCertificate(o.CertificateValue)
	if err != nil {
		return nil, err
	}
	if info.SignatureAlgorithm != 0 {
		a = a.Add(kmip.NewAttribute(kmip.Enumeration(kmip.TagDigitalSignatureAlgorithm, info.SignatureAlgorithm)))
	}
	a = a.Set(kmip.Structure(kmip.TagX509CertificateIdentifier,
		kmip.ByteString(kmip.TagIssuerDistinguishedName, info.Issuer), kmip.ByteString(kmip.TagCertificateSerialNumber, info.SerialNumber)))
	a = a.Set(withNames(kmip.TagX509CertificateSubject, kmip.ByteString(kmip.TagSubjectDistinguishedName, info.Subject),
		kmip.TagSubjectAlternativeName, info.SubjectAlternatives))
	a = a.Set(withNames(kmip.TagX509CertificateIssuer, kmip.ByteString(kmip.TagIssuerDistinguishedName, info.Issuer),
		kmip.TagIssuerAlternativeName, info.IssuerAlternatives))
	serial := new(big.Int).SetBytes(info.SerialNumber).Text(16)
	a = a.Set(kmip.Structure(kmip.TagCertificateIdentifier, kmip.Text(kmip.TagIssuer, info.IssuerName.Text), kmip.Text(kmip.TagSerialNumber, serial)))
	a = a.Set(kmip.Structure(kmip.TagCertificateSubject, kmip.Text(kmip.TagCertificateSubjectDistinguishedName, info.SubjectName.Text)))
	a = a.Set(kmip.Structure(kmip.TagCertificateIssuer, kmip.Text(kmip.TagCertificateIssuerDistinguishedName, info.IssuerName.Text)))
	for _, f := range nameAttributes {
		for _, v := range f.of(&info.SubjectName) {
			a = a.Add(kmip.NewAttribute(kmip.Text(f.subject, v)))
		}
		for _, v := range f.of(&info.IssuerName) {
			a = a.Add(kmip.NewAttribute(kmip.Text(f.issuer, v)))
		}
	}
	return a, nil
}

// withNames makes a structure of a distinguished name and alternative names.
func withNames(tag kmip.Tag, dn kmip.Item, alternative kmip.Tag, names [][]byte) kmip.Item {
	i := kmip.Structure(tag, dn)
	for _, n := range names {
		i.Items = append(i.Items, kmip.ByteString(alternative, n))
	}
	return i
}

// nameAttributes are the attributes that hold the parts of the names (§4.6).
var nameAttributes = []struct {
	subject, issuer kmip.Tag
	of              func(*crypto.NameFields) []string
}{
	{kmip.TagCertificateSubjectCN, kmip.TagCertificateIssuerCN, func(f *crypto.NameFields) []string { return f.CN }},
	{kmip.TagCertificateSubjectO, kmip.TagCertificateIssuerO, func(f *crypto.NameFields) []string { return f.O }},
	{kmip.TagCertificateSubjectOU, kmip.TagCertificateIssuerOU, func(f *crypto.NameFields) []string { return f.OU }},
	{kmip.TagCertificateSubjectEmail, kmip.TagCertificateIssuerEmail, func(f *crypto.NameFields) []string { return f.Email }},
	{kmip.TagCertificateSubjectC, kmip.TagCertificateIssuerC, func(f *crypto.NameFields) []string { return f.C }},
	{kmip.TagCertificateSubjectST, kmip.TagCertificateIssuerST, func(f *crypto.NameFields) []string { return f.ST }},
	{kmip.TagCertificateSubjectL, kmip.TagCertificateIssuerL, func(f *crypto.NameFields) []string { return f.L }},
	{kmip.TagCertificateSubjectUID, kmip.TagCertificateIssuerUID, func(f *crypto.NameFields) []string { return f.UID }},
	{kmip.TagCertificateSubjectSerialNumber, kmip.TagCertificateIssuerSerialNumber, func(f *crypto.NameFields) []string { return f.SerialNumber }},
	{kmip.TagCertificateSubjectTitle, kmip.TagCertificateIssuerTitle, func(f *crypto.NameFields) []string { return f.Title }},
	{kmip.TagCertificateSubjectDC, kmip.TagCertificateIssuerDC, func(f *crypto.NameFields) []string { return f.DC }},
	{kmip.TagCertificateSubjectDNQualifier, kmip.TagCertificateIssuerDNQualifier, func(f *crypto.NameFields) []string { return f.DNQualifier }},
}
