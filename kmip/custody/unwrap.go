package custody

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
)

// unwrap replaces the wrapped Key Value of a key block by what is in it, under
// the managed keys that its Key Wrapping Data name (§3.3). A MAC or signature is
// verified first, or after decryption, as the Wrapping Method says.
func (s *Service) unwrap(ctx context.Context, sc *Scope, action string, k *kmip.KeyBlock) error {
	w, err := readWrapping(*k.Wrapping)
	if err != nil {
		return err
	}
	if k.Material == nil {
		return kmip.Fail(kmip.KindKeyValueNotPresent, "the server has no value of this key")
	}
	if w.signs() && w.code == nil {
		return kmip.Fail(kmip.KindMissingField, "Wrapping Method %s needs a MAC/Signature", w.method)
	}
	plain := k.Material
	if w.method == kmip.WrappingMethodEncryptThenMACSign {
		if err := s.verifyKeyValue(ctx, sc, action, w, plain.Reveal()); err != nil {
			return err
		}
	}
	if w.encrypts() {
		if plain, err = s.decryptKeyValue(ctx, sc, action, w, plain.Reveal()); err != nil {
			return err
		}
		defer plain.Destroy()
	}
	if w.method == kmip.WrappingMethodMACSign || w.method == kmip.WrappingMethodMACSignThenEncrypt {
		if err := s.verifyKeyValue(ctx, sc, action, w, plain.Reveal()); err != nil {
			return err
		}
	}
	return s.takeKeyValue(sc, k, w, plain)
}

func (s *Service) decryptKeyValue(ctx context.Context, sc *Scope, action string, w wrapping, data []byte) (*secret.Bytes, error) {
	m, err := s.wrappingKey(ctx, sc, action, w.encryption.uid, kmip.CryptographicUsageMaskUnwrapKey, lifecycle.MayProcess)
	if err != nil {
		return nil, err
	}
	r, kek, err := s.cipherRequest(ctx, sc, action, m, CipherArgs{Parameters: m.wrappingParameters(w.encryption.parameters), IV: w.iv, way: wraps, existing: true})
	if err != nil {
		return nil, err
	}
	defer kek.Destroy()
	return crypto.Unwrap(r, data)
}

// verifyKeyValue checks the MAC or signature of a Key Value. A private key
// verifies by its public half.
func (s *Service) verifyKeyValue(ctx context.Context, sc *Scope, action string, w wrapping, data []byte) error {
	mask := kmip.CryptographicUsageMaskMACVerify | kmip.CryptographicUsageMaskVerify |
		kmip.CryptographicUsageMaskMACGenerate | kmip.CryptographicUsageMaskSign
	m, err := s.wrappingKey(ctx, sc, action, w.signature.uid, mask, lifecycle.MayProcess)
	if err != nil {
		return err
	}
	var valid bool
	if m.objectType() == kmip.ObjectTypeSymmetricKey {
		r, key, err := s.cipherRequest(ctx, sc, action, m, CipherArgs{Parameters: w.signature.parameters, Data: data, way: codes, existing: true})
		if err != nil {
			return err
		}
		defer key.Destroy()
		if valid, err = crypto.VerifyMAC(r, w.code); err != nil {
			return err
		}
	} else {
		key, err := s.reveal(ctx, m)
		if err != nil {
			return err
		}
		defer key.Destroy()
		r, err := s.signatureRequest(ctx, sc, action, m, key, SignArgs{Parameters: w.signature.parameters, Data: data, existing: true})
		if err != nil {
			return err
		}
		if valid, err = crypto.VerifySignature(r, w.code); err != nil {
			return err
		}
	}
	if !valid {
		return kmip.Fail(kmip.KindCryptographicFailure, "the MAC or signature of the wrapped key is wrong")
	}
	return nil
}

// takeKeyValue puts what was unwrapped into the key block.
func (s *Service) takeKeyValue(sc *Scope, k *kmip.KeyBlock, w wrapping, plain *secret.Bytes) error {
	if w.encoding == kmip.EncodingOptionNoEncoding {
		material := plain.Clone()
		k.Material.Destroy()
		k.Material, k.Wrapping, k.Enclosed = material, nil, false
		return nil
	}
	damaged := kmip.Fail(kmip.KindCryptographicFailure, "what was unwrapped is no Key Value")
	value, err := s.decode(plain.Reveal())
	if err != nil || value.Tag != kmip.TagKeyValue {
		return damaged
	}
	var material *secret.Bytes
	var transparent *kmip.Item
	var attrs kmip.Attributes
	for _, f := range value.Items {
		switch {
		case f.Tag == kmip.TagKeyMaterial && f.Type == kmip.TypeByteString:
			material = secret.Copy(f.Bytes)
		case f.Tag == kmip.TagKeyMaterial && f.Type == kmip.TypeStructure:
			t := f.Clone()
			transparent = &t
		case sc.Form != nil && (f.Tag == kmip.TagAttribute || f.Tag == kmip.TagAttributes):
			a, err := sc.Form.Read(f)
			if err != nil {
				return err
			}
			attrs = append(attrs, a.Clone()...)
		}
	}
	if material == nil && transparent == nil {
		return damaged
	}
	k.Material.Destroy()
	k.Material, k.Transparent, k.Wrapping, k.Enclosed, k.Attributes = material, transparent, nil, false, attrs
	return nil
}

// unwrapForUse unwraps a key that was registered wrapped, for one use.
func (s *Service) unwrapForUse(ctx context.Context, sc *Scope, action string, value *kmip.Object) error {
	if value.Key == nil || value.Key.Wrapping == nil {
		return nil
	}
	if sc.unwrapping >= maxUnwrapping {
		return kmip.Fail(kmip.KindUnsupportedFeature, "the key is wrapped under a key that is wrapped, and so on, too often")
	}
	sc.unwrapping++
	defer func() { sc.unwrapping-- }()
	return s.unwrap(ctx, sc, action, value.Key)
}

// readyForUse unwraps the key of an object, or opens its container, for one use.
func (s *Service) readyForUse(ctx context.Context, sc *Scope, action string, m *managed, value *kmip.Object) error {
	if err := s.unwrapForUse(ctx, sc, action, value); err != nil {
		return err
	}
	if value.Type == kmip.ObjectTypePrivateKey && value.Key != nil && value.Key.Format == kmip.KeyFormatTypePKCS12 {
		return s.openContainer(ctx, sc, action, m, value)
	}
	return nil
}

// maxUnwrapping bounds how many keys that were registered wrapped stand behind
// each other.
const maxUnwrapping = 4
