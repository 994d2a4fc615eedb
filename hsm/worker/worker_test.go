//go:build unix

package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/hsmtest"
	"github.com/claviger/claviger/hsm/worker"
	"github.com/claviger/claviger/kmip/secret"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	hsmtest.Run(t, func(t *testing.T) hsm.Token {
		r := newRig(t)
		cfg := r.config()
		cfg.Timeout = 0
		token, err := worker.Open(t.Context(), cfg)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return noFaults{token}
	})
}

// noFaults finds by listing, because Find of the tests' token has faults.
type noFaults struct{ *worker.Token }

func (n noFaults) Find(ctx context.Context, id string) (hsm.Key, error) {
	keys, err := n.Keys(ctx, hsm.AnyPurpose)
	if err != nil {
		return hsm.Key{}, err
	}
	for _, k := range keys {
		if k.ID == id {
			return k, nil
		}
	}
	return hsm.Key{}, hsm.ErrNotFound
}

func TestCrash(t *testing.T) {
	t.Parallel()
	t.Run("what was under way is repeated on the next worker", func(t *testing.T) {
		r := newRig(t).open()
		before := r.pid()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := r.Find(ctx, "crash once"); err != nil {
			t.Errorf("Find = %v, want the answer of the next worker", err)
		}
		if r.pid() == before {
			t.Error("the worker is the one that crashed")
		}
		if !strings.Contains(r.log.String(), "SIGABRT") {
			t.Errorf("the log does not name the signal:\n%s", r.log.String())
		}
	})
	t.Run("a call that crashes each worker is not repeated for ever", func(t *testing.T) {
		r := newRig(t).open()
		if _, err := r.Find(t.Context(), "crash"); !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("Find = %v, want ErrUnavailable", err)
		}
		if n := r.logins.Load(); n > 3 {
			t.Errorf("%d logins for one call, want at most 3", n)
		}
		eventually(t, "another worker", func() bool { return r.Check(t.Context()) == nil })
	})
	t.Run("what destroys is not repeated", func(t *testing.T) {
		r := newRig(t).open()
		err := r.Destroy(t.Context(), "crash once")
		if !errors.Is(err, hsm.ErrUnavailable) || errors.Is(err, hsm.ErrNotFound) {
			t.Errorf("Destroy = %v, want ErrUnavailable of a call that was not repeated", err)
		}
		eventually(t, "another worker", func() bool { return r.Check(t.Context()) == nil })
	})
	t.Run("while a start is delayed calls fail at once and say so", func(t *testing.T) {
		r := newRig(t).open()
		eventually(t, "a refusal", func() bool {
			start := time.Now()
			_, err := r.Find(t.Context(), "crash")
			said := err != nil && strings.Contains(err.Error(), "is started again in")
			if said && (!errors.Is(err, hsm.ErrUnavailable) || time.Since(start) > testTimeout/2) {
				t.Errorf("Find = %v after %v", err, time.Since(start))
			}
			return said
		})
	})
	t.Run("after a start that failed calls fail at once and say so", func(t *testing.T) {
		r := newRig(t).open()
		r.setFault("fail before login")
		_, _ = r.Find(t.Context(), "crash")
		eventually(t, "a failed start", func() bool { return strings.Contains(r.log.String(), "not usable") })
		start := time.Now()
		_, err := r.Find(t.Context(), "x")
		if !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "open faulty token") {
			t.Errorf("Find = %v, want ErrUnavailable with the worker's error", err)
		}
		if took := time.Since(start); took > testTimeout/4 {
			t.Errorf("it took %v to say so", took)
		}
		r.setFault("")
		eventually(t, "a worker", func() bool { return r.Check(t.Context()) == nil })
	})
}

func TestHang(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, id string
		tell     bool
		replaced bool
	}{
		{"a call without an answer has the worker replaced", "hang", false, true},
		{"a call that was given up at its timeout has the worker replaced", "given up", false, true},
		{"a token that tells of a hanging operation is replaced", "given up", true, true},
		{"a token that tells of none is not", "crowd", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.params.Tell = tc.tell
			r.open()
			before := r.pid()
			start := time.Now()
			_, err := r.Find(t.Context(), tc.id)
			if took := time.Since(start); took > testTimeout+testTimeout/2 {
				t.Errorf("answered after %v, the timeout is %v", took, testTimeout)
			}
			if !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Find = %v, want ErrUnavailable and DeadlineExceeded", err)
			}
			if !tc.replaced {
				time.Sleep(2 * testTimeout)
				if r.pid() != before {
					t.Error("the worker was replaced")
				}
				return
			}
			eventually(t, "the worker is killed", func() bool { return !alive(before) })
			eventually(t, "another worker", func() bool { return r.Check(t.Context()) == nil })
			if !strings.Contains(r.log.String(), "a call hangs") || !strings.Contains(r.log.String(), "signal: killed") {
				t.Errorf("the log says neither hang nor kill:\n%s", r.log.String())
			}
		})
	}
}

func TestShortDeadlines(t *testing.T) {
	t.Parallel()
	t.Run("a caller is answered by its own deadline and the token is probed", func(t *testing.T) {
		r := newRig(t).open()
		before := r.pid()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := r.Find(ctx, "given up")
		if took := time.Since(start); took > time.Second {
			t.Errorf("answered after %v, the deadline was 50ms", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hsm.ErrUnavailable) {
			t.Errorf("Find = %v", err)
		}
		time.Sleep(2 * testTimeout)
		if r.pid() != before {
			t.Error("the worker was replaced though its token answers")
		}
	})
	t.Run("a call that hangs past its timeout has the worker replaced all the same", func(t *testing.T) {
		r := newRig(t).open()
		before := r.pid()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, _ = r.Find(ctx, "hang")
		eventually(t, "the worker is killed", func() bool { return !alive(before) })
	})
}

func TestOthersOutliveAHang(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cfg := r.config()
	cfg.Timeout = 2 * time.Second // counts as hanging 1 s later
	token, err := worker.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Token = token
	t.Cleanup(func() { _ = token.Close() })
	before := r.pid()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = r.Find(t.Context(), "hang once") })
	time.Sleep(2500 * time.Millisecond) // so that what follows is under way when the worker is killed
	for _, id := range []string{"very slow once", "slow"} {
		wg.Go(func() {
			if k, err := r.Find(t.Context(), id); err != nil || k.ID != id {
				t.Errorf("Find(%q) = %v, %v", id, k, err)
			}
		})
	}
	wg.Wait()
	if r.pid() == before {
		t.Error("the worker was not replaced")
	}
}

func TestCancelDoesNotEndTheWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t).open()
	before := r.pid()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := r.Find(ctx, "given up"); !errors.Is(err, context.Canceled) || errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("Find = %v, want Canceled only", err)
	}
	time.Sleep(2 * testTimeout)
	if r.pid() != before {
		t.Error("the worker was replaced")
	}
}

func TestPIN(t *testing.T) {
	t.Parallel()
	wrong, right := "0000", "1234"
	t.Run("a wrong one at the start is the worker's error", func(t *testing.T) {
		r := newRig(t)
		r.pin.Store(&wrong)
		_, err := worker.Open(t.Context(), r.config())
		if !errors.Is(err, hsm.ErrPIN) || !strings.Contains(err.Error(), "CKR_PIN_INCORRECT") {
			t.Errorf("Open = %v", err)
		}
		if n := r.logins.Load(); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
	})
	t.Run("a refusal later is final until Retry", func(t *testing.T) {
		r := newRig(t).open()
		if _, err := r.Find(t.Context(), "pin"); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Find = %v, want ErrPIN", err)
		}
		for range 3 {
			if err := r.Check(t.Context()); !errors.Is(err, hsm.ErrPIN) {
				t.Errorf("Check = %v, want ErrPIN", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := r.logins.Load(); n != 1 {
			t.Errorf("%d logins, want 1", n)
		}
		r.pin.Store(&wrong)
		if err := r.Retry(t.Context()); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Retry with a wrong PIN = %v", err)
		}
		if err := r.Check(t.Context()); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Check = %v, want ErrPIN", err)
		}
		r.pin.Store(&right)
		if err := r.Retry(t.Context()); err != nil {
			t.Errorf("Retry = %v", err)
		}
		if err := r.Check(t.Context()); err != nil {
			t.Errorf("Check after Retry = %v", err)
		}
		if n := r.logins.Load(); n != 3 {
			t.Errorf("%d logins, want 3", n)
		}
		if err := r.Retry(t.Context()); err != nil || r.logins.Load() != 3 {
			t.Errorf("Retry of a token that is well = %v, %d logins", err, r.logins.Load())
		}
	})
	t.Run("its source is told of each refusal", func(t *testing.T) {
		r := newRig(t)
		cfg := r.config()
		var refused atomic.Int32
		cfg.Refused = func() { refused.Add(1) }
		r.pin.Store(&wrong)
		if _, err := worker.Open(t.Context(), cfg); !errors.Is(err, hsm.ErrPIN) || refused.Load() != 1 {
			t.Errorf("Open = %v, the source was told %d times, want once", err, refused.Load())
		}
		r.pin.Store(&right)
		token, err := worker.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = token.Close() })
		r.pin.Store(&wrong)
		if _, err := token.Find(t.Context(), "crash once"); !errors.Is(err, hsm.ErrPIN) || refused.Load() != 2 {
			t.Errorf("Find = %v, the source was told %d times, want twice", err, refused.Load())
		}
		r.pin.Store(&right)
		if err := token.Retry(t.Context()); err != nil { // and not how the start before it went
			t.Errorf("Retry = %v", err)
		}
		if _, err := token.Find(t.Context(), "pin"); !errors.Is(err, hsm.ErrPIN) || refused.Load() != 3 {
			t.Errorf("Find = %v, the source was told %d times, want three times", err, refused.Load())
		}
	})
	t.Run("an operator who acts while a start fails gets another one", func(t *testing.T) {
		r := newRig(t)
		cfg := r.config()
		h := &onMessage{Handler: slog.DiscardHandler, message: "token worker not usable"}
		cfg.Log = slog.New(h)
		r.pin.Store(&right)
		token, err := worker.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = token.Close() })
		retried := make(chan error, 1)
		h.do = sync.OnceFunc(func() { // the start has failed, and nobody was told
			r.pin.Store(&right)
			go func() { retried <- token.Retry(context.Background()) }()
			time.Sleep(100 * time.Millisecond)
		})
		r.pin.Store(&wrong)
		if _, err := token.Find(t.Context(), "crash once"); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Find = %v", err)
		}
		if err := <-retried; err != nil {
			t.Errorf("Retry = %v", err)
		}
		if err := token.Check(t.Context()); err != nil {
			t.Errorf("Check = %v", err)
		}
	})
	t.Run("a wrong one after a crash is final", func(t *testing.T) {
		r := newRig(t).open()
		r.pin.Store(&wrong)
		if _, err := r.Find(t.Context(), "crash once"); !errors.Is(err, hsm.ErrPIN) {
			t.Errorf("Find = %v, want ErrPIN", err)
		}
		time.Sleep(300 * time.Millisecond)
		if n := r.logins.Load(); n != 2 {
			t.Errorf("%d logins, want 2", n)
		}
	})
	t.Run("the error of the source of the PIN is told", func(t *testing.T) {
		r := newRig(t)
		cfg := r.config()
		cfg.PIN = func(context.Context) (*secret.Bytes, error) { return nil, errors.New("no such file") }
		if _, err := worker.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("Open = %v", err)
		}
	})
	for _, fault := range []string{"crash in login", "hang in login"} {
		t.Run(fault+" is not repeated for ever", func(t *testing.T) {
			r := newRig(t)
			cfg := r.config()
			cfg.StartTimeout = time.Second
			token, err := worker.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = token.Close() })
			r.setFault(fault)
			_, _ = token.Find(t.Context(), "crash once")
			eventually(t, "it stops", func() bool {
				return strings.Contains(r.log.String(), "no other is started until an operator asks")
			})
			time.Sleep(300 * time.Millisecond)
			if n := r.logins.Load(); n != 4 {
				t.Errorf("%d logins, want the first and three", n)
			}
			if err := token.Check(t.Context()); !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "attempt") {
				t.Errorf("Check = %v", err)
			}
			if err := token.Retry(t.Context()); !errors.Is(err, hsm.ErrLogin) {
				t.Errorf("Retry while it does that = %v", err)
			}
			time.Sleep(300 * time.Millisecond)
			if n := r.logins.Load(); n != 5 {
				t.Errorf("%d logins, want one more by Retry", n)
			}
			r.setFault("")
			if err := token.Retry(t.Context()); err != nil {
				t.Errorf("Retry = %v", err)
			}
		})
	}
	t.Run("a login that the token answered is no such end", func(t *testing.T) {
		r := newRig(t).open()
		r.setFault("fail in login")
		_, _ = r.Find(t.Context(), "crash once")
		eventually(t, "many starts", func() bool { return r.logins.Load() > 5 })
		r.setFault("")
		eventually(t, "a worker", func() bool { return r.Check(t.Context()) == nil })
	})
}

func TestAnotherTokenIsNotUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t).open()
	was, _ := r.Info(t.Context())
	r.setFault("other token")
	_, err := r.Find(t.Context(), "crash once")
	if !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), was.Serial) {
		t.Errorf("Find = %v, want ErrUnavailable that names serial number %s", err, was.Serial)
	}
	time.Sleep(200 * time.Millisecond)
	if n := r.logins.Load(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	r.setFault("")
	if err := r.Retry(t.Context()); err != nil {
		t.Errorf("Retry with the token back = %v", err)
	}
}

func TestOpenReturnsWhatFailed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ fault, want string }{
		{"crash before login", "SIGABRT"},
		{"crash in login", "SIGABRT"},
		{"fail before login", "open faulty token"},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			r := newRig(t)
			r.setFault(tc.fault)
			_, err := worker.Open(t.Context(), r.config())
			if !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open = %v", err)
			}
			if inLogin := strings.HasSuffix(tc.fault, "in login"); errors.Is(err, hsm.ErrLogin) != inLogin {
				t.Errorf("Open = %v; ErrLogin wanted: %v", err, inLogin)
			}
		})
	}
	t.Run("no such program", func(t *testing.T) {
		cfg := newRig(t).config()
		cfg.Command = func() *exec.Cmd { return exec.Command("/nonexistent") }
		if _, err := worker.Open(t.Context(), cfg); !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Open = %v", err)
		}
	})
	t.Run("in time", func(t *testing.T) {
		r := newRig(t)
		r.setFault("hang in login")
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := worker.Open(ctx, r.config()); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, hsm.ErrLogin) {
			t.Errorf("Open = %v", err)
		}
	})
}

func TestCloseDoesNotWaitForAHangingCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	cfg := r.config()
	cfg.Timeout = time.Minute
	token, err := worker.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := token.Find(t.Context(), "hang"); done <- err }()
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	_ = token.Close()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Close took %v", took)
	}
	if err := <-done; !errors.Is(err, hsm.ErrClosed) {
		t.Errorf("Find = %v, want ErrClosed", err)
	}
	if err := token.Retry(t.Context()); !errors.Is(err, hsm.ErrClosed) {
		t.Errorf("Retry = %v, want ErrClosed", err)
	}
}

func TestWhatTheWorkerPrintsIsLogged(t *testing.T) {
	t.Parallel()
	r := newRig(t).open()
	if _, err := r.Find(t.Context(), "talk"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "lines in the log", func() bool {
		log := r.log.String()
		return strings.Contains(log, "module: a line on standard output") && strings.Contains(log, strings.Repeat("x", 1024))
	})
	if strings.Contains(r.log.String(), strings.Repeat("x", 1025)) {
		t.Error("a line is not cut")
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		r := newRig(t)
		token, err := worker.Open(t.Context(), r.config())
		if err != nil {
			t.Fatal(err)
		}
		r.Token = token
		_, _ = r.Find(t.Context(), "crash once")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, _ = r.Find(ctx, "hang")
		cancel()
		_ = token.Close()
		r.setFault("fail in login")
		_, _ = worker.Open(t.Context(), r.config())
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// onMessage does something when a message is logged, before whoever logs it goes on.
type onMessage struct {
	slog.Handler
	message string
	do      func()
}

func (h *onMessage) Enabled(context.Context, slog.Level) bool { return true }

func (h *onMessage) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.do()
	}
	return nil
}
