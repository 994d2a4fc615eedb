package custody_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// gate is before a store: while it is closed the moving of objects hangs, and when
// the node is frozen so does every commit.
type gate struct {
	store.Store

	mu      sync.Mutex
	closed  chan struct{} // nil while it is open; guarded by mu
	frozen  chan struct{} // guarded by mu
	arrived chan struct{} // takes a value when something waits
}

func newGate() *gate { return &gate{arrived: make(chan struct{}, 1000)} }

func (g *gate) wrap(s store.Store) store.Store { g.Store = s; return g }

func (g *gate) shut() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	g.closed = c
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.closed = nil
		close(c)
	})
}

func (g *gate) freeze() (thaw func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	g.frozen = c
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.frozen = nil
		close(c)
	})
}

func (g *gate) wait(ctx context.Context, c chan struct{}) error {
	if c == nil {
		return nil
	}
	g.arrived <- struct{}{}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) Reseal(ctx context.Context, objects []store.Object) (int, error) {
	g.mu.Lock()
	c := g.closed
	g.mu.Unlock()
	if err := g.wait(ctx, c); err != nil {
		return 0, err
	}
	return g.Store.Reseal(ctx, objects)
}

func (g *gate) Commit(ctx context.Context, c store.Change) error {
	g.mu.Lock()
	f := g.frozen
	g.mu.Unlock()
	if err := g.wait(ctx, f); err != nil {
		return err
	}
	return g.Store.Commit(ctx, c)
}

// jobNow reads a job.
func jobNow(t *testing.T, s *service.Service, id string) custody.Job {
	t.Helper()
	j, err := s.Job(context.Background(), s.Administrator(""), id)
	if err != nil {
		t.Fatalf("job %s: %v", id, err)
	}
	return j
}

// await waits until a job is in a state.
func await(t *testing.T, s *service.Service, id string, want custody.JobState) custody.Job {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		j := jobNow(t, s, id)
		if j.State == want {
			return j
		}
		if time.Now().After(end) {
			t.Fatalf("job %s is %s (%s), want %s", id, j.State, j.Detail, want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func rotate(t *testing.T, s *service.Service, domain string, mode seal.Mode) *custody.Job {
	t.Helper()
	j, err := s.RotateDomainKey(context.Background(), s.Administrator(""), domain, mode)
	if err != nil {
		t.Fatalf("rotate the key of %s: %v", domain, err)
	}
	return j
}

// generations describes the generations of a domain's key: "1 gone, 2 envelope".
func generations(t *testing.T, s *service.Service, domain string) string {
	t.Helper()
	list, err := s.DomainGenerations(context.Background(), s.Administrator(""), domain)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, g := range list {
		word := string(g.Mode)
		switch {
		case g.Gone:
			word = "gone"
		case g.Closed:
			word += " closed"
		}
		words = append(words, string(rune('0'+g.Number))+" "+word)
	}
	return strings.Join(words, ", ")
}

func material(t *testing.T, s *service.Service, uid string) string {
	t.Helper()
	o, err := s.Get(context.Background(), s.Client("default"), uid, custody.GetOptions{})
	if err != nil {
		t.Fatalf("get %s: %v", uid, err)
	}
	defer o.Destroy()
	return string(o.Key.Material.Reveal())
}

func TestAJobShowsHowFarItIsAndEnds(t *testing.T) {
	g := newGate()
	s := service.With(t, service.Options{Store: g.wrap})
	keys := map[string]string{}
	for range 5 {
		uid := create(t, s, s.Client("default"))
		keys[uid] = material(t, s, uid)
	}
	open := g.shut()
	defer open()
	j := rotate(t, s, "default", "")
	if j.State != custody.JobRunning || j.Kind != custody.JobDomainRotate || j.Domain != "default" || j.From != 1 || j.To != 2 || j.Mode != seal.ModeEnvelope || !strings.Contains(j.By, "root") {
		t.Errorf("the job that was begun: %+v", j)
	}
	<-g.arrived
	for end := time.Now().Add(10 * time.Second); jobNow(t, s, j.ID).Total == 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if now := jobNow(t, s, j.ID); now.State != custody.JobRunning || now.Total != 5 || now.Done != 0 || !now.Ended.IsZero() {
		t.Errorf("the job while it waits: %+v", now)
	}
	fresh := create(t, s, s.Client("default")) // under the new generation already
	if row, err := s.Store.Object(context.Background(), "default", fresh); err != nil || row.Generation != 2 {
		t.Errorf("a key that was made meanwhile is under generation %d, %v; want 2", row.Generation, err)
	}
	open()
	end := await(t, s, j.ID, custody.JobDone)
	if end.Done != 5 || end.Total != 5 || end.Left != 0 || end.Detail != "" || end.Ended.IsZero() {
		t.Errorf("the job at its end: %+v", end)
	}
	for uid, want := range keys {
		if material(t, s, uid) != want {
			t.Errorf("%s is another key", uid)
		}
		if row, err := s.Store.Object(context.Background(), "default", uid); err != nil || row.Generation != 2 {
			t.Errorf("%s is under generation %d, %v; want 2", uid, row.Generation, err)
		}
	}
	if got := generations(t, s, "default"); got != "1 gone, 2 envelope" {
		t.Errorf("generations: %s", got)
	}
}

func TestOneJobAtATimeForADomain(t *testing.T) {
	ctx := context.Background()
	g := newGate()
	s := service.With(t, service.Options{Store: g.wrap})
	if err := s.CreateDomain(ctx, s.Administrator(""), "other", ""); err != nil {
		t.Fatal(err)
	}
	create(t, s, s.Client("default"))
	open := g.shut()
	defer open()
	j := rotate(t, s, "default", "")
	_, err := s.RotateDomainKey(ctx, s.Administrator(""), "default", "")
	wantKind(t, err, kmip.KindWrongState)
	if !strings.Contains(err.Error(), j.ID) {
		t.Errorf("the refusal does not name the job that runs: %v", err)
	}
	await(t, s, rotate(t, s, "other", "").ID, custody.JobDone) // of another domain
	if _, err := s.PauseJob(ctx, s.Administrator(""), j.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.RotateDomainKey(ctx, s.Administrator(""), "default", "") // a paused one has not ended
	wantKind(t, err, kmip.KindWrongState)
	open()
	time.Sleep(1500 * time.Millisecond) // the node sees it with its next note
	if _, err := s.ResumeJob(ctx, s.Administrator(""), j.ID); err != nil {
		t.Fatal(err)
	}
	tend(t, s)
	await(t, s, j.ID, custody.JobDone)
	await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
}

func TestPauseAndResume(t *testing.T) {
	ctx := context.Background()
	g := newGate()
	s := service.With(t, service.Options{Store: g.wrap})
	uid := create(t, s, s.Client("default"))
	want := material(t, s, uid)
	open := g.shut()
	defer open()
	j := rotate(t, s, "default", "")
	<-g.arrived
	if p, err := s.PauseJob(ctx, s.Administrator(""), j.ID); err != nil || p.State != custody.JobPaused {
		t.Fatalf("pause: %+v, %v", p, err)
	}
	_, err := s.PauseJob(ctx, s.Administrator(""), j.ID)
	wantKind(t, err, kmip.KindWrongState)
	time.Sleep(1500 * time.Millisecond) // the node sees it with its next note
	open()
	tend(t, s)
	if now := jobNow(t, s, j.ID); now.State != custody.JobPaused {
		t.Errorf("a paused job is %s after the node has looked for work", now.State)
	}
	if row, err := s.Store.Object(ctx, "default", uid); err != nil || row.Generation != 1 {
		t.Errorf("a paused job has moved an object to generation %d, %v", row.Generation, err)
	}
	if r, err := s.ResumeJob(ctx, s.Administrator(""), j.ID); err != nil || r.State != custody.JobRunning {
		t.Fatalf("resume: %+v, %v", r, err)
	}
	_, err = s.ResumeJob(ctx, s.Administrator(""), j.ID)
	wantKind(t, err, kmip.KindWrongState)
	tend(t, s)
	await(t, s, j.ID, custody.JobDone)
	for _, control := range []func(context.Context, *custody.Scope, string) (custody.Job, error){s.PauseJob, s.ResumeJob} {
		_, err := control(ctx, s.Administrator(""), j.ID)
		wantKind(t, err, kmip.KindWrongState)
		_, err = control(ctx, s.Administrator(""), "nothing")
		wantKind(t, err, kmip.KindObjectNotFound)
	}
	if material(t, s, uid) != want {
		t.Error("it is another key")
	}
}

// tend lets a node do once what it does in the background, and leaves its jobs
// running until the test ends.
func tend(t *testing.T, s *service.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestAnotherNodeTakesAJobOverFromOneThatHangs(t *testing.T) {
	ctx := context.Background()
	g := newGate()
	first := service.With(t, service.Options{Store: g.wrap})
	keys := map[string]string{}
	for range 3 {
		uid := create(t, first, first.Client("default"))
		keys[uid] = material(t, first, uid)
	}
	open := g.shut()
	defer open()
	j := rotate(t, first, "default", "")
	<-g.arrived
	thaw := g.freeze()
	defer thaw()
	second := first.Another(t)
	tend(t, second)
	time.Sleep(300 * time.Millisecond)
	if now := jobNow(t, second, j.ID); now.State != custody.JobRunning || now.Node != j.Node {
		t.Errorf("before the time is over the job was taken: %+v", now)
	}
	first.Clock.Advance(9 * time.Second)
	third := first.Another(t) // looks for work at once
	tend(t, third)
	end := await(t, third, j.ID, custody.JobDone)
	if end.Node == j.Node || end.Done != 3 {
		t.Errorf("the job at its end: %+v, begun by node %s", end, j.Node)
	}
	open()
	thaw()
	first.Halt()
	if now := jobNow(t, third, j.ID); now.State != custody.JobDone || now.Node != end.Node || now.Done != end.Done {
		t.Errorf("the node that hung has changed the job: %+v, want %+v", now, end)
	}
	for uid, want := range keys {
		if material(t, third, uid) != want {
			t.Errorf("%s is another key", uid)
		}
	}
	if n := count(t, third, "domain.rotate-key.end", ""); n != 1 {
		t.Errorf("%d entries tell of the end, want 1", n)
	}
	if err := ctx.Err(); err != nil {
		t.Fatal(err)
	}
}

// count counts audit entries of an operation with an outcome, or any.
func count(t *testing.T, s *service.Service, operation, outcome string) int {
	t.Helper()
	list, err := s.Store.Audit(context.Background(), store.AuditQuery{Operation: operation, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if outcome == "" || string(e.Outcome) == outcome {
			n++
		}
	}
	return n
}

func TestEndedJobsAreKeptForAWhileAndRecorded(t *testing.T) {
	ctx := context.Background()
	s := service.New(t)
	j := rotate(t, s, "default", "")
	await(t, s, j.ID, custody.JobDone)
	for operation, want := range map[string]int{"domain.rotate-key": 3, "domain.rotate-key.end": 1} { // begun, closed, destroyed; the end
		if n := count(t, s, operation, "success"); n != want {
			t.Errorf("%d entries of %s, want %d", n, operation, want)
		}
	}
	list, err := s.Jobs(ctx, s.Administrator(""))
	if err != nil || len(list) != 1 || list[0].ID != j.ID {
		t.Errorf("jobs: %+v, %v", list, err)
	}
	r, err := s.Store.Record(ctx, custody.SystemDomain, "job", j.ID)
	if err != nil || r.Expires.Sub(s.Clock.Now()) < 89*24*time.Hour || r.Expires.Sub(s.Clock.Now()) > 91*24*time.Hour {
		t.Errorf("the record expires %v, %v; want 90 days from %v", r.Expires, err, s.Clock.Now())
	}
	_, err = s.Job(ctx, s.Administrator(""), "nothing")
	wantKind(t, err, kmip.KindObjectNotFound)
}

func TestJobsAreForAdministrators(t *testing.T) {
	ctx := context.Background()
	s := service.New(t)
	client := s.Client("default")
	for name, call := range map[string]func() error{
		"RotateDomainKey":     func() error { _, err := s.RotateDomainKey(ctx, client, "default", ""); return err },
		"EnrollToken":         func() error { _, err := s.EnrollToken(ctx, client, "claviger"); return err },
		"RotateRoot":          func() error { _, err := s.RotateRoot(ctx, client, "claviger"); return err },
		"RetireToken":         func() error { return s.RetireToken(ctx, client, "claviger") },
		"ReinstateToken":      func() error { return s.ReinstateToken(ctx, client, "claviger") },
		"ForgetToken":         func() error { return s.ForgetToken(ctx, client, "claviger") },
		"RemoveRootKey":       func() error { return s.RemoveRootKey(ctx, client, "claviger", "x") },
		"RetryTokens":         func() error { return s.RetryTokens(ctx, client) },
		"Roots":               func() error { _, err := s.Roots(ctx, client); return err },
		"Jobs":                func() error { _, err := s.Jobs(ctx, client); return err },
		"Job":                 func() error { _, err := s.Job(ctx, client, "x"); return err },
		"PauseJob":            func() error { _, err := s.PauseJob(ctx, client, "x"); return err },
		"ResumeJob":           func() error { _, err := s.ResumeJob(ctx, client, "x"); return err },
		"DomainGenerations":   func() error { _, err := s.DomainGenerations(ctx, client, "default"); return err },
		"SetDomainProtection": func() error { return s.SetDomainProtection(ctx, client, "default", true) },
	} {
		if err := call(); kmip.KindOf(err) != kmip.KindPermissionDenied {
			t.Errorf("%s by a client = %v, want it denied", name, err)
		}
	}
	if got := generations(t, s, "default"); got != "1 envelope" {
		t.Errorf("generations after refusals: %s", got)
	}
	if n := count(t, s, policy.ActionDomainRotate, "denied") + count(t, s, policy.ActionDomainRotate, "failure"); n != 1 {
		t.Errorf("%d entries of the refusal, want 1", n)
	}
}

func TestAJobThatFailsSaysWhyAndCanBeResumed(t *testing.T) {
	ctx := context.Background()
	f := &failing{}
	s := service.With(t, service.Options{Store: f.wrap})
	uid := create(t, s, s.Client("default"))
	f.set(errors.New("the disk is full"))
	j := rotate(t, s, "default", "")
	failed := await(t, s, j.ID, custody.JobFailed)
	if !strings.Contains(failed.Detail, "the disk is full") || failed.Ended.IsZero() {
		t.Errorf("the job that failed: %+v", failed)
	}
	if n := count(t, s, "domain.rotate-key.end", "failure"); n != 1 {
		t.Errorf("%d entries tell of the failure, want 1", n)
	}
	f.set(nil)
	if r, err := s.ResumeJob(ctx, s.Administrator(""), j.ID); err != nil || r.Detail != "" || !r.Ended.IsZero() {
		t.Fatalf("resume: %+v, %v", r, err)
	}
	tend(t, s)
	await(t, s, j.ID, custody.JobDone)
	material(t, s, uid)
	if r, err := s.Store.Record(ctx, custody.SystemDomain, "job", j.ID); err != nil || r.Expires.IsZero() {
		t.Errorf("the record of the job that was resumed expires %v, %v", r.Expires, err)
	}
}

// failing is before a store and refuses to move objects.
type failing struct {
	store.Store

	mu  sync.Mutex
	err error // guarded by mu
}

func (f *failing) wrap(s store.Store) store.Store { f.Store = s; return f }

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) Reseal(ctx context.Context, objects []store.Object) (int, error) {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.Store.Reseal(ctx, objects)
}

func TestADamagedJobRecordStopsNoOther(t *testing.T) {
	t.Parallel()
	s := service.New(t)
	ctx := t.Context()
	j := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
	r, err := s.Store.Record(ctx, custody.SystemDomain, "job", j.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.Value[len(r.Value)-1] ^= 1
	r.Revision++
	if err := s.Store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}}); err != nil {
		t.Fatal(err)
	}
	next := await(t, s, rotate(t, s, "default", "").ID, custody.JobDone)
	list, err := s.Jobs(ctx, s.Administrator(""))
	if err != nil || len(list) != 1 || list[0].ID != next.ID {
		t.Errorf("jobs: %v, %v", list, err)
	}
}
