package worker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// The methods put their arguments where dispatch finds them.

// Capabilities implements hsm.Token.
func (t *Token) Capabilities(ctx context.Context) (hsm.Capabilities, error) {
	return describe[hsm.Capabilities](t.call(ctx, ask(opCapabilities)))
}

// Generate implements hsm.Token.
func (t *Token) Generate(ctx context.Context, spec hsm.KeySpec) (hsm.Key, error) {
	return describe[hsm.Key](t.call(ctx, ask(opGenerate, described(spec))))
}

// Keys implements hsm.Token.
func (t *Token) Keys(ctx context.Context, purpose hsm.Purpose) ([]hsm.Key, error) {
	return describe[[]hsm.Key](t.call(ctx, ask(opKeys, []byte(purpose))))
}

// Find implements hsm.Token.
func (t *Token) Find(ctx context.Context, keyID string) (hsm.Key, error) {
	return describe[hsm.Key](t.call(ctx, ask(opFind, []byte(keyID))))
}

// Destroy implements hsm.Token.
func (t *Token) Destroy(ctx context.Context, keyID string) error {
	_, err := t.call(ctx, ask(opDestroy, []byte(keyID)))
	return err
}

// Encrypt implements hsm.Token.
func (t *Token) Encrypt(ctx context.Context, keyID string, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	return first(t.call(ctx, ask(opEncrypt, []byte(keyID), plaintext.Reveal(), aad)))
}

// Decrypt implements hsm.Token.
func (t *Token) Decrypt(ctx context.Context, keyID string, ciphertext, aad []byte) (*secret.Bytes, error) {
	return hidden(t.call(ctx, ask(opDecrypt, []byte(keyID), ciphertext, aad)))
}

// Wrap implements hsm.Token.
func (t *Token) Wrap(ctx context.Context, keyID string, value *secret.Bytes) (hsm.WrappedKey, error) {
	m, err := t.call(ctx, ask(opWrap, []byte(keyID), value.Reveal()))
	if err != nil {
		return hsm.WrappedKey{}, err
	}
	return hsm.WrappedKey{RootKey: string(m.field(0)), Value: m.field(1)}, nil
}

// EncryptWrapped implements hsm.Token.
func (t *Token) EncryptWrapped(ctx context.Context, k hsm.WrappedKey, plaintext *secret.Bytes, aad []byte) ([]byte, error) {
	return first(t.call(ctx, ask(opEncryptWrapped, []byte(k.RootKey), k.Value, plaintext.Reveal(), aad)))
}

// DecryptWrapped implements hsm.Token.
func (t *Token) DecryptWrapped(ctx context.Context, k hsm.WrappedKey, ciphertext, aad []byte) (*secret.Bytes, error) {
	return hidden(t.call(ctx, ask(opDecryptWrapped, []byte(k.RootKey), k.Value, ciphertext, aad)))
}

// GenerateObject implements hsm.ObjectToken.
func (t *Token) GenerateObject(ctx context.Context, spec hsm.ObjectSpec) (hsm.Object, error) {
	return describe[hsm.Object](t.call(ctx, ask(opGenerateObject, described(spec))))
}

// Objects implements hsm.ObjectToken.
func (t *Token) Objects(ctx context.Context) ([]string, error) {
	return describe[[]string](t.call(ctx, ask(opObjects)))
}

// DestroyObject implements hsm.ObjectToken.
func (t *Token) DestroyObject(ctx context.Context, id string) error {
	_, err := t.call(ctx, ask(opDestroyObject, []byte(id)))
	return err
}

// ObjectEncrypt implements hsm.ObjectToken.
func (t *Token) ObjectEncrypt(ctx context.Context, id string, r hsm.CipherRequest) ([]byte, error) {
	return first(t.call(ctx, askCipher(opObjectEncrypt, id, r)))
}

// ObjectDecrypt implements hsm.ObjectToken.
func (t *Token) ObjectDecrypt(ctx context.Context, id string, r hsm.CipherRequest) ([]byte, error) {
	return first(t.call(ctx, askCipher(opObjectDecrypt, id, r)))
}

// ObjectSign implements hsm.ObjectToken.
func (t *Token) ObjectSign(ctx context.Context, id string, r hsm.SignRequest) ([]byte, error) {
	m := ask(opObjectSign, []byte(id), []byte(r.Scheme), r.Digest)
	m.a, m.b = int64(r.Hash), int64(r.SaltBytes) //nolint:gosec // a small number
	return first(t.call(ctx, m))
}

// ObjectMAC implements hsm.ObjectToken.
func (t *Token) ObjectMAC(ctx context.Context, id string, r hsm.MACRequest) ([]byte, error) {
	m := ask(opObjectMAC, []byte(id), r.Data)
	m.a = int64(r.Hash) //nolint:gosec // a small number
	return first(t.call(ctx, m))
}

// Random implements hsm.Token.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	m := ask(opRandom)
	m.a = int64(n)
	return first(t.call(ctx, m))
}

// Check implements hsm.Token.
func (t *Token) Check(ctx context.Context) error {
	_, err := t.call(ctx, ask(opCheck))
	return err
}

func ask(o op, fields ...[]byte) message { return message{op: o, fields: fields} }

func askCipher(o op, id string, r hsm.CipherRequest) message {
	m := ask(o, []byte(id), []byte(r.Mode), r.IV, r.AAD, r.Data)
	m.a, m.b = int64(r.Hash), int64(r.TagBits) //nolint:gosec // a small number
	return m
}

// first is the answer of bytes, which lie in the frame.
func first(m message, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return m.field(0), nil
}

// hidden is the answer of a secret. Its memory in the frame becomes the secret's.
func hidden(m message, err error) (*secret.Bytes, error) {
	if err != nil {
		return nil, err
	}
	return secret.New(m.field(0)), nil
}

// describe is the answer of something described.
func describe[T any](m message, err error) (T, error) {
	var out T
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(m.field(0), &out); err != nil {
		return out, fmt.Errorf("answer of the token worker: %w: %w", err, hsm.ErrUnavailable)
	}
	return out, nil
}

// described is a value that is no secret and not used often, as JSON. The types
// are of plain fields, so this does not fail.
func described(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}
