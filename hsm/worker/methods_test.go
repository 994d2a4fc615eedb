package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// echo answers each call with its arguments.
type echo struct{ err error }

func (e echo) say(args ...any) []byte { return fmt.Appendf(nil, "%+v", args) }

func (e echo) Info(context.Context) (hsm.Info, error) {
	return filled[hsm.Info](), nil
}

func (e echo) Capabilities(context.Context) (hsm.Capabilities, error) {
	return filled[hsm.Capabilities](), e.err
}

func (e echo) Generate(_ context.Context, s hsm.KeySpec) (hsm.Key, error) {
	k := filled[hsm.Key]()
	k.ID = string(e.say(s))
	return k, e.err
}

func (e echo) Keys(_ context.Context, p hsm.Purpose) ([]hsm.Key, error) {
	return []hsm.Key{{Purpose: p}, {ID: "2"}}, e.err
}

func (e echo) Find(_ context.Context, id string) (hsm.Key, error) { return hsm.Key{ID: id}, e.err }
func (e echo) Destroy(_ context.Context, id string) error         { return e.also(id) }
func (e echo) DestroyObject(_ context.Context, id string) error   { return e.also(id) }

func (e echo) also(id string) error {
	if e.err == nil && id != "id" {
		return errors.New(id)
	}
	return e.err
}

func (e echo) Encrypt(_ context.Context, id string, p *secret.Bytes, aad []byte) ([]byte, error) {
	return e.say(id, p.Reveal(), aad), e.err
}

func (e echo) Decrypt(_ context.Context, id string, c, aad []byte) (*secret.Bytes, error) {
	return secret.New(e.say(id, c, aad)), e.err
}

func (e echo) Wrap(_ context.Context, id string, v *secret.Bytes) (hsm.WrappedKey, error) {
	return hsm.WrappedKey{RootKey: id, Value: v.Reveal()}, e.err // the frame's own memory
}

func (e echo) EncryptWrapped(_ context.Context, k hsm.WrappedKey, p *secret.Bytes, aad []byte) ([]byte, error) {
	return e.say(k, p.Reveal(), aad), e.err
}

func (e echo) DecryptWrapped(_ context.Context, k hsm.WrappedKey, c, aad []byte) (*secret.Bytes, error) {
	return secret.New(e.say(k, c, aad)), e.err
}

func (e echo) GenerateObject(_ context.Context, s hsm.ObjectSpec) (hsm.Object, error) {
	o := filled[hsm.Object]()
	o.ID = string(e.say(s))
	return o, e.err
}
func (e echo) Objects(context.Context) ([]string, error) { return []string{"a", "b"}, e.err }

func (e echo) ObjectEncrypt(_ context.Context, id string, r hsm.CipherRequest) ([]byte, error) {
	return e.say(id, r), e.err
}

func (e echo) ObjectDecrypt(_ context.Context, id string, r hsm.CipherRequest) ([]byte, error) {
	return e.say(id, r), e.err
}

func (e echo) ObjectSign(_ context.Context, id string, r hsm.SignRequest) ([]byte, error) {
	return e.say(id, r), e.err
}

func (e echo) ObjectMAC(_ context.Context, id string, r hsm.MACRequest) ([]byte, error) {
	return e.say(id, r), e.err
}
func (e echo) Random(_ context.Context, n int) ([]byte, error) { return e.say(n), e.err }
func (e echo) Check(context.Context) error                     { return e.err }
func (e echo) Close() error                                    { return nil }

// filled is a value with something in each of its fields, also in those that were
// added since this was written.
func filled[T any]() T {
	var out T
	v := reflect.ValueOf(&out).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int:
			f.SetInt(int64(100 + i))
		case reflect.Uint:
			f.SetUint(uint64(1 + i))
		case reflect.String:
			f.SetString(v.Type().Field(i).Name)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			if e := f.Index(0); e.Kind() == reflect.String {
				e.SetString("element")
			} else {
				e.SetUint(uint64(1 + i))
			}
		default:
			panic("fill " + f.Kind().String())
		}
	}
	return out
}

// over serves a token over a pipe in this process.
func over(t *testing.T, token hsm.Token) *Token {
	t.Helper()
	cfg, err := Config{Command: nil, Name: "piped"}.piped()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	go func() {
		_ = Serve(context.Background(), theirs, func(context.Context, []byte, PINSource) (hsm.Token, error) { return token, nil })
	}()
	p := connect(&cfg, ours, func() { _ = ours.Close() })
	close(p.ended)
	if err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return &Token{cfg: cfg, current: p, info: p.info, changed: make(chan struct{})}
}

// calls are all methods that go to the worker.
var calls = map[string]func(context.Context, hsm.Token) (any, error){
	"Info":         func(ctx context.Context, t hsm.Token) (any, error) { return t.Info(ctx) },
	"Capabilities": func(ctx context.Context, t hsm.Token) (any, error) { return t.Capabilities(ctx) },
	"Generate": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.Generate(ctx, filled[hsm.KeySpec]())
	},
	"Keys":    func(ctx context.Context, t hsm.Token) (any, error) { return t.Keys(ctx, hsm.PurposeSeal) },
	"Find":    func(ctx context.Context, t hsm.Token) (any, error) { return t.Find(ctx, "id") },
	"Destroy": func(ctx context.Context, t hsm.Token) (any, error) { return nil, t.Destroy(ctx, "id") },
	"Encrypt": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.Encrypt(ctx, "id", secret.Copy([]byte("plain")), []byte("aad"))
	},
	"Encrypt nothing": func(ctx context.Context, t hsm.Token) (any, error) { return t.Encrypt(ctx, "", nil, nil) },
	"Decrypt": func(ctx context.Context, t hsm.Token) (any, error) {
		s, err := t.Decrypt(ctx, "id", []byte("cipher"), []byte("aad"))
		return string(s.Reveal()), err
	},
	"Wrap": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.Wrap(ctx, "id", secret.Copy([]byte("value")))
	},
	"EncryptWrapped": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.EncryptWrapped(ctx, filled[hsm.WrappedKey](), secret.Copy([]byte("plain")), []byte("aad"))
	},
	"DecryptWrapped": func(ctx context.Context, t hsm.Token) (any, error) {
		s, err := t.DecryptWrapped(ctx, filled[hsm.WrappedKey](), []byte("cipher"), []byte("aad"))
		return string(s.Reveal()), err
	},
	"GenerateObject": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.GenerateObject(ctx, filled[hsm.ObjectSpec]())
	},
	"Objects":       func(ctx context.Context, t hsm.Token) (any, error) { return t.Objects(ctx) },
	"DestroyObject": func(ctx context.Context, t hsm.Token) (any, error) { return nil, t.DestroyObject(ctx, "id") },
	"ObjectEncrypt": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.ObjectEncrypt(ctx, "id", filled[hsm.CipherRequest]())
	},
	"ObjectDecrypt": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.ObjectDecrypt(ctx, "id", filled[hsm.CipherRequest]())
	},
	"ObjectSign": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.ObjectSign(ctx, "id", filled[hsm.SignRequest]())
	},
	"ObjectMAC": func(ctx context.Context, t hsm.Token) (any, error) {
		return t.ObjectMAC(ctx, "id", filled[hsm.MACRequest]())
	},
	"Random": func(ctx context.Context, t hsm.Token) (any, error) { return t.Random(ctx, -3) },
	"Check":  func(ctx context.Context, t hsm.Token) (any, error) { return nil, t.Check(ctx) },
}

func TestMethodsAnswerAsTheTokenDoes(t *testing.T) {
	for _, failing := range []error{nil, fmt.Errorf("no: %w", hsm.ErrIntegrity)} {
		inline := echo{failing}
		token := over(t, inline)
		for name, call := range calls {
			want, wantErr := call(t.Context(), inline)
			got, err := call(t.Context(), token)
			if failing == nil || name == "Info" {
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
					t.Errorf("%s: %v, -inline +worker:\n%s", name, err, diff)
				}
				continue
			}
			if err == nil || err.Error() != wantErr.Error() || !errors.Is(err, hsm.ErrIntegrity) {
				t.Errorf("%s: error %v, inline %v", name, err, wantErr)
			}
		}
	}
}

func TestTooMuchIsRefusedBeforeItIsSent(t *testing.T) {
	token := over(t, echo{})
	_, err := token.ObjectEncrypt(t.Context(), "id", hsm.CipherRequest{Data: make([]byte, maxFrameBytes)})
	if !errors.Is(err, hsm.ErrUnsupported) || !strings.Contains(err.Error(), "at most") {
		t.Errorf("ObjectEncrypt = %v, want ErrUnsupported", err)
	}
	if err := token.Check(t.Context()); err != nil {
		t.Errorf("Check after it: %v", err)
	}
}
