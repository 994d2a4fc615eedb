package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip/custody"
)

// Job is work on the key hierarchy that takes its time.
type Job struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind" doc:"domain.rotate-key, root.enroll or root.rotate"`
	Domain  string     `json:"domain,omitempty"`
	Token   string     `json:"token,omitempty" doc:"serial number"`
	Mode    string     `json:"mode,omitempty" doc:"of the new generation"`
	State   string     `json:"state" doc:"running, paused, done or failed"`
	Done    int64      `json:"done"`
	Total   int64      `json:"total"`
	Left    int64      `json:"left,omitempty" doc:"how many could not be moved"`
	From    int32      `json:"from,omitempty" doc:"generation"`
	To      int32      `json:"to,omitempty" doc:"generation"`
	Root    string     `json:"root_keys,omitempty" doc:"identifiers of the new root keys"`
	By      string     `json:"by"`
	Node    string     `json:"node,omitempty"`
	Started time.Time  `json:"started"`
	Updated time.Time  `json:"updated"`
	Ended   *time.Time `json:"ended,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

func jobOf(j custody.Job) Job {
	out := Job{
		ID: j.ID, Kind: j.Kind, Domain: j.Domain, Token: j.Token, Mode: string(j.Mode), State: string(j.State), Done: j.Done, Total: j.Total, Left: j.Left,
		From: j.From, To: j.To, Root: j.Root, By: j.By, Node: j.Node, Started: j.Started, Updated: j.Updated, Detail: j.Detail,
	}
	if !j.Ended.IsZero() {
		out.Ended = &j.Ended
	}
	return out
}

// Jobs is a list of jobs.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

type jobPath struct {
	ID string `path:"id" maxLength:"64"`
}

// job answers with a job that was begun.
func (a *api) job(ctx context.Context, j *custody.Job, err error) (*body[Job], error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Job]{jobOf(*j)}, nil
}

func (a *api) jobs(ctx context.Context, _ *struct{}) (*body[Jobs], error) {
	list, err := a.Custody.Jobs(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Jobs]{Jobs{[]Job{}}}
	for _, j := range list {
		out.Body.Jobs = append(out.Body.Jobs, jobOf(j))
	}
	return out, nil
}

func (a *api) showJob(ctx context.Context, in *jobPath) (*body[Job], error) {
	j, err := a.Custody.Job(ctx, a.scope(ctx, ""), in.ID)
	return a.job(ctx, &j, err)
}

func (a *api) pauseJob(ctx context.Context, in *jobPath) (*body[Job], error) {
	j, err := a.Custody.PauseJob(ctx, a.scope(ctx, ""), in.ID)
	return a.job(ctx, &j, err)
}

func (a *api) resumeJob(ctx context.Context, in *jobPath) (*body[Job], error) {
	j, err := a.Custody.ResumeJob(ctx, a.scope(ctx, ""), in.ID)
	return a.job(ctx, &j, err)
}
