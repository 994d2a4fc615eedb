package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/store"
)

// Export returns an object with all its attributes (§6.1.18). A destroyed object
// comes without its value. The caller destroys the object when it has been
// written.
func (s *Service) Export(ctx context.Context, sc *Scope, uid string, opts GetOptions) (*kmip.Object, kmip.Attributes, error) {
	var value *kmip.Object
	var attrs kmip.Attributes
	err := s.do(ctx, sc, "Export", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "Export", uid)
		if err != nil {
			return o, err
		}
		attrs = m.view()
		value.Destroy() // of an attempt that met a conflict
		if m.destroyed() {
			value = shell(m)
			return o, nil
		}
		if value, err = s.give(ctx, sc, "Export", m, opts); err != nil {
			return o, err
		}
		sc.touch(m)
		if !m.row.Counter.Served {
			o.change.Counters = []store.CounterChange{{Domain: sc.Domain, UID: uid, Serve: true}}
		}
		return o, nil
	})
	if err != nil {
		value.Destroy()
		return nil, nil, err
	}
	return value, attrs, nil
}

// shell is an object without value: what is left of a destroyed one.
func shell(m *managed) *kmip.Object {
	o := &kmip.Object{Type: m.objectType()}
	switch o.Type {
	case kmip.ObjectTypeCertificate:
		o.CertificateType, o.CertificateValue = kmip.CertificateType(m.attrs.Uint32(kmip.TagCertificateType)), []byte{}
	case kmip.ObjectTypeOpaqueObject:
		o.OpaqueDataType, o.OpaqueDataValue = m.attrs.Uint32(kmip.TagOpaqueDataType), secret.New([]byte{})
	case kmip.ObjectTypeCertificateRequest:
		o.RequestType, o.RequestValue = kmip.CertificateRequestTypePKCS10, []byte{}
	case kmip.ObjectTypeTemplate:
		o.Template = kmip.Attributes{}
	default:
		o.Key = &kmip.KeyBlock{
			Format:    kmip.KeyFormatType(m.attrs.Uint32(kmip.TagKeyFormatType)),
			Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), LengthBits: m.row.LengthBits,
		}
		switch o.Type {
		case kmip.ObjectTypeSecretData:
			o.SecretDataType = kmip.SecretDataTypeSeed
		case kmip.ObjectTypeSplitKey:
			o.Split = &kmip.SplitPart{
				Parts: m.attrs.Int32(kmip.TagSplitKeyParts), Identifier: m.attrs.Int32(kmip.TagKeyPartIdentifier),
				Threshold: m.attrs.Int32(kmip.TagSplitKeyThreshold), Method: kmip.SplitKeyMethod(m.attrs.Uint32(kmip.TagSplitKeyMethod)),
			}
		}
	}
	return o
}
