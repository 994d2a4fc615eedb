package api

import (
	"context"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip/custody"
)

// RootKey is a root key of a token.
type RootKey struct {
	ID      string `json:"id"`
	Purpose string `json:"purpose" doc:"seal or wrap"`
	State   string `json:"state" doc:"current: new keys are wrapped by it; in use; unused; or foreign: not made by this installation"`
	Copies  int    `json:"copies" doc:"domain keys that are wrapped by it"`
	Unfit   string `json:"unfit,omitempty" doc:"why it is no fit root key"`
}

// RootToken is a token with what it holds.
type RootToken struct {
	Token
	Firmware string    `json:"firmware,omitempty"`
	Enrolled bool      `json:"enrolled"`
	Copies   int       `json:"copies" doc:"domain keys that it holds"`
	Missing  int       `json:"missing" doc:"domain keys that it does not hold"`
	Seal     string    `json:"seal,omitempty" doc:"mechanism that seals"`
	Wrap     string    `json:"wrap,omitempty" doc:"mechanism that wraps; mode direct needs one"`
	Keys     []RootKey `json:"keys"`
}

// Roots is the root of trust of a node.
type Roots struct {
	Tokens []RootToken `json:"tokens"`
}

// TokenOf describes a token.
func TokenOf(s seal.TokenStatus) Token {
	t := Token{
		Kind: string(s.Kind), Label: s.Label, Serial: s.Serial, Model: s.Model, Hardware: s.Hardware, Vouched: s.Vouched,
		Healthy: s.Err == nil, Stopped: s.Stopped, Retired: s.Retired,
	}
	if s.Err != nil {
		t.Detail = s.Err.Error()
	}
	if !s.Since.IsZero() {
		since := s.Since.UTC()
		t.Since = &since
	}
	return t
}

func (a *api) roots(ctx context.Context, _ *struct{}) (*body[Roots], error) {
	list, err := a.Custody.Roots(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Roots]{Roots{[]RootToken{}}}
	for _, r := range list {
		t := RootToken{
			Token: TokenOf(r.TokenStatus), Firmware: r.Firmware, Enrolled: r.Enrolled, Copies: r.Copies, Missing: r.Missing,
			Seal: r.Seal, Wrap: r.Wrap, Keys: []RootKey{},
		}
		for _, k := range r.Keys {
			key := RootKey{ID: k.ID, Purpose: string(k.Purpose), State: "unused", Copies: k.Copies}
			switch {
			case k.Current:
				key.State = "current"
			case k.Copies > 0:
				key.State = "in use"
			case !k.Ours:
				key.State = "foreign"
			}
			if k.Unfit != nil {
				key.Unfit = k.Unfit.Error()
			}
			t.Keys = append(t.Keys, key)
		}
		out.Body.Tokens = append(out.Body.Tokens, t)
	}
	return out, nil
}

type tokenInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"255" doc:"label or serial number"`
	}
}

func (a *api) enrollToken(ctx context.Context, in *tokenInput) (*body[Job], error) {
	j, err := a.Custody.EnrollToken(ctx, a.scope(ctx, ""), in.Body.Token)
	return a.job(ctx, j, err)
}

func (a *api) rotateRoot(ctx context.Context, in *tokenInput) (*body[Job], error) {
	j, err := a.Custody.RotateRoot(ctx, a.scope(ctx, ""), in.Body.Token)
	return a.job(ctx, j, err)
}

// onToken answers a use case on a token that is done at once.
func (a *api) onToken(do func(*custody.Service, context.Context, *custody.Scope, string) error) func(context.Context, *tokenInput) (*struct{}, error) {
	return func(ctx context.Context, in *tokenInput) (*struct{}, error) {
		if err := do(a.Custody, ctx, a.scope(ctx, ""), in.Body.Token); err != nil {
			return nil, a.problem(ctx, err)
		}
		return nil, nil
	}
}

type rootKeyInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"255" doc:"label or serial number"`
		Key   string `json:"key" minLength:"1" maxLength:"255" doc:"identifier of the root key"`
	}
}

func (a *api) removeRootKey(ctx context.Context, in *rootKeyInput) (*struct{}, error) {
	if err := a.Custody.RemoveRootKey(ctx, a.scope(ctx, ""), in.Body.Token, in.Body.Key); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

func (a *api) retryTokens(ctx context.Context, _ *struct{}) (*struct{}, error) {
	if err := a.Custody.RetryTokens(ctx, a.scope(ctx, "")); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}
