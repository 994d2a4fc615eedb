package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
)

// User is a KMIP user.
type User struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
	Role   string `json:"role,omitempty" doc:"none until a security officer grants one, when whoever makes the user may not"`
}

// Users is a list of users.
type Users struct {
	Users []ListedUser `json:"users"`
}

// ListedUser is a user that an administrator made.
type ListedUser struct {
	User
	Created  time.Time  `json:"created"`
	Disabled *time.Time `json:"disabled,omitempty" doc:"since when its access has ended"`
}

func (a *api) users(ctx context.Context, in *anyDomain) (*body[Users], error) {
	list, err := a.Custody.Users(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Users]{Users{make([]ListedUser, 0, len(list))}}
	for _, u := range list {
		out.Body.Users = append(out.Body.Users, ListedUser{User{u.Domain, u.Name, u.Role}, u.Created, date(u.Disabled)})
	}
	return out, nil
}

// onUser answers what is done to a user.
func (a *api) onUser(do func(*custody.Service, context.Context, *custody.Scope, string) error) func(context.Context, *MemberPath) (*struct{}, error) {
	return func(ctx context.Context, in *MemberPath) (*struct{}, error) {
		return a.nothing(ctx, do(a.Custody, ctx, a.scope(ctx, in.Domain), in.Name))
	}
}

type setPasswordInput struct {
	MemberPath
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true"`
	}
}

func (a *api) setPassword(ctx context.Context, in *setPasswordInput) (*struct{}, error) {
	password := secret.New([]byte(in.Body.Password))
	in.Body.Password = ""
	return a.nothing(ctx, a.Custody.SetPassword(ctx, a.scope(ctx, in.Domain), in.Name, password))
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
