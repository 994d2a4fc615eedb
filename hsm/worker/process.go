package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

var (
	// errLost: the worker ended, or is about to, before it answered.
	errLost = errors.New("the token worker ended before it answered")
	// errRefused: the worker takes no calls any more, and was not given this one.
	errRefused = errors.New("the token worker takes no calls")
	// errHanging: the worker is replaced because a call hangs in it.
	errHanging = errors.New("a call hangs in the token")
)

// maxCalls bounds the calls that are under way in a worker, also those that
// nobody waits for; others wait.
const maxCalls = 256

// process is one worker and the calls under way in it.
type process struct {
	cfg  *Config
	conn net.Conn
	kill func() // ends the worker at once
	// ended is closed when the worker is reaped; then state tells how it ended.
	ended chan struct{}
	state string
	// pinGiven tells that the worker may have spent an attempt to log in.
	pinGiven atomic.Bool
	// refused is told when the token refuses the PIN after it was opened; set
	// before open.
	refused func(error)

	places chan struct{} // holds one for each of calls

	out   chan []byte   // frames to write
	gone  chan struct{} // closed when nothing more comes from the worker
	leave chan struct{} // closed when the worker is to be replaced
	tells bool          // its token implements Hanging; set before the first call
	info  hsm.Info      // of its token; set before the first call

	mu     sync.Mutex // guards what follows
	calls  map[uint64]*pending
	last   uint64 // identifier
	why    error  // the worker is to be replaced, because
	probed time.Time
}

// pending is a call that is not answered.
type pending struct {
	id     uint64
	op     op
	answer chan message // has room for it; closed when none comes
	hang   *time.Timer
	// full tells that the call had its whole timeout and not only what its caller
	// had left.
	full      bool
	abandoned bool // by its caller
}

// connect speaks to a worker over conn.
func connect(cfg *Config, conn net.Conn, kill func()) *process {
	p := &process{
		cfg: cfg, conn: conn, kill: kill, ended: make(chan struct{}), refused: func(error) {},
		out: make(chan []byte), gone: make(chan struct{}), leave: make(chan struct{}),
		places: make(chan struct{}, maxCalls), calls: map[uint64]*pending{},
	}
	go p.write()
	return p
}

// write writes frames until the connection fails.
func (p *process) write() {
	for {
		select {
		case frame := <-p.out:
			_, err := p.conn.Write(frame)
			clear(frame)
			if err != nil {
				_ = p.conn.Close() // the reader says so
				return
			}
		case <-p.gone:
			return
		}
	}
}

// post gives a message to the writer.
func (p *process) post(ctx context.Context, m message) error {
	frame, err := m.encode()
	if err != nil {
		return err
	}
	select {
	case p.out <- frame:
		return nil
	case <-ctx.Done():
		err = hsm.ContextErr(ctx)
	case <-p.gone:
		err = errRefused
	}
	clear(frame)
	return err
}

// open asks the worker to open its token.
func (p *process) open(ctx context.Context) error {
	m := message{
		kind: kindOpen, left: left(ctx), a: int64(p.cfg.Timeout), b: int64(p.cfg.GenerateTimeout),
		fields: [][]byte{p.cfg.Params},
	}
	opened := make(chan message, 1)
	go p.read(ctx, opened)
	if err := p.post(ctx, m); err != nil && !errors.Is(err, errRefused) {
		return err
	}
	select {
	case m, ok := <-opened:
		if !ok {
			return errLost
		}
		if err := m.err(); err != nil {
			return err
		}
		p.tells = m.a == 1
		return json.Unmarshal(m.field(0), &p.info)
	case <-ctx.Done():
		return hsm.ContextErr(ctx)
	}
}

// left is what ctx has left, in nanoseconds; 0 for no deadline.
func left(ctx context.Context) int64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return int64(max(time.Until(deadline), 1))
}

// read takes what the worker sends until it ends.
func (p *process) read(ctx context.Context, opened chan<- message) {
	in := newFrames(p.conn)
	pinCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer p.lose()
	for {
		m, err := in.next()
		if err != nil {
			break
		}
		switch {
		case m.kind == kindResult:
			p.answered(m)
		case m.kind == kindPINWanted:
			go p.givePIN(pinCtx, m)
		case m.kind == kindHanging:
			p.condemn(errHanging)
		case m.kind == kindOpened && opened != nil:
			opened <- m
			opened = nil
		default:
			p.cfg.Log.ErrorContext(ctx, "the token worker does not keep to the protocol", "token", p.cfg.Name, "kind", int(m.kind))
			p.kill()
		}
	}
	if opened != nil {
		close(opened)
	}
}

// lose ends all calls without an answer.
func (p *process) lose() {
	close(p.gone)
	_ = p.conn.Close()
	p.condemn(errLost)
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.calls {
		p.forget(id, c)
		close(c.answer)
	}
}

// condemn has the worker replaced. It takes no more calls.
func (p *process) condemn(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		p.why = why
		close(p.leave)
	}
}

// reason is why the worker is to be replaced.
func (p *process) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// idle reports whether no call is under way.
func (p *process) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls) == 0
}

// givePIN answers the worker that logs in.
func (p *process) givePIN(ctx context.Context, ask message) {
	ctx, cancel := within(ctx, ask.left)
	defer cancel()
	answer := message{kind: kindPIN, id: ask.id}
	var pin *secret.Bytes
	err := p.reason() // a worker that is to be replaced does not log in any more
	if err == nil {
		pin, err = p.cfg.PIN(ctx)
	}
	if err != nil {
		answer = answer.fail(fmt.Errorf("get the PIN: %w", err))
	} else {
		answer.fields = [][]byte{pin.Reveal()}
		p.pinGiven.Store(true)
	}
	_ = p.post(ctx, answer) // if it has ended, it needs none
	pin.Destroy()
}
