package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// OpenFunc opens the token of a worker with the Params of the server's Config.
// pin asks the server; what it returns is destroyed by who asked.
type OpenFunc func(ctx context.Context, params []byte, pin PINSource) (hsm.Token, error)

// Hanging is what a token may tell besides hsm.Token: since when the oldest of
// its operations runs that were given up and have not come back; zero if there
// is none. A token that tells is replaced when one of them outlasts its timeout,
// and only then. Of one that does not tell, a call that was given up at its full
// timeout counts as hanging, which waiting for a session in a crowd does too.
type Hanging interface {
	HangingSince() time.Time
}

// closing bounds how long a worker that ends waits for its token.
const closing = 2 * time.Second

// server is the side of the worker.
type server struct {
	open OpenFunc
	in   *frames

	writing sync.Mutex // guards out
	out     io.Writer

	token hsm.Token // set when opened, before the first call
	watch watch

	mu    sync.Mutex // guards what follows
	calls map[uint64]context.CancelFunc
	pins  map[uint64]chan message
	asked uint64 // PINs
}

// Serve opens a token when the server says so and answers its calls until the
// server closes it, ends, or ctx does. Calls that hang are left behind: the
// process should end after Serve.
func Serve(ctx context.Context, rw io.ReadWriteCloser, open OpenFunc) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = rw.Close() })()
	s := &server{
		open: open, in: newFrames(rw), out: rw,
		calls: map[uint64]context.CancelFunc{}, pins: map[uint64]chan message{},
	}
	s.watch.tell = func() { s.send(message{kind: kindHanging}) }
	m, err := s.in.next()
	if err != nil || m.kind != kindOpen {
		return fmt.Errorf("token worker: nobody asked to open the token: %w", errors.Join(err, errFrame))
	}
	opened := make(chan struct{}) // closed when open has returned
	defer func() {
		cancel()
		s.end(opened)
	}()
	go func() {
		answer := s.start(ctx, m)
		close(opened) // calls may come as soon as the server knows
		s.send(answer)
	}()
	for {
		m, err := s.in.next()
		switch {
		case errors.Is(err, io.EOF), err != nil && ctx.Err() != nil:
			return nil // the server has ended, or we were told to
		case err != nil:
			return fmt.Errorf("token worker: %w", err)
		}
		switch m.kind {
		case kindCall:
			select {
			case <-opened:
			default:
				return fmt.Errorf("token worker: call before the token is open: %w", errFrame)
			}
			s.begin(ctx, m)
		case kindCancel:
			s.mu.Lock()
			if stop, ok := s.calls[m.id]; ok {
				stop()
			}
			s.mu.Unlock()
		case kindPIN:
			s.mu.Lock()
			answer := s.pins[m.id]
			delete(s.pins, m.id)
			s.mu.Unlock()
			if answer == nil {
				m.wipe()
			} else {
				answer <- m // has room
			}
		case kindClose:
			return nil
		default:
			return fmt.Errorf("token worker: message of kind %d: %w", m.kind, errFrame)
		}
	}
}

// end closes the token, and does not wait long.
func (s *server) end(opened <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-opened
		if s.token != nil {
			_ = s.token.Close() // nobody is left to tell
		}
	}()
	select {
	case <-done:
	case <-time.After(closing):
	}
}

// start opens the token and returns what to say of it.
func (s *server) start(ctx context.Context, m message) message {
	ctx, cancel := within(ctx, m.left)
	defer cancel()
	s.watch.usual, s.watch.generate = time.Duration(m.a), time.Duration(m.b)
	answer := message{kind: kindOpened}
	token, err := s.open(ctx, m.field(0), s.pin)
	if err == nil {
		var info hsm.Info
		if info, err = token.Info(ctx); err == nil {
			s.token = token
			s.watch.token, _ = token.(Hanging)
			if s.watch.token != nil {
				answer.a = 1
			}
			var text []byte
			text, err = json.Marshal(info)
			answer.fields = [][]byte{text}
		} else {
			_ = token.Close() // the first error tells more
		}
	}
	if err != nil {
		answer = answer.fail(err)
	}
	return answer
}

func within(ctx context.Context, left int64) (context.Context, context.CancelFunc) {
	if left == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(left))
}

// begin does a call in a goroutine of its own. The server bounds how many are
// under way.
func (s *server) begin(ctx context.Context, m message) {
	ctx, cancel := within(ctx, m.left)
	s.mu.Lock()
	s.calls[m.id] = cancel
	s.mu.Unlock()
	go func() {
		answer, err := dispatch(ctx, s.token, m)
		if err != nil {
			answer = message{}.fail(err)
		}
		answer.kind, answer.op, answer.id = kindResult, m.op, m.id
		frame := sealed(answer)
		m.wipe() // the answer may have been in it
		givenUp := err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded))
		s.mu.Lock()
		delete(s.calls, m.id)
		s.mu.Unlock()
		cancel()
		s.write(frame)
		if givenUp {
			s.watch.look(m.op)
		}
	}()
}

// send writes a message. What cannot be sent ends nothing here: the reader sees
// the same trouble.
func (s *server) send(m message) { s.write(sealed(m)) }

// sealed is the frame of a message, or of the error that it is too large. It
// destroys the secret of the message.
func sealed(m message) []byte {
	frame, err := m.encode()
	m.secret.Destroy()
	if err != nil {
		m = message{kind: m.kind, op: m.op, id: m.id}.fail(err)
		frame, _ = m.encode() // a text is not too large
	}
	return frame
}

// write writes a frame and overwrites it.
func (s *server) write(frame []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, _ = s.out.Write(frame)
	clear(frame)
}

// pin asks the server for the PIN.
func (s *server) pin(ctx context.Context) (*secret.Bytes, error) {
	ask := message{kind: kindPINWanted}
	if deadline, ok := ctx.Deadline(); ok {
		ask.left = int64(max(time.Until(deadline), 1))
	}
	answer := make(chan message, 1)
	s.mu.Lock()
	s.asked++
	ask.id = s.asked
	s.pins[ask.id] = answer
	s.mu.Unlock()
	s.send(ask)
	select {
	case m := <-answer:
		if err := m.err(); err != nil {
			return nil, err
		}
		return secret.New(m.field(0)), nil
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.pins, ask.id)
		s.mu.Unlock()
		select {
		case m := <-answer:
			m.wipe()
		default:
		}
		return nil, hsm.ContextErr(ctx)
	}
}
