package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
)

// wrapping is a Key Wrapping Specification (§3.10) that can be fulfilled.
type wrapping struct {
	key        string // Unique Identifier of the wrapping key
	info       kmip.Item
	parameters *kmip.CryptographicParameters
	encoding   kmip.EncodingOption // 0: TTLV
}

// readWrapping reads a Key Wrapping Specification and refuses what is not there.
func readWrapping(spec kmip.Item) (wrapping, error) {
	var w wrapping
	for _, f := range spec.Items {
		switch f.Tag {
		case kmip.TagWrappingMethod:
			if m := kmip.WrappingMethod(f.Uint32()); m != kmip.WrappingMethodEncrypt {
				return w, kmip.Fail(kmip.KindUnsupportedFeature, "Wrapping Method %s is not supported", m)
			}
		case kmip.TagEncryptionKeyInformation:
			w.info = f
		case kmip.TagEncodingOption:
			w.encoding = kmip.EncodingOption(f.Uint32())
		case kmip.TagAttributeName, kmip.TagAttributeReference:
			if w.encoding == kmip.EncodingOptionNoEncoding {
				return w, kmip.Fail(kmip.KindEncodingOption, "attributes cannot be wrapped without encoding")
			}
			return w, kmip.Fail(kmip.KindUnsupportedFeature, "attributes inside a wrapped key are not supported")
		default:
			return w, kmip.Fail(kmip.KindUnsupportedFeature, "%s in a Key Wrapping Specification is not supported", f.Tag.Title())
		}
	}
	id, ok := w.info.Field(kmip.TagUniqueIdentifier)
	if !ok || !id.Type.IsText() {
		return w, kmip.Fail(kmip.KindMissingField, "a Key Wrapping Specification names the wrapping key")
	}
	w.key = id.Text()
	if p, ok := w.info.Field(kmip.TagCryptographicParameters); ok {
		parsed := kmip.CryptographicParametersOf(p)
		w.parameters = &parsed
	}
	return w, nil
}

// wrap wraps the key of a revealed object under another managed key (§6.1.19).
func (s *Service) wrap(ctx context.Context, sc *Scope, value *kmip.Object, spec kmip.Item) error {
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
	}
	m, err := s.wrappingKey(ctx, sc, w.key)
	if err != nil {
		return err
	}
	plain, err := s.keyValue(k, w.encoding)
	if err != nil {
		return err
	}
	defer plain.Destroy()
	kek, err := s.reveal(ctx, m)
	if err != nil {
		return err
	}
	defer kek.Destroy()
	if kek.Key.Wrapping != nil {
		return kmip.Fail(kmip.KindUnsupportedFeature, "the wrapping key was registered wrapped and cannot be used here")
	}
	wrapped, err := crypto.Wrap(crypto.CipherRequest{
		Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Key: kek.Key.Material, Format: kek.Key.Format,
		Transparent: kek.Key.Transparent, Parameters: m.wrappingParameters(w.parameters),
	}, plain)
	if err != nil {
		return err
	}
	value.Destroy()
	k.Material, k.Transparent = secret.New(wrapped.Data), nil
	data := kmip.Structure(kmip.TagKeyWrappingData, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt), w.info)
	if wrapped.IV != nil {
		data.Items = append(data.Items, kmip.ByteString(kmip.TagIVCounterNonce, wrapped.IV))
	}
	if w.encoding != 0 {
		data.Items = append(data.Items, kmip.Enumeration(kmip.TagEncodingOption, w.encoding))
	}
	k.Wrapping = &data
	return nil
}

// wrappingKey loads a key that may wrap. Whether it is there, destroyed or
// archived has reasons of its own.
func (s *Service) wrappingKey(ctx context.Context, sc *Scope, uid string) (*managed, error) {
	m, err := s.usable(ctx, sc, "Get", uid, kmip.CryptographicUsageMaskWrapKey, func(state kmip.State, d kmip.Dates, now time.Time) error {
		if state == kmip.StateDestroyed || state == kmip.StateDestroyedCompromised {
			return kmip.Fail(kmip.KindWrappingDestroyed, "the wrapping key is destroyed")
		}
		return lifecycle.MayProtect(state, d, now)
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
func (m *managed) wrappingParameters(asked *kmip.CryptographicParameters) kmip.CryptographicParameters {
	if asked != nil {
		return *asked
	}
	for _, at := range m.attrs.Instances(kmip.AttributeID{Tag: kmip.TagCryptographicParameters}) {
		p := kmip.CryptographicParametersOf(at.Value)
		if p.BlockCipherMode == kmip.BlockCipherModeNISTKeyWrap || p.BlockCipherMode == kmip.BlockCipherModeAESKeyWrapPadding || p.PaddingMethod == kmip.PaddingMethodOAEP {
			return p
		}
	}
	return kmip.CryptographicParameters{}
}

// keyValue is what is wrapped: the key material, or by default the Key Value
// that holds it in TTLV.
func (s *Service) keyValue(k *kmip.KeyBlock, encoding kmip.EncodingOption) (*secret.Bytes, error) {
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
	return secret.New(s.encode(value)), nil
}
