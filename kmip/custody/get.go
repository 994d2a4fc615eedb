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
		m, err := s.load(ctx, sc, "Get", uid)
		if err != nil {
			return outcome{uid: uid}, err
		}
		if err := mayLeave(m, opts); err != nil {
			return outcome{uid: uid}, err
		}
		value.Destroy() // of an attempt that met a conflict
		if value, err = s.reveal(ctx, m); err != nil {
			return outcome{uid: uid}, err
		}
		if err := convert(value, m, opts); err != nil {
			return outcome{uid: uid}, err
		}
		if opts.Wrapping != nil {
			if err := s.wrap(ctx, sc, value, *opts.Wrapping); err != nil {
				return outcome{uid: uid}, err
			}
		}
		o := outcome{uid: uid}
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

func mayLeave(m *managed, opts GetOptions) error {
	switch {
	case m.destroyed():
		return kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
	case !m.attrs.Bool(kmip.TagExtractable):
		return kmip.Fail(kmip.KindNotExtractable, "the object is not extractable")
	case opts.Wrapping == nil && m.attrs.Bool(kmip.TagSensitive):
		return kmip.Fail(kmip.KindSensitive, "the object is sensitive and leaves only wrapped")
	}
	return nil
}

// convert brings the value into the wanted form.
func convert(value *kmip.Object, m *managed, opts GetOptions) error {
	if value.Key == nil {
		if opts.Format != 0 && opts.Format != kmip.KeyFormatType(m.attrs.Uint32(kmip.TagKeyFormatType)) {
			return kmip.Fail(kmip.KindKeyFormat, "a %s has no Key Format Type %s", value.Type, opts.Format)
		}
		return nil
	}
	k := value.Key
	if k.Algorithm == 0 {
		k.Algorithm = kmip.CryptographicAlgorithm(m.attrs.Uint32(kmip.TagCryptographicAlgorithm))
	}
	if k.LengthBits == 0 && k.Algorithm != 0 {
		k.LengthBits = m.attrs.Int32(kmip.TagCryptographicLength)
	}
	k.Attributes = nil // a client gets attributes when it asks for attributes
	if opts.Compression != 0 && opts.Compression != k.Compression {
		return kmip.Fail(kmip.KindKeyCompression, "Key Compression Type %s is not possible", opts.Compression)
	}
	if k.Wrapping != nil && opts.WrapType == kmip.KeyWrapTypeNotWrapped {
		return kmip.Fail(kmip.KindKeyWrapType, "the key was registered wrapped and cannot be unwrapped here")
	}
	if opts.Format == 0 || opts.Format == k.Format || !value.HasValue() {
		return nil
	}
	if k.Wrapping != nil {
		return kmip.Fail(kmip.KindKeyFormat, "a wrapped key cannot be converted")
	}
	converted, err := crypto.Convert(value.Type, k, opts.Format)
	if err != nil {
		return err
	}
	value.Destroy()
	k.Format, k.Material, k.Transparent = converted.Format, converted.Bytes, converted.Transparent
	return nil
}
