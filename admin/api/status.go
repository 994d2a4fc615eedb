package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/admin/report"
)

// Status is how a node is.
type Status struct {
	Version     string    `json:"version"`
	Node        string    `json:"node" doc:"identifier of the running process in the audit"`
	Name        string    `json:"name" doc:"how the node calls itself to clients"`
	Started     time.Time `json:"started"`
	Uptime      int64     `json:"uptime_seconds"`
	Healthy     bool      `json:"healthy"`
	Store       Store     `json:"store"`
	Root        Root      `json:"root_of_trust"`
	Connections int       `json:"kmip_connections" doc:"open KMIP connections"`
}

// Store is the state of the database.
type Store struct {
	Kind    string `json:"kind" doc:"postgres or sqlite"`
	Healthy bool   `json:"healthy"`
	Detail  string `json:"detail,omitempty" doc:"what is wrong"`
}

// Root is the state of the root of trust. A software root key is never called
// anything else.
type Root struct {
	Kind     string `json:"kind" doc:"software or pkcs11"`
	Label    string `json:"label,omitempty" doc:"of the token"`
	Mode     string `json:"mode,omitempty" doc:"envelope or direct"`
	Hardware bool   `json:"hardware" doc:"the token declares itself hardware"`
	Healthy  bool   `json:"healthy"`
	Detail   string `json:"detail,omitempty" doc:"what is wrong"`
}

type body[T any] struct {
	Body T
}

func (a *api) status(ctx context.Context, _ *struct{}) (*body[Status], error) {
	if err := a.Custody.ReadStatus(ctx, a.scope(ctx, "")); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Status]{a.currentStatus(ctx)}, nil
}

// currentStatus makes sure that software claims to be nothing else.
func (a *api) currentStatus(ctx context.Context) Status {
	s := a.Status(ctx)
	if s.Version == "" {
		s.Version = a.Version
	}
	if s.Root.Kind == "software" {
		s.Root.Hardware = false
	}
	return s
}

func protection(r Root) string {
	return report.Protection(report.Root{Kind: r.Kind, Label: r.Label, Hardware: r.Hardware})
}
