package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/hsm/seal"
)

// Domain is a tenant.
type Domain struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// NewDomain is a domain to be made.
type NewDomain struct {
	Name       string `json:"name" minLength:"1" maxLength:"63"`
	Mode       string `json:"mode,omitempty" enum:"envelope,direct" doc:"how its key is used; as configured when absent"`
	Protection string `json:"protection,omitempty" enum:"software,hardware" doc:"hardware: its keys live in a token, whatever clients ask for"`
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
	if in.Body.Protection == hardware {
		if err := a.Custody.NeedHardware(); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	if err := a.Custody.CreateDomain(ctx, sc, in.Body.Name, seal.Mode(in.Body.Mode)); err != nil {
		return nil, a.problem(ctx, err)
	}
	if in.Body.Protection == hardware {
		if err := a.Custody.SetDomainProtection(ctx, a.scope(ctx, ""), in.Body.Name, true); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	return &body[Domain]{Domain{in.Body.Name, sc.Now}}, nil
}

const hardware = "hardware"

type protectInput struct {
	DomainPath
	Body struct {
		Protection string `json:"protection" enum:"software,hardware"`
	}
}

func (a *api) protectDomain(ctx context.Context, in *protectInput) (*struct{}, error) {
	if err := a.Custody.SetDomainProtection(ctx, a.scope(ctx, ""), in.Domain, in.Body.Protection == hardware); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

// Generation is a generation of a domain's key.
type Generation struct {
	Number int32    `json:"generation"`
	Mode   string   `json:"mode,omitempty" doc:"envelope or direct; absent when its copies are destroyed"`
	State  string   `json:"state" doc:"current, old (still in use), closed, or destroyed"`
	Tokens []string `json:"tokens" doc:"serial numbers of the tokens that hold a copy"`
}

// Generations is a list of generations, oldest first.
type Generations struct {
	Generations []Generation `json:"generations"`
}

// DomainPath names a domain in the path.
type DomainPath struct {
	Domain string `path:"domain" maxLength:"63"`
}

func (a *api) generations(ctx context.Context, in *DomainPath) (*body[Generations], error) {
	list, err := a.Custody.DomainGenerations(ctx, a.scope(ctx, ""), in.Domain)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Generations]{Generations{[]Generation{}}}
	for i, g := range list {
		state := "old"
		switch {
		case g.Gone:
			state = "destroyed"
		case i == len(list)-1:
			state = "current"
		case g.Closed:
			state = "closed"
		}
		out.Body.Generations = append(out.Body.Generations, Generation{g.Number, string(g.Mode), state, append([]string{}, g.Tokens...)})
	}
	return out, nil
}

type rotateDomainInput struct {
	DomainPath
	Body struct {
		Mode string `json:"mode,omitempty" enum:"envelope,direct" doc:"of the new generation; as before when absent"`
	}
}

func (a *api) rotateDomain(ctx context.Context, in *rotateDomainInput) (*body[Job], error) {
	j, err := a.Custody.RotateDomainKey(ctx, a.scope(ctx, ""), in.Domain, seal.Mode(in.Body.Mode))
	return a.job(ctx, j, err)
}
