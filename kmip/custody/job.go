package custody

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// JobState is how a Job is.
type JobState string

// The states of jobs.
const (
	JobRunning JobState = "running"
	JobPaused  JobState = "paused"
	JobDone    JobState = "done"
	JobFailed  JobState = "failed"
)

// Kinds of jobs.
const (
	JobDomainRotate = "domain.rotate-key"
	JobRootEnroll   = "root.enroll"
	JobRootRotate   = "root.rotate"
)

// Job is work on the key hierarchy that takes its time. It goes on where it was
// when the node that did it ends: another node, or the same one started again,
// takes it over.
type Job struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Domain string    `json:"domain,omitempty"`
	Token  string    `json:"token,omitempty"` // serial number
	Mode   seal.Mode `json:"mode,omitempty"`
	// From is the generation that was current, and To the new one.
	From int32 `json:"from,omitempty"`
	To   int32 `json:"to,omitempty"`
	// Root names the new root keys.
	Root  string   `json:"root,omitempty"`
	State JobState `json:"state"`
	// Done of Total have been moved; Left could not be, and why.
	Done   int64  `json:"done"`
	Total  int64  `json:"total"`
	Left   int64  `json:"left,omitempty"`
	Detail string `json:"detail,omitempty"`
	// By is who asked for it.
	By      string    `json:"by"`
	Node    string    `json:"node,omitempty"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	Ended   time.Time `json:"ended,omitzero"`
}

func (j *Job) ended() bool { return j.State == JobDone || j.State == JobFailed }

// Times of jobs: how often a node that works writes down how far it is, after how
// long without that another takes over, and how long ended ones are kept.
const (
	jobHeartbeat = time.Second
	jobAbandoned = 8 * time.Second
	jobKept      = 90 * 24 * time.Hour
)

// jobTable is what this node works on.
type jobTable struct {
	node string
	// starting is held from the look at what runs until the new job is written.
	starting sync.Mutex

	mu      sync.Mutex
	running map[string]context.CancelFunc // by identifier; guarded by mu
	wait    sync.WaitGroup
}

// startJob writes a job down and, on the node that is asked, begins it. Only one
// job at a time for a domain or token.
func (s *Service) startJob(ctx context.Context, sc *Scope, action, subject string, plan func() (*Job, error)) (*Job, error) {
	var j *Job
	var r store.Record
	s.jobs.starting.Lock()
	defer s.jobs.starting.Unlock()
	err := s.administer(ctx, sc, action, subject, func() (store.Change, error) {
		var err error
		if j, err = plan(); err != nil {
			return store.Change{}, err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return store.Change{}, err
		}
		open, err := s.readJobs(ctx)
		if err != nil {
			return store.Change{}, err
		}
		for _, other := range open {
			if !other.job.ended() && other.job.Domain == j.Domain && other.job.Token == j.Token {
				return store.Change{}, kmip.Fail(kmip.KindWrongState, "job %s (%s) for it has not ended yet", other.job.ID, other.job.Kind)
			}
		}
		now := sc.Now.Truncate(time.Microsecond)
		j.ID, j.State, j.By, j.Started, j.Updated = id.String(), JobRunning, sc.Principal.Actor(), now, now
		j.Node = s.jobs.node
		r, err = s.sealRecord(ctx, store.Record{Domain: SystemDomain, Kind: recordJob, Key: j.ID, Revision: 1, Created: now}, j)
		return store.Change{AddRecords: []store.Record{r}}, err
	})
	if err != nil {
		return nil, err
	}
	s.begin(j, r)
	return j, nil
}

type jobRecord struct {
	job    *Job
	record store.Record
}

// maxJobs bounds how many jobs are looked at.
const maxJobs = 1000

func (s *Service) readJobs(ctx context.Context) ([]jobRecord, error) {
	records, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordJob, Limit: maxJobs})
	if err != nil {
		return nil, err
	}
	list := make([]jobRecord, 0, len(records))
	for _, r := range records {
		j := &Job{}
		err := s.openRecord(ctx, r, j)
		if kmip.KindOf(err) == kmip.KindIntegrity { // the others go on
			s.log.ErrorContext(ctx, "the record of a job does not authenticate", "job", r.Key, "error", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, jobRecord{j, r})
	}
	return list, nil
}

// Jobs lists the jobs, oldest first; ended ones are kept for 90 days.
func (s *Service) Jobs(ctx context.Context, sc *Scope) ([]Job, error) {
	var list []Job
	err := s.administer(ctx, sc, policy.ActionJobList, "", func() (store.Change, error) {
		records, err := s.readJobs(ctx)
		if err != nil {
			return store.Change{}, err
		}
		list = nil
		for _, r := range records {
			list = append(list, *r.job)
		}
		return store.Change{}, nil
	})
	return list, err
}

// Job returns one job.
func (s *Service) Job(ctx context.Context, sc *Scope, id string) (Job, error) {
	var j Job
	err := s.administer(ctx, sc, policy.ActionJobList, id, func() (store.Change, error) {
		found, err := s.readJob(ctx, id)
		if err == nil {
			j = *found.job
		}
		return store.Change{}, err
	})
	return j, err
}

func (s *Service) readJob(ctx context.Context, id string) (jobRecord, error) {
	r, err := s.store.Record(ctx, SystemDomain, recordJob, id)
	if errors.Is(err, store.ErrNotFound) {
		return jobRecord{}, kmip.Fail(kmip.KindObjectNotFound, "there is no job %q", id)
	}
	if err != nil {
		return jobRecord{}, err
	}
	j := &Job{}
	return jobRecord{j, r}, s.openRecord(ctx, r, j)
}

// PauseJob stops a job where it is.
func (s *Service) PauseJob(ctx context.Context, sc *Scope, id string) (Job, error) {
	return s.controlJob(ctx, sc, id, func(j *Job) error {
		if j.State != JobRunning {
			return kmip.Fail(kmip.KindWrongState, "the job is %s", j.State)
		}
		j.State, j.Node = JobPaused, ""
		return nil
	})
}

// ResumeJob lets a job go on that was paused or has failed.
func (s *Service) ResumeJob(ctx context.Context, sc *Scope, id string) (Job, error) {
	return s.controlJob(ctx, sc, id, func(j *Job) error {
		if j.State != JobPaused && j.State != JobFailed {
			return kmip.Fail(kmip.KindWrongState, "the job is %s", j.State)
		}
		j.State, j.Node, j.Detail, j.Ended = JobRunning, "", "", time.Time{}
		return nil
	})
}

func (s *Service) controlJob(ctx context.Context, sc *Scope, id string, change func(*Job) error) (Job, error) {
	var j Job
	err := s.administer(ctx, sc, policy.ActionJobControl, id, func() (store.Change, error) {
		found, err := s.readJob(ctx, id)
		if err != nil {
			return store.Change{}, err
		}
		if err := change(found.job); err != nil {
			return store.Change{}, err
		}
		j = *found.job
		r := found.record
		r.Revision++
		r.Expires = time.Time{}
		r, err = s.sealRecord(ctx, r, found.job)
		return store.Change{UpdateRecords: []store.Record{r}}, err
	})
	return j, err
}

// takeJobs begins the jobs that run and that no node works on.
func (s *Service) takeJobs(ctx context.Context) error {
	list, err := s.readJobs(ctx)
	if err != nil {
		return err
	}
	for _, found := range list {
		j := found.job
		if j.State != JobRunning || j.Node != "" && s.now().Sub(j.Updated) < jobAbandoned || s.working(j.ID) {
			continue
		}
		if j.Token != "" {
			if _, err := s.sealer.Serial(j.Token); err != nil {
				continue // for a node that has the token
			}
		}
		j.Node = s.jobs.node
		r, err := s.saveJob(ctx, j, found.record)
		if errors.Is(err, store.ErrConflict) {
			continue // another node was faster
		}
		if err != nil {
			return err
		}
		s.log.InfoContext(ctx, "a job is taken over", "job", j.ID, "kind", j.Kind, "done", j.Done, "total", j.Total)
		s.begin(j, r)
	}
	return nil
}

func (s *Service) saveJob(ctx context.Context, j *Job, r store.Record) (store.Record, error) {
	j.Updated = s.now().UTC().Truncate(time.Microsecond)
	r.Revision++
	if j.ended() {
		r.Expires = j.Updated.Add(jobKept)
	}
	r, err := s.sealRecord(ctx, r, j)
	if err != nil {
		return r, err
	}
	return r, s.store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}})
}

func (s *Service) working(id string) bool {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	return s.jobs.running[id] != nil
}

// stopJobs ends the work of this node; the jobs go on elsewhere.
func (s *Service) stopJobs() {
	s.jobs.mu.Lock()
	for _, cancel := range s.jobs.running {
		cancel()
	}
	s.jobs.mu.Unlock()
	s.jobs.wait.Wait()
}

// work is a job that this node does. Its methods are for any goroutine.
type work struct {
	s      *Service
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	job    *Job
	record store.Record // as it was last written

	damaged atomic.Int64 // how often something did not authenticate
}

// errYielded: the job was paused, or another node has it.
var errYielded = errors.New("the job was taken away")

// begin begins a job that is written down as this node's.
func (s *Service) begin(j *Job, r store.Record) {
	ctx, cancel := context.WithCancelCause(context.Background())
	own := *j
	w := &work{s: s, cancel: cancel, job: &own, record: r}
	s.jobs.mu.Lock()
	if s.jobs.running == nil {
		s.jobs.running = map[string]context.CancelFunc{}
	}
	s.jobs.running[j.ID] = func() { cancel(context.Canceled) }
	s.jobs.mu.Unlock()
	s.jobs.wait.Go(func() {
		defer func() {
			cancel(nil)
			s.jobs.mu.Lock()
			delete(s.jobs.running, own.ID)
			s.jobs.mu.Unlock()
		}()
		beating := make(chan struct{})
		go func() { defer close(beating); w.beat(ctx) }()
		err := w.patiently(ctx)
		cause := context.Cause(ctx)
		cancel(nil)
		<-beating
		if cause != nil {
			return // paused, taken away, or this node ends: the job goes on from what is written
		}
		w.end(err)
	})
}

// beat writes down how far the job is until it ends.
func (w *work) beat(ctx context.Context) {
	tick := time.NewTicker(jobHeartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.save(ctx); errors.Is(err, store.ErrConflict) {
			w.cancel(errYielded)
			return
		} else if err != nil && ctx.Err() == nil {
			w.s.log.WarnContext(ctx, "the progress of a job could not be written", "job", w.job.ID, "error", err)
		}
	}
}

// update changes what is known of the job; save makes it durable.
func (w *work) update(change func(*Job)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.job)
}

func (w *work) save(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, err := w.s.saveJob(ctx, w.job, w.record)
	if err == nil {
		w.record = r
	}
	return err
}

// endAttempts bounds how often the end of a job is tried to be written.
const endAttempts = 5

// end writes down how the job ended, with an entry in the audit.
func (w *work) end(err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sc := w.s.jobScope(w.job)
	w.update(func(j *Job) {
		j.State, j.Ended = JobDone, w.s.now().UTC().Truncate(time.Microsecond)
		if err != nil {
			j.State, j.Detail = JobFailed, err.Error()
		}
	})
	for range endAttempts {
		w.mu.Lock()
		r := w.record
		r.Revision++
		r.Expires = w.job.Ended.Add(jobKept)
		w.job.Updated = w.job.Ended
		r, serr := w.s.sealRecord(ctx, r, w.job)
		detail := printable(fmt.Sprintf("%d of %d. %s", w.job.Done, w.job.Total, w.job.Detail))
		w.mu.Unlock()
		if serr == nil {
			e := w.s.entry(sc, w.job.Kind+".end", w.job.ID, err)
			e.Detail = detail
			change := store.Change{UpdateRecords: []store.Record{r}}
			change.Audit = append(change.Audit, e)
			serr = w.s.store.Commit(ctx, change)
		}
		if serr == nil || errors.Is(serr, store.ErrConflict) {
			break
		}
		w.s.log.WarnContext(ctx, "the end of a job could not be written", "job", w.job.ID, "error", serr)
		time.Sleep(jobHeartbeat)
	}
	if err != nil {
		w.s.log.ErrorContext(ctx, "a job has failed", "job", w.job.ID, "kind", w.job.Kind, "error", err)
	} else {
		w.s.log.InfoContext(ctx, "a job is done", "job", w.job.ID, "kind", w.job.Kind, "moved", w.job.Done)
	}
}

// jobScope is the frame of what a job does.
func (s *Service) jobScope(j *Job) *Scope {
	p := Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "job"}}
	return s.Begin(p, j.Domain, "system", "", j.ID)
}

// How often, and for how long in vain, the rotation of a domain waits for a token
// or store that is away.
const (
	waitPause    = 2 * time.Second
	waitAttempts = 150
)

// patiently does the job. The rotation of a domain, which may take hours, waits for
// a token or store that is away, instead of ending with the first failure.
func (w *work) patiently(ctx context.Context) error {
	done := int64(-1)
	for attempt := 0; ; attempt++ {
		err := w.do(ctx)
		if err == nil || w.job.Kind != JobDomainRotate || !isUnavailable(err) || ctx.Err() != nil {
			return err
		}
		w.update(func(j *Job) {
			if j.Done > done {
				done, attempt = j.Done, 0
			}
			j.Detail = "it waits: " + err.Error()
		})
		if attempt >= waitAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitPause):
			w.update(func(j *Job) { j.Detail = "" })
		}
	}
}

func (w *work) do(ctx context.Context) error {
	switch w.job.Kind {
	case JobDomainRotate:
		return w.rotateDomain(ctx)
	case JobRootEnroll:
		return w.enroll(ctx)
	case JobRootRotate:
		return w.rotateRoot(ctx)
	}
	return fmt.Errorf("job %s is of a kind that this version does not know: %q", w.job.ID, w.job.Kind)
}
