package custody

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/store"
)

// Bounds of cryptographic operations in several parts. Each holds at most
// crypto.MaxStreamBytes.
const (
	maxStreams          = 2048 // on one node
	maxStreamsOfOne     = 64   // of one client or user
	streamIdle          = 5 * time.Minute
	streamLife          = 24 * time.Hour
	correlationBytes    = 16
	maxCorrelationBytes = 64 // of those that are looked up
)

// Part says which part of an operation in several parts (§6.1.17, Init
// Indicator and Final Indicator) a call is. The zero value is an operation in
// one part.
type Part struct {
	Correlation []byte // of an operation that has begun
	Init, Final bool
}

// Single reports whether the call is the whole operation.
func (p Part) Single() bool { return p.Correlation == nil && (!p.Init || p.Final) }

// Parted is what a part of an operation gives.
type Parted struct {
	UID         string
	Data        []byte // output of a cipher
	IV          []byte // made here, with the first part
	Tag         []byte // with the last part, like all that follows
	Code        []byte // signature, MAC or digest
	Valid       bool
	Done        bool   // this was the last part
	Correlation []byte // of the parts to come
}

// stream is an operation that has begun. Whoever has taken it from the table
// owns it.
type stream struct {
	crypto.Stream
	owner, domain, action, uid string
	begun, used                time.Time
}

// streamTable holds the operations that have begun on this node. They are lost
// with it, as those of a token are.
type streamTable struct {
	mu    sync.Mutex
	known map[string]*stream // by correlation value; guarded by mu
	busy  map[string]int     // owner → streams that are open, also those taken; guarded by mu
	count int                // guarded by mu
}

// admit makes room for one more stream of an owner.
func (t *streamTable) admit(owner string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count >= maxStreams || t.busy[owner] >= maxStreamsOfOne {
		return kmip.Fail(kmip.KindTooMany, "too many cryptographic operations in several parts are open; finish some")
	}
	if t.busy == nil {
		t.busy = map[string]int{}
	}
	t.busy[owner]++
	t.count++
	return nil
}

// take gives a stream to the caller, who alone has it until put or drop.
func (t *streamTable) take(correlation []byte, match func(*stream) bool) *stream {
	if len(correlation) > maxCorrelationBytes {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.known[string(correlation)]
	if st == nil || !match(st) {
		return nil
	}
	delete(t.known, string(correlation))
	return st
}

func (t *streamTable) put(correlation []byte, st *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]*stream{}
	}
	t.known[string(correlation)] = st
}

// drop ends a stream that was taken or never put.
func (t *streamTable) drop(st *stream) {
	st.Destroy()
	t.release(st.owner)
}

func (t *streamTable) release(owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count--
	if t.busy[owner]--; t.busy[owner] <= 0 {
		delete(t.busy, owner)
	}
}

// expire ends the streams that were not continued in time.
func (t *streamTable) expire(now time.Time) {
	t.remove(func(st *stream) bool { return st.expired(now) })
}

// expired reports whether a stream was not continued in time.
func (st *stream) expired(now time.Time) bool {
	return now.Sub(st.used) > streamIdle || now.Sub(st.begun) > streamLife
}

func (t *streamTable) close() { t.remove(func(*stream) bool { return true }) }

func (t *streamTable) remove(when func(*stream) bool) {
	t.mu.Lock()
	var gone []*stream
	for k, st := range t.known {
		if when(st) {
			delete(t.known, k)
			gone = append(gone, st)
		}
	}
	t.mu.Unlock()
	for _, st := range gone {
		t.drop(st)
	}
}

// partArgs are a part of an operation of any kind.
type partArgs struct {
	action   string
	uid      string // empty: that of the stream, or none
	part     Part
	data     []byte
	expected []byte // signature or MAC to verify
	// use loads the object of the operation and says what is taken from its
	// Usage Limits; nil for operations without object.
	use func(uid string, first bool) (*managed, []store.CounterChange, error)
	// open begins the operation; m is nil for operations without object.
	open func(m *managed) (s crypto.Stream, iv []byte, err error)
}

// inParts runs one part of an operation. The stream moves on once, however
// often the use case is planned; when the part cannot be committed the
// operation ends.
func (s *Service) inParts(ctx context.Context, sc *Scope, a partArgs) (Parted, error) {
	var out Parted
	var st *stream
	moved := false
	owner := sc.Domain + "/" + sc.Principal.Actor()
	err := s.do(ctx, sc, a.action, func() (outcome, error) {
		o := outcome{uid: a.uid, bytes: len(a.data)}
		if sc.undo != nil {
			return o, kmip.Fail(kmip.KindBatchRefused, "an operation in several parts cannot be undone")
		}
		if st == nil && a.part.Correlation != nil {
			st = s.streams.take(a.part.Correlation, func(st *stream) bool {
				return !st.expired(s.now()) && st.owner == owner && st.domain == sc.Domain && st.action == a.action && (a.uid == "" || a.uid == st.uid)
			})
			if st == nil {
				return o, kmip.Fail(kmip.KindStream, "no operation in several parts has this Correlation Value")
			}
			a.uid = st.uid
		}
		o.uid = a.uid
		var m *managed
		if a.use != nil {
			var err error
			if m, o.change.Counters, err = a.use(a.uid, st == nil); err != nil {
				return o, err
			}
		}
		if st == nil {
			if err := s.streams.admit(owner); err != nil {
				return o, err
			}
			opened, iv, err := a.open(m)
			if err != nil {
				s.streams.release(owner)
				return o, err
			}
			st = &stream{Stream: opened, owner: owner, domain: sc.Domain, action: a.action, uid: a.uid, begun: sc.Now}
			out.IV = iv
		}
		if moved {
			return o, nil
		}
		moved = true
		var err error
		if a.part.Final {
			var r crypto.StreamResult
			r, err = st.Finish(a.data, a.expected)
			out.Data, out.Tag, out.Code, out.Valid, out.Done = r.Data, r.Tag, r.Code, r.Valid, true
			return o, err
		}
		out.Data, err = st.Update(a.data)
		return o, err
	})
	if err != nil || out.Done {
		if st != nil {
			s.streams.drop(st)
		}
		if err != nil {
			clear(out.Data)
			return Parted{}, err
		}
		out.UID = st.uid
		return out, nil
	}
	st.used = s.now()
	if out.Correlation = a.part.Correlation; out.Correlation == nil {
		out.Correlation = make([]byte, correlationBytes)
		_, _ = rand.Read(out.Correlation) // never fails
	}
	out.UID = st.uid
	s.streams.put(out.Correlation, st)
	return out, nil
}
