package seal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/claviger/claviger/hsm"
)

// Member is a token that a ring may use. The ring opens it, again and again until
// it opens, and closes it.
type Member struct {
	// Name is how it is called as long as nothing else is known of it.
	Name string
	Open func(context.Context) (hsm.Token, error)

	opened bool // New opens it
}

// Opened is a member that is open already; it stays the caller's to close.
func Opened(token hsm.Token) Member {
	return Member{Open: func(context.Context) (hsm.Token, error) { return borrowed{token}, nil }, opened: true}
}

// borrowed is a token that somebody else closes.
type borrowed struct{ hsm.Token }

func (borrowed) Close() error { return nil }

// retrier is a token that stops after a refused PIN until an operator acts, and
// can be told that one has.
type retrier interface{ Retry(context.Context) error }

// member is a Member with what is known of it.
type member struct {
	Member
	opening sync.Mutex // held while it is being opened

	mu     sync.Mutex // guards what follows
	token  hsm.Token  // nil until it was opened
	info   hsm.Info
	ill    error     // what it failed with last; nil when it is well
	since  time.Time // when ill became what it is
	failed int       // attempts to open it that failed, in a row
	next   time.Time // not opened again before
	unfit  bool      // an unfit root key is used
	// prepared are root keys that were made for it, until a copy is under them.
	prepared rootPair
	stopped  bool // its PIN was refused, or too many logins had no answer: it is not opened until Retry
	logins   int  // that had no answer, in a row
	// unneeded is what the token said last of root keys that are gone and that no
	// copy is under.
	unneeded string
}

func (m *member) get() (hsm.Token, hsm.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token, m.info, m.ill
}

// name is what an operator knows the member by.
func (m *member) name() string {
	_, info, _ := m.get()
	switch {
	case info.Label != "":
		return fmt.Sprintf("token %q", info.Label)
	case m.Name != "":
		return fmt.Sprintf("token %q", m.Name)
	}
	return "token " + info.Serial
}

// both joins errors in one line.
func both(a, b error) error {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	return fmt.Errorf("%w; %w", a, b)
}

// named says whose error it is, unless that says so itself.
func (m *member) named(err error) error {
	if name := m.name(); !strings.HasPrefix(err.Error(), name) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// note remembers how the member is; it returns whether that is news.
func (m *member) note(err error, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	news := (err == nil) != (m.ill == nil)
	if news {
		m.since = now
	}
	m.ill = err
	return news
}

// open opens the member unless it is open or was stopped.
func (m *member) open(ctx context.Context, now time.Time) error {
	m.opening.Lock()
	defer m.opening.Unlock()
	m.mu.Lock()
	token, wait, ill := m.token, m.stopped || now.Before(m.next), m.ill
	m.mu.Unlock()
	switch {
	case token != nil:
		return nil
	case wait:
		return ill
	}
	token, err := m.Open(ctx)
	var info hsm.Info
	if err == nil {
		if info, err = token.Info(ctx); err != nil {
			_ = token.Close() // what went wrong before tells more
		}
	}
	err = m.countLogin(err)
	m.note(err, now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.stopped = errors.Is(err, hsm.ErrPIN) || m.logins >= hsm.MaxLogins
		m.next = now.Add(min(watchInterval<<m.failed, openPause) - watchInterval/2)
		m.failed = min(m.failed+1, 8)
		return err
	}
	m.failed, m.logins = 0, 0
	m.token, m.info = token, info
	return nil
}

// countLogin counts logins without an answer, and says so when there were too many.
func (m *member) countLogin(err error) error {
	if !errors.Is(err, hsm.ErrLogin) {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.logins++; m.logins < hsm.MaxLogins {
		return err
	}
	return fmt.Errorf("%w, like %d in a row: no other is made until an operator asks for it (claviger unseal, or claviger root retry)", err, m.logins)
}

func (m *member) close() {
	m.mu.Lock()
	token := m.token
	m.token, m.stopped, m.ill = nil, true, hsm.ErrClosed
	m.mu.Unlock()
	if token != nil {
		_ = token.Close()
	}
}

// handle is an opened member, for one use.
type handle struct {
	*member
	hsm.Token
	serial string
}

// handles are the members that are open, not retired, and among those asked for;
// the well ones first, each in the order of preference.
func (r *Ring) handles(among func(serial string) bool) []handle {
	retired := r.retired.Load()
	var well, ill []handle
	for _, m := range r.members {
		token, info, err := m.get()
		if token == nil || (*retired)[info.Serial] || among != nil && !among(info.Serial) {
			continue
		}
		if h := (handle{m, token, info.Serial}); err == nil {
			well = append(well, h)
		} else {
			ill = append(ill, h)
		}
	}
	return append(well, ill...)
}

// away tells why no token answers: what each of them failed with.
func (r *Ring) away() error {
	var failed error
	for _, m := range r.members {
		if _, _, err := m.get(); err != nil {
			failed = both(failed, m.named(err))
		}
	}
	if failed == nil {
		return errNoToken
	}
	return failed
}

var errNoToken = fmt.Errorf("no token is open: %w", hsm.ErrUnavailable)

// isOfToken tells errors that say something of the token from those that say
// something of what was asked.
func isOfToken(err error) bool {
	for _, kind := range []error{hsm.ErrUnavailable, hsm.ErrPIN, hsm.ErrNotFound, hsm.ErrExtractable, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return !errors.Is(err, hsm.ErrIntegrity)
		}
	}
	return false
}

// each asks tokens, one after the other, until one answers. A token that fails
// counts as ill until Watch finds it well. An answer that is about what was asked
// ends the search unless last tells that another token may know better, or the
// token says that it cannot do that: another may.
func each[T any](ctx context.Context, r *Ring, list []handle, last func(error) bool, op func(context.Context, handle) (T, error)) (T, error) {
	var zero T
	if len(list) == 0 {
		return zero, r.away()
	}
	var ofToken, ofRequest error
	for i, h := range list {
		value, err := attempt(ctx, r, h, i < len(list)-1, op)
		if err == nil {
			return value, nil
		}
		if ended := ctx.Err(); ended != nil {
			return zero, hsm.ContextErr(ctx)
		}
		if isOfToken(err) {
			r.blame(ctx, h, err)
			ofToken = both(ofToken, h.named(err))
			continue
		}
		if last(err) && (len(list) == 1 || !errors.Is(err, hsm.ErrUnsupported)) {
			return zero, err
		}
		r.log.ErrorContext(ctx, "a token answers with what cannot be used; another is asked", "token", h.name(), "error", err)
		ofRequest = both(ofRequest, h.named(err))
	}
	if ofToken != nil { // a token that is away may know better
		return zero, ofToken
	}
	return zero, ofRequest
}

// attempt asks one token; when there are others, not for longer than they need.
func attempt[T any](ctx context.Context, r *Ring, h handle, others bool, op func(context.Context, handle) (T, error)) (T, error) {
	if others {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.patience)
		defer cancel()
	}
	return op(ctx, h)
}

func anyAnswer(error) bool { return true }

func notIntegrity(err error) bool { return !errors.Is(err, hsm.ErrIntegrity) }

// note remembers and logs how a token is.
func (r *Ring) note(ctx context.Context, m *member, err error) {
	if !m.note(err, r.now()) {
		return
	}
	if err != nil {
		r.log.WarnContext(ctx, "a token is not well", "token", m.name(), "error", err)
	} else {
		r.log.InfoContext(ctx, "a token is well again", "token", m.name())
	}
}

// watchInterval is how often Watch looks after the tokens.
const watchInterval = time.Second

// openPause is the longest pause between attempts to open a token.
const openPause = 5 * time.Second

// Limits of opening a token, which may load and log in to something slow, and of
// checking one.
const (
	openMemberTimeout = 30 * time.Second
	checkTimeout      = 5 * time.Second
)

// Watch opens the tokens that are not open yet and checks those that are, until
// ctx ends. It also follows what other nodes do with generations and tokens.
func (r *Ring) Watch(ctx context.Context) {
	var wg sync.WaitGroup
	every := func(do func()) {
		wg.Go(func() {
			tick := time.NewTicker(watchInterval)
			defer tick.Stop()
			for {
				do()
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	for _, m := range r.members {
		every(func() { r.tend(ctx, m) })
	}
	every(func() {
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "the generations of domain keys could not be read", "error", err)
		}
	})
	wg.Wait()
}

// Tend opens and checks all tokens once, side by side.
func (r *Ring) Tend(ctx context.Context) {
	var wg sync.WaitGroup
	for _, m := range r.members {
		wg.Go(func() { r.tend(ctx, m) })
	}
	wg.Wait()
}

func (r *Ring) tend(ctx context.Context, m *member) {
	token, info, _ := m.get()
	if token == nil {
		r.openMember(ctx, m)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := r.check(ctx, handle{m, token, info.Serial})
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the caller ends
	}
	if err == nil { // it may have come back with another description
		if info, err = token.Info(ctx); err == nil {
			m.mu.Lock()
			m.info = info
			m.mu.Unlock()
		}
	}
	r.note(ctx, m, err)
}

func (r *Ring) openMember(ctx context.Context, m *member) {
	_, _, before := m.get()
	ctx, cancel := context.WithTimeout(ctx, openMemberTimeout)
	defer cancel()
	err := m.open(ctx, r.now())
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case err == nil:
		r.log.InfoContext(ctx, "a token is open", "token", m.name())
		r.examine(ctx, m)
	case before == nil || before.Error() != err.Error():
		r.log.WarnContext(ctx, "a token cannot be opened", "token", m.name(), "error", err)
	}
}

// examine looks at the root keys of a token that was opened just now: unfit ones
// are refused, or noted if that is accepted.
func (r *Ring) examine(ctx context.Context, m *member) {
	token, info, _ := m.get()
	if token == nil {
		return
	}
	if _, err := r.currentRoot(ctx, handle{m, token, info.Serial}); errors.Is(err, hsm.ErrExtractable) {
		r.note(ctx, m, err)
	}
}

// Retry is an operator's word that what made tokens stop has been put right: each
// may be opened, and log in, once more. Only the members with the given names are
// meant, or all when none is given.
func (r *Ring) Retry(ctx context.Context, names ...string) {
	for _, m := range r.members {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		m.mu.Lock()
		token := m.token
		m.stopped, m.next = false, time.Time{}
		m.logins = min(m.logins, hsm.MaxLogins-1) // once more
		m.mu.Unlock()
		if again, ok := token.(retrier); ok {
			r.note(ctx, m, again.Retry(ctx))
		}
	}
	r.Tend(ctx)
}
