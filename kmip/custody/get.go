package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/store"
)

// GetOptions say in which form an object is wanted; the zero value: as it is.
type GetOptions struct {
	Format      kmip.KeyFormatType
	Compression kmip.KeyCompressionType
	WrapType    kmip.KeyWrapType
	Wrapping    *kmip.Item // Key Wrapping Specification
}

// Get returns an object (§6.1.19). The caller destroys it when it has been
// written. Sensitive objects leave only wrapped, and those that are not
// extractable not at all.
func (s *Service) Get(ctx context.Context, sc *Scope, uid string, opts GetOptions) (*kmip.Object, error) {
	var value *kmip.Object
	err := s.do(ctx, sc, "Get", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "Get", uid)
		if err != nil {
			return o, err
		}
		if m.destroyed() {
			return o, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
		}
		value.Destroy() // of an attempt that met a conflict
		if value, err = s.give(ctx, sc, "Get", m, opts); err != nil {
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
		return nil, err
	}
	return value, nil
}

// give reveals an object that may leave, in the wanted form.
func (s *Service) give(ctx context.Context, sc *Scope, action string, m *managed, opts GetOptions) (*kmip.Object, error) {
	if err := mayLeave(m, opts); err != nil {
		return nil, err
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := s.shape(ctx, sc, action, m, value, opts); err != nil {
		value.Destroy()
		return nil, err
	}
	return value, nil
}

func mayLeave(m *managed, opts GetOptions) error {
	switch {
	case isSystem(m.objectType()):
		return kmip.Fail(kmip.KindObjectType, "a %s has no value that could be given away", m.objectType())
	case !m.attrs.Bool(kmip.TagExtractable):
		return kmip.Fail(kmip.KindNotExtractable, "the object is not extractable")
	case opts.WrapType > kmip.KeyWrapTypeAsRegistered:
		return kmip.Fail(kmip.KindKeyWrapType, "Key Wrap Type 0x%08X is not supported", uint32(opts.WrapType))
	case opts.Wrapping == nil && m.attrs.Bool(kmip.TagSensitive):
		return kmip.Fail(kmip.KindSensitive, "the object is sensitive and leaves only wrapped")
	}
	return nil
}

// shape brings the value into the wanted form.
func (s *Service) shape(ctx context.Context, sc *Scope, action string, m *managed, value *kmip.Object, opts GetOptions) error {
	k := value.Key
	if k == nil {
		switch {
		case opts.Format == kmip.KeyFormatTypePKCS12 && value.Type == kmip.ObjectTypeCertificate:
			return s.containerOf(ctx, sc, action, m, value)
		case opts.Format != 0 && opts.Format != kmip.KeyFormatType(m.attrs.Uint32(kmip.TagKeyFormatType)):
			return kmip.Fail(kmip.KindKeyFormat, "a %s has no Key Format Type %s", value.Type, opts.Format)
		case opts.Wrapping != nil:
			return s.wrap(ctx, sc, action, value, m.view(), *opts.Wrapping)
		}
		return nil
	}
	if k.Algorithm == 0 {
		k.Algorithm = kmip.CryptographicAlgorithm(m.attrs.Uint32(kmip.TagCryptographicAlgorithm))
	}
	if k.LengthBits == 0 && k.Algorithm != 0 {
		k.LengthBits = m.attrs.Int32(kmip.TagCryptographicLength)
	}
	k.Attributes = nil // a client gets attributes when it asks for attributes
	if opts.Compression != 0 && opts.Compression != k.Compression &&
		(k.Compression != 0 || opts.Compression != kmip.KeyCompressionTypeECPublicKeyTypeUncompressed) {
		return kmip.Fail(kmip.KindKeyCompression, "Key Compression Type %s is not possible", opts.Compression)
	}
	if k.Wrapping != nil && opts.WrapType == kmip.KeyWrapTypeNotWrapped {
		if err := s.unwrap(ctx, sc, action, k); err != nil {
			return err
		}
		k.Attributes = nil
	}
	if err := s.format(ctx, sc, action, m, value, opts.Format); err != nil {
		return err
	}
	if opts.Wrapping == nil {
		return nil
	}
	return s.wrap(ctx, sc, action, value, m.view(), *opts.Wrapping)
}

// format converts a key; 0 keeps the format that it has, unless the client's
// version has no name for it.
func (s *Service) format(ctx context.Context, sc *Scope, action string, m *managed, value *kmip.Object, asked kmip.KeyFormatType) error {
	k := value.Key
	if !value.HasValue() || asked == k.Format {
		return nil
	}
	if asked == 0 {
		if sc.Form == nil || sc.Form.HasValue(kmip.TagKeyFormatType, uint32(k.Format)) || k.Wrapping != nil {
			return nil
		}
		asked = portableFormat(value.Type, k.Algorithm)
	}
	switch {
	case k.Wrapping != nil:
		return kmip.Fail(kmip.KindKeyFormat, "a wrapped key cannot be converted")
	case asked == kmip.KeyFormatTypePKCS12:
		return s.containerOf(ctx, sc, action, m, value)
	case k.Format == kmip.KeyFormatTypePKCS12:
		if err := s.openContainer(ctx, sc, action, m, value); err != nil {
			return err
		}
	}
	converted, err := crypto.Convert(value.Type, k, asked)
	if err != nil {
		return err
	}
	value.Destroy()
	k.Format, k.Material, k.Transparent = converted.Format, converted.Bytes, converted.Transparent
	return nil
}

// portableFormat is a format that every version has.
func portableFormat(t kmip.ObjectType, alg kmip.CryptographicAlgorithm) kmip.KeyFormatType {
	switch {
	case t == kmip.ObjectTypePrivateKey && alg == kmip.CryptographicAlgorithmRSA:
		return kmip.KeyFormatTypePKCS1
	case t == kmip.ObjectTypePrivateKey:
		return kmip.KeyFormatTypePKCS8
	case t == kmip.ObjectTypePublicKey:
		return kmip.KeyFormatTypeX509
	}
	return kmip.KeyFormatTypeRaw
}
