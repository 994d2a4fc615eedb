package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Audit is a page of the audit.
type Audit struct {
	Entries []audit.Entry `json:"entries"`
	Next    int64         `json:"next,omitempty" doc:"before of the next page; none at the end"`
}

type listAuditInput struct {
	Domain    string    `query:"domain" maxLength:"63"`
	UID       string    `query:"uid" maxLength:"1024"`
	Actor     string    `query:"actor" maxLength:"128" doc:"such as client:demo"`
	Operation string    `query:"operation" maxLength:"64"`
	From      time.Time `query:"from"`
	To        time.Time `query:"to"`
	Before    int64     `query:"before" minimum:"0" doc:"next of the page before"`
	Limit     int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *api) audit(ctx context.Context, in *listAuditInput) (*body[Audit], error) {
	list, err := a.Custody.Audit(ctx, a.scope(ctx, ""), store.AuditQuery{
		Domain: in.Domain, UID: in.UID, Actor: in.Actor, Operation: in.Operation,
		From: in.From, To: in.To, Before: in.Before, Limit: in.Limit,
	})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Audit]{Audit{Entries: list}}
	if list == nil {
		out.Body.Entries = []audit.Entry{}
	}
	if len(list) == in.Limit {
		out.Body.Next = list[len(list)-1].Sequence
	}
	return out, nil
}
