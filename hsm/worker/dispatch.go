package worker

import (
	"context"
	"crypto"
	"fmt"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// dispatch does a call on the token. methods.go has the other side of each. What
// the token is given lies in the frame of the message.
func dispatch(ctx context.Context, t hsm.Token, m message) (message, error) {
	text := func(i int) string { return string(m.field(i)) }
	switch m.op {
	case opCapabilities:
		return answered(t.Capabilities(ctx))
	case opGenerate:
		spec, err := describe[hsm.KeySpec](m, nil)
		if err != nil {
			return message{}, err
		}
		return answered(t.Generate(ctx, spec))
	case opKeys:
		return answered(t.Keys(ctx, hsm.Purpose(text(0))))
	case opFind:
		return answered(t.Find(ctx, text(0)))
	case opDestroy:
		return message{}, t.Destroy(ctx, text(0))
	case opEncrypt:
		return plain(t.Encrypt(ctx, text(0), secret.New(m.field(1)), m.field(2)))
	case opDecrypt:
		return revealed(t.Decrypt(ctx, text(0), m.field(1), m.field(2)))
	case opWrap:
		k, err := t.Wrap(ctx, text(0), secret.New(m.field(1)))
		return message{fields: [][]byte{[]byte(k.RootKey), k.Value}}, err
	case opEncryptWrapped:
		return plain(t.EncryptWrapped(ctx, wrapped(m), secret.New(m.field(2)), m.field(3)))
	case opDecryptWrapped:
		return revealed(t.DecryptWrapped(ctx, wrapped(m), m.field(2), m.field(3)))
	case opGenerateObject:
		spec, err := describe[hsm.ObjectSpec](m, nil)
		if err != nil {
			return message{}, err
		}
		return answered(t.GenerateObject(ctx, spec))
	case opObjects:
		return answered(t.Objects(ctx))
	case opDestroyObject:
		return message{}, t.DestroyObject(ctx, text(0))
	case opObjectEncrypt:
		return plain(t.ObjectEncrypt(ctx, text(0), cipherRequest(m)))
	case opObjectDecrypt:
		out, err := t.ObjectDecrypt(ctx, text(0), cipherRequest(m))
		return revealed(secret.New(out), err)
	case opObjectSign:
		return plain(t.ObjectSign(ctx, text(0), hsm.SignRequest{
			Scheme: hsm.SignatureScheme(text(1)), Digest: m.field(2), Hash: hash(m.a), SaltBytes: int(m.b),
		}))
	case opObjectMAC:
		return plain(t.ObjectMAC(ctx, text(0), hsm.MACRequest{Data: m.field(1), Hash: hash(m.a)}))
	case opRandom:
		return plain(t.Random(ctx, int(m.a)))
	case opCheck:
		return message{}, t.Check(ctx)
	}
	return message{}, fmt.Errorf("call %d of the token: %w", m.op, hsm.ErrUnsupported)
}

func hash(n int64) crypto.Hash { return crypto.Hash(n) } //nolint:gosec // a number of the caller's crypto.Hash

func wrapped(m message) hsm.WrappedKey {
	return hsm.WrappedKey{RootKey: string(m.field(0)), Value: m.field(1)}
}

func cipherRequest(m message) hsm.CipherRequest {
	return hsm.CipherRequest{
		Mode: hsm.CipherMode(m.field(1)), IV: m.field(2), AAD: m.field(3), Data: m.field(4), Hash: hash(m.a), TagBits: int(m.b),
	}
}

// plain answers with bytes.
func plain(out []byte, err error) (message, error) {
	return message{fields: [][]byte{out}}, err
}

// revealed answers with a secret, and destroys it when the answer is on its way.
func revealed(out *secret.Bytes, err error) (message, error) {
	return message{fields: [][]byte{out.Reveal()}, secret: out}, err
}

// answered answers with what is no secret and not asked often.
func answered[T any](out T, err error) (message, error) {
	return message{fields: [][]byte{described(out)}}, err
}
