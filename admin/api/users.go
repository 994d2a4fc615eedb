package api

import (
	"context"

	"github.com/claviger/claviger/kmip/secret"
)

// User is a KMIP user.
type User struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
}

// NewUser is a user to be made.
type NewUser struct {
	Name     string `json:"name" minLength:"1" maxLength:"63"`
	Role     string `json:"role,omitempty" maxLength:"63" doc:"full when empty"`
	Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true"`
}

type createUserInput struct {
	InDomain
	Body NewUser
}

func (a *api) createUser(ctx context.Context, in *createUserInput) (*body[User], error) {
	password := secret.New([]byte(in.Body.Password))
	in.Body.Password = ""
	if err := a.Custody.CreateUser(ctx, a.scope(ctx, in.Domain), in.Body.Name, in.Body.Role, password); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[User]{User{in.Domain, in.Body.Name}}, nil
}
