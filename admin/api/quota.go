package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger/claviger/kmip/custody"
)

// registerQuota lists the routes of what a domain has and may have.
func (a *api) registerQuota(h huma.API) {
	huma.Register(h, get("show-usage", "/domains/{domain}/usage", "Count the objects of a domain"), a.usage)
	huma.Register(h, post("set-quota", "/domains/{domain}/quota", "Bound what a domain may have", http.StatusNoContent), a.setQuota)
}

// Quota bounds what a domain may have.
type Quota struct {
	Objects int64 `json:"objects" minimum:"0" doc:"that are not destroyed; 0: no bound"`
}

// Usage is what a domain has, and may have.
type Usage struct {
	Objects map[string]int64 `json:"objects" doc:"by their stored state, which a date may have overtaken"`
	Quota   Quota            `json:"quota"`
}

func (a *api) usage(ctx context.Context, in *DomainPath) (*body[Usage], error) {
	u, err := a.Custody.DomainUsage(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Usage]{Usage{map[string]int64{}, Quota(u.Quota)}}
	for state, n := range u.Objects {
		out.Body.Objects[state.String()] = n
	}
	return out, nil
}

type setQuotaInput struct {
	DomainPath
	Body Quota
}

func (a *api) setQuota(ctx context.Context, in *setQuotaInput) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.SetQuota(ctx, a.scope(ctx, in.Domain), custody.Quota(in.Body)))
}
