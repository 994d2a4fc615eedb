package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/term"

	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

// Kinds of secrets that people give.
const (
	wantPIN        = "PIN"
	wantPassphrase = "passphrase"
	wantShare      = "share"
)

// prompts holds the secrets that people give to this process: at its terminal, or
// by claviger unseal. Safe for concurrent use.
type prompts struct {
	mu   sync.Mutex
	list []*prompt // guarded by mu, like what they hold
}

// prompt is one secret that is waited for, or several shares of one.
type prompt struct {
	token  string
	what   string
	needed int
	given  []*secret.Bytes
}

// newPrompts lists what the configuration leaves to people.
func newPrompts(r config.Root) *prompts {
	p := &prompts{}
	if r.Passphrase.Prompt {
		p.add(softwareName(r), wantPassphrase, 1)
	}
	if n := sharesNeeded(r); n > 0 {
		p.add(softwareName(r), wantShare, n)
	}
	for _, t := range r.Token {
		if t.PIN.Prompt {
			p.add(t.Name(), wantPIN, 1)
		}
	}
	return p
}

// softwareName is how the software root key is called before it is open.
func softwareName(config.Root) string { return "software root key" }

func (p *prompts) add(token, what string, needed int) {
	p.list = append(p.list, &prompt{token: token, what: what, needed: needed})
}

// awaited: a secret has not been given yet. It is an hsm.ErrUnavailable.
type awaited struct {
	token, what   string
	given, needed int
}

func (a *awaited) Error() string {
	if a.what == wantShare {
		return fmt.Sprintf("%d of %d shares of the %s have been given; give them by claviger unseal, or by --share-file to a command on this machine", a.given, a.needed, a.token)
	}
	return fmt.Sprintf("the %s for %s has not been given; give it by claviger unseal", a.what, a.token)
}

func (a *awaited) Is(target error) bool { return target == hsm.ErrUnavailable }

// take returns copies of what was given for a token, when that is enough.
func (p *prompts) take(token, what string) ([]*secret.Bytes, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.list {
		if w.token != token || w.what != what {
			continue
		}
		if len(w.given) < w.needed {
			return nil, &awaited{token, what, len(w.given), w.needed}
		}
		given := make([]*secret.Bytes, len(w.given))
		for i, v := range w.given {
			given[i] = v.Clone()
		}
		return given, nil
	}
	return nil, fmt.Errorf("no %s is asked for %s: %w", what, token, hsm.ErrUnsupported)
}

// reject forgets what was given for a token, because it was wrong.
func (p *prompts) reject(token, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.list {
		if w.token == token && w.what == what {
			w.forget()
		}
	}
}

func (w *prompt) forget() {
	for _, v := range w.given {
		v.Destroy()
	}
	w.given = nil
}

func (p *prompts) destroy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.list {
		w.forget()
	}
}

// wants lists what is waited for.
func (p *prompts) wants() []ops.Want {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []ops.Want
	for _, w := range p.list {
		if len(w.given) < w.needed {
			list = append(list, ops.Want{Token: w.token, What: w.what, Needed: w.needed, Given: len(w.given)})
		}
	}
	return list
}

// give takes a value for the named token, or for the only one that waits. check
// refuses values that cannot be right.
// It returns the name of the token that the value is for.
func (p *prompts) give(token string, value *secret.Bytes, check func(what string, value *secret.Bytes) error) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found *prompt
	for _, w := range p.list {
		if len(w.given) >= w.needed || token != "" && token != w.token {
			continue
		}
		if found != nil {
			return "", errors.New("several tokens wait for a secret; name the one that it is for")
		}
		found = w
	}
	if found == nil {
		return "", ops.ErrNotWanted
	}
	if err := check(found.what, value); err != nil {
		return "", err
	}
	for _, v := range found.given {
		if v.Equal(value) {
			return "", fmt.Errorf("this %s has been given already", found.what)
		}
	}
	found.given = append(found.given, value)
	return found.token, nil
}

// ask asks at a terminal for whatever is waited for but shares, which belong to
// several people. Without a terminal it does nothing.
func (p *prompts) ask(ctx context.Context, stdin io.Reader, stderr io.Writer) error {
	fd, ok := terminal(stdin)
	if !ok {
		return nil
	}
	for _, w := range p.wants() {
		if w.What == wantShare {
			continue
		}
		fmt.Fprintf(stderr, "%s for %s: ", w.What, w.Token)
		value, err := term.ReadPassword(fd)
		fmt.Fprintln(stderr)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if _, err := p.give(w.Token, secret.New(value), func(string, *secret.Bytes) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}
