package api

import (
	"context"

	"github.com/claviger/claviger/kmip/secret"
)

// User is a KMIP user.
type User struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
	Role   string `json:"role,omitempty" doc:"none until a security officer grants one, when whoever makes the user may not"`
}

// NewUser is a user to be made.
type NewUser struct {
	Name     string `json:"name" minLength:"1" maxLength:"63"`
	Role     string `json:"role,omitempty" maxLength:"63" doc:"when empty: full, or none if whoever makes the user may not grant a role"`
	Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true"`
}

type createUserInput struct {
	InDomain
	Body NewUser
}

func (a *api) createUser(ctx context.Context, in *createUserInput) (*body[User], error) {
	password := secret.New([]byte(in.Body.Password))
	in.Body.Password = ""
	role, err := a.Custody.AddUser(ctx, a.scope(ctx, in.Domain), in.Body.Name, in.Body.Role, password)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[User]{User{in.Domain, in.Body.Name, role}}, nil
}
