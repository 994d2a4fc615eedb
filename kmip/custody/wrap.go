package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
)

// Form is what custody must know of the client's version of the protocol: how
// attributes stand inside a Key Value, and which values there are.
type Form interface {
	// Write and Read are for the attributes inside a Key Value.
	Write(attrs kmip.Attributes) []kmip.Item
	Read(i kmip.Item) (kmip.Attributes, error)
	// HasValue reports whether the version has a value of an enumeration.
	HasValue(tag kmip.Tag, value uint32) bool
	// DefaultFormats reports whether keys are made in the default formats of §4.26.
	DefaultFormats() bool
}

// wrapping is a Key Wrapping Specification, or the Key Wrapping Data of a key
// (§3.3): the same fields, and what came of them.
type wrapping struct {
	method     kmip.WrappingMethod
	encryption *keyInformation
	signature  *keyInformation
	encoding   kmip.EncodingOption // 0: TTLV
	attributes []kmip.AttributeID  // to be wrapped with the key
	code       []byte              // MAC/Signature
	iv         []byte
}

// keyInformation names the key that encrypts or signs, and how.
type keyInformation struct {
	uid        string
	item       kmip.Item
	parameters *kmip.CryptographicParameters
}

// encrypts and signs tell what a method does, in this order or the other.
func (w wrapping) encrypts() bool { return w.method != kmip.WrappingMethodMACSign }

func (w wrapping) signs() bool { return w.method != kmip.WrappingMethodEncrypt }

// readWrapping reads a Key Wrapping Specification or Key Wrapping Data, and
// refuses what is not there.
func readWrapping(spec kmip.Item) (wrapping, error) {
	w := wrapping{method: kmip.WrappingMethodEncrypt}
	for _, f := range spec.Items {
		switch f.Tag {
		case kmip.TagWrappingMethod:
			w.method = kmip.WrappingMethod(f.Uint32())
		case kmip.TagEncryptionKeyInformation, kmip.TagMACSignatureKeyInformation:
			info, err := readKeyInformation(f)
			if err != nil {
				return w, err
			}
			if f.Tag == kmip.TagEncryptionKeyInformation {
				w.encryption = info
			} else {
				w.signature = info
			}
		case kmip.TagEncodingOption:
			w.encoding = kmip.EncodingOption(f.Uint32())
		case kmip.TagMACSignature:
			w.code = f.Bytes
		case kmip.TagIVCounterNonce:
			w.iv = f.Bytes
		case kmip.TagAttributeReference:
			w.attributes = append(w.attributes, referenced(f))
		default:
			return w, kmip.Fail(kmip.KindUnsupportedFeature, "%s in %s is not supported", f.Tag.Title(), spec.Tag.Title())
		}
	}
	switch {
	case w.method < kmip.WrappingMethodEncrypt || w.method > kmip.WrappingMethodMACSignThenEncrypt:
		return w, kmip.Fail(kmip.KindUnsupportedFeature, "Wrapping Method %s is not supported", w.method)
	case w.encoding == kmip.EncodingOptionNoEncoding && len(w.attributes) > 0:
		return w, kmip.Fail(kmip.KindEncodingOption, "attributes cannot be wrapped without encoding")
	case w.encoding > kmip.EncodingOptionTTLVEncoding:
		return w, kmip.Fail(kmip.KindEncodingOption, "Encoding Option %s is not possible", w.encoding)
	case w.encrypts() && w.encryption == nil:
		return w, kmip.Fail(kmip.KindMissingField, "Wrapping Method %s needs Encryption Key Information", w.method)
	case w.signs() && w.signature == nil:
		return w, kmip.Fail(kmip.KindMissingField, "Wrapping Method %s needs MAC/Signature Key Information", w.method)
	}
	return w, nil
}

func readKeyInformation(f kmip.Item) (*keyInformation, error) {
	id, ok := f.Field(kmip.TagUniqueIdentifier)
	if !ok || !id.Type.IsText() {
		return nil, kmip.Fail(kmip.KindMissingField, "%s names no key", f.Tag.Title())
	}
	info := &keyInformation{uid: id.Text(), item: f}
	if p, ok := f.Field(kmip.TagCryptographicParameters); ok {
		parsed := kmip.CryptographicParametersOf(p)
		info.parameters = &parsed
	}
	return info, nil
}

// referenced reads an Attribute Reference (§5.5).
func referenced(f kmip.Item) kmip.AttributeID {
	if f.Type == kmip.TypeEnumeration {
		return kmip.AttributeID{Tag: kmip.Tag(f.Uint32())}
	}
	vendor, _ := f.Field(kmip.TagVendorIdentification)
	name, _ := f.Field(kmip.TagAttributeName)
	return kmip.VendorAttribute(vendor.Text(), name.Text())
}

// wrap wraps the key of a revealed object under other managed keys (§6.1.19),
// with the attributes of it that the specification names.
func (s *Service) wrap(ctx context.Context, sc *Scope, action string, value *kmip.Object, attrs kmip.Attributes, spec kmip.Item) error {
	w, err := readWrapping(spec)
	if err != nil {
		return err
	}
	k := value.Key
	switch {
	case k == nil:
		return kmip.Fail(kmip.KindObjectType, "a %s cannot be wrapped", value.Type)
	case k.Wrapping != nil:
		return kmip.Fail(kmip.KindUnsupportedFeature, "the key was registered wrapped and cannot be wrapped again")
	case !value.HasValue():
		return kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key")
	case !w.encrypts() && attrs.Bool(kmip.TagSensitive):
		return kmip.Fail(kmip.KindSensitive, "a sensitive object leaves only encrypted")
	}
	for _, id := range w.attributes {
		found := attrs.Matching(id)
		if len(found) == 0 {
			return kmip.Fail(kmip.KindAttributeNotFound, "the object has no attribute %s to be wrapped", id)
		}
		k.Attributes = append(k.Attributes, found...)
	}
	plain, err := s.keyValue(sc, k, w.encoding)
	if err != nil {
		return err
	}
	defer plain.Destroy()
	k.Attributes = nil // they are inside now
	data := kmip.Structure(kmip.TagKeyWrappingData, kmip.Enumeration(kmip.TagWrappingMethod, w.method))
	out := plain.Clone()
	if w.method == kmip.WrappingMethodMACSignThenEncrypt || w.method == kmip.WrappingMethodMACSign {
		if w.code, err = s.signKeyValue(ctx, sc, action, w.signature, plain.Reveal()); err != nil {
			return err
		}
	}
	if w.encrypts() {
		if err := s.encryptKeyValue(ctx, sc, action, &w, &out); err != nil {
			return err
		}
		data.Items = append(data.Items, w.encryption.item)
	}
	if w.method == kmip.WrappingMethodEncryptThenMACSign {
		if w.code, err = s.signKeyValue(ctx, sc, action, w.signature, out.Reveal()); err != nil {
			return err
		}
	}
	if w.signs() {
		data.Items = append(data.Items, w.signature.item, kmip.ByteString(kmip.TagMACSignature, w.code))
	}
	if w.iv != nil {
		data.Items = append(data.Items, kmip.ByteString(kmip.TagIVCounterNonce, w.iv))
	}
	if w.encoding != 0 {
		data.Items = append(data.Items, kmip.Enumeration(kmip.TagEncodingOption, w.encoding))
	}
	value.Destroy()
	k.Material, k.Transparent, k.Wrapping, k.Enclosed = out, nil, &data, false
	return nil
}

func (s *Service) encryptKeyValue(ctx context.Context, sc *Scope, action string, w *wrapping, out **secret.Bytes) error {
	m, err := s.wrappingKey(ctx, sc, action, w.encryption.uid, kmip.CryptographicUsageMaskWrapKey, lifecycle.MayProtect)
	if err != nil {
		return err
	}
	r, kek, err := s.cipherRequest(ctx, sc, action, m, CipherArgs{Parameters: m.wrappingParameters(w.encryption.parameters), IV: w.iv, way: wraps})
	if err != nil {
		return err
	}
	defer kek.Destroy()
	wrapped, err := crypto.Wrap(r, *out)
	if err != nil {
		return err
	}
	(*out).Destroy()
	*out = secret.New(wrapped.Data)
	if wrapped.IV != nil {
		w.iv = wrapped.IV
	}
	return nil
}

// signKeyValue computes the MAC or signature of a Key Value.
func (s *Service) signKeyValue(ctx context.Context, sc *Scope, action string, info *keyInformation, data []byte) ([]byte, error) {
	mask := kmip.CryptographicUsageMaskMACGenerate | kmip.CryptographicUsageMaskSign
	m, err := s.wrappingKey(ctx, sc, action, info.uid, mask, lifecycle.MayProtect)
	if err != nil {
		return nil, err
	}
	if m.objectType() == kmip.ObjectTypeSymmetricKey {
		r, key, err := s.cipherRequest(ctx, sc, action, m, CipherArgs{Parameters: info.parameters, Data: data, way: codes})
		if err != nil {
			return nil, err
		}
		defer key.Destroy()
		return crypto.MAC(r)
	}
	if err := signs(m, kmip.CryptographicUsageMaskSign); err != nil {
		return nil, err
	}
	key, err := s.reveal(ctx, m)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	r, err := s.signatureRequest(ctx, sc, action, m, key, SignArgs{Parameters: info.parameters, Data: data})
	if err != nil {
		return nil, err
	}
	return crypto.Sign(r)
}

// wrappingKey loads a key that may wrap, unwrap, sign or verify. Whether it is
// there, destroyed or archived has reasons of its own.
func (s *Service) wrappingKey(ctx context.Context, sc *Scope, action, uid string, mask kmip.CryptographicUsageMask, may mayUse) (*managed, error) {
	m, err := s.usable(ctx, sc, action, uid, mask, func(state kmip.State, d kmip.Dates, now time.Time) error {
		if state == kmip.StateDestroyed || state == kmip.StateDestroyedCompromised {
			return kmip.Fail(kmip.KindWrappingDestroyed, "the wrapping key is destroyed")
		}
		return may(state, d, now)
	})
	switch kmip.KindOf(err) {
	case kmip.KindObjectNotFound:
		return nil, kmip.Fail(kmip.KindWrappingNotFound, "there is no such wrapping key")
	case kmip.KindObjectArchived:
		return nil, kmip.Fail(kmip.KindWrappingArchived, "the wrapping key is archived")
	}
	return m, err
}

// wrappingParameters are those of the request, or the first of the key that are
// for wrapping, or none: RFC 3394.
func (m *managed) wrappingParameters(asked *kmip.CryptographicParameters) *kmip.CryptographicParameters {
	if asked != nil {
		return asked
	}
	for _, at := range m.attrs.Instances(kmip.AttributeID{Tag: kmip.TagCryptographicParameters}) {
		p := kmip.CryptographicParametersOf(at.Value)
		if p.BlockCipherMode == kmip.BlockCipherModeNISTKeyWrap || p.BlockCipherMode == kmip.BlockCipherModeAESKeyWrapPadding || p.PaddingMethod == kmip.PaddingMethodOAEP {
			return &p
		}
	}
	return &kmip.CryptographicParameters{}
}

// keyValue is what is wrapped: the key material, or by default the Key Value
// that holds it in TTLV, with the attributes that the key block has.
func (s *Service) keyValue(sc *Scope, k *kmip.KeyBlock, encoding kmip.EncodingOption) (*secret.Bytes, error) {
	switch {
	case encoding == kmip.EncodingOptionNoEncoding && k.Transparent != nil:
		return nil, kmip.Fail(kmip.KindEncodingOption, "a transparent key has no form without encoding")
	case encoding == kmip.EncodingOptionNoEncoding:
		return k.Material.Clone(), nil
	}
	value := kmip.Structure(kmip.TagKeyValue)
	if k.Transparent != nil {
		value.Items = append(value.Items, k.Transparent.WithTag(kmip.TagKeyMaterial))
	} else {
		value.Items = append(value.Items, kmip.ByteString(kmip.TagKeyMaterial, k.Material.Reveal()))
	}
	if len(k.Attributes) > 0 {
		if sc.Form == nil {
			return nil, kmip.Fail(kmip.KindUnsupportedFeature, "attributes cannot be wrapped here")
		}
		value.Items = append(value.Items, sc.Form.Write(k.Attributes)...)
	}
	return secret.New(s.encode(value)), nil
}
