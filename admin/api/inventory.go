package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger/claviger/admin/report"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

type inventoryInput struct {
	Format string   `query:"format" enum:"csv,json" default:"json"`
	Domain []string `query:"domain,explode" maxItems:"1000" doc:"all domains when none is named"`
}

func (a *api) inventory(ctx context.Context, in *inventoryInput) (*huma.StreamResponse, error) {
	domains, err := a.reportDomains(ctx, in.Domain)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	status, sc := a.currentStatus(ctx), a.scope(ctx, "")
	inv, err := report.NewInventory(ctx, in.Format, report.Header{
		GeneratedAt: a.Now().UTC(), GeneratedBy: sc.Principal.Actor(), Node: status.Node, Product: "Claviger",
		Version: status.Version, Protection: protection(status.Root), Domains: domains,
	}, func(ctx context.Context, each func(custody.Summary) error) error {
		return a.Custody.Inventory(ctx, sc, domains, each)
	})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer func() { _ = inv.Close() }()
		kind := "application/json"
		if in.Format == report.CSV {
			kind = "text/csv; charset=utf-8; header=present"
		}
		h.SetHeader("Content-Type", kind)
		h.SetHeader("Content-Disposition", `attachment; filename="inventory.`+in.Format+`"`)
		if _, err := inv.WriteTo(h.BodyWriter()); err != nil {
			a.Log.WarnContext(ctx, "report was not written to its end", "error", err)
			panic(http.ErrAbortHandler) // so that the reader sees that its end is missing
		}
	}}, nil
}

// reportDomains checks the domains that were named; all when none was.
func (a *api) reportDomains(ctx context.Context, named []string) ([]string, error) {
	list, err := a.Custody.Domains(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, err
	}
	all := make([]string, 0, len(list))
	for _, d := range list {
		all = append(all, d.Name)
	}
	for _, name := range named {
		if !slices.Contains(all, name) {
			return nil, kmip.Fail(kmip.KindObjectNotFound, "no domain %q", name)
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	return all, nil
}
