package api

import (
	"context"
	"time"
)

// Domain is a tenant.
type Domain struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// NewDomain is a domain to be made.
type NewDomain struct {
	Name string `json:"name" minLength:"1" maxLength:"63"`
}

// Domains is a list of domains.
type Domains struct {
	Domains []Domain `json:"domains"`
}

func (a *api) domains(ctx context.Context, _ *struct{}) (*body[Domains], error) {
	list, err := a.Custody.Domains(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Domains]{Domains{make([]Domain, 0, len(list))}}
	for _, d := range list {
		out.Body.Domains = append(out.Body.Domains, Domain{d.Name, d.Created})
	}
	return out, nil
}

func (a *api) createDomain(ctx context.Context, in *body[NewDomain]) (*body[Domain], error) {
	sc := a.scope(ctx, "")
	if err := a.Custody.CreateDomain(ctx, sc, in.Body.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Domain]{Domain{in.Body.Name, sc.Now}}, nil
}
