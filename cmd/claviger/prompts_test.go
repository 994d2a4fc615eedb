package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/claviger/claviger/admin/ops"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

func text(s string) *secret.Bytes { return secret.New([]byte(s)) }

func anything(string, *secret.Bytes) error { return nil }

// waiting is a node of which two tokens wait for PINs and a file for two shares.
func waiting() *prompts {
	p := newPrompts(config.Root{Token: []config.Token{
		{Label: "first", PIN: config.Secret{Prompt: true}}, {Label: "second", PIN: config.Secret{Prompt: true}}, {Label: "third", PIN: config.Secret{Env: "PIN"}},
	}})
	p.add("root.key", wantShare, 2)
	return p
}

func wanted(p *prompts) string {
	var names []string
	for _, w := range p.wants() {
		names = append(names, w.Token+" "+w.What)
	}
	return strings.Join(names, ", ")
}

func TestPromptsTellWhatIsWaitedFor(t *testing.T) {
	p := waiting()
	if got := wanted(p); got != "first PIN, second PIN, root.key share" {
		t.Errorf("waits for %s", got)
	}
	if _, err := p.give("second", text("22"), anything); err != nil {
		t.Fatal(err)
	}
	if _, err := p.give("root.key", text("share a"), anything); err != nil {
		t.Fatal(err)
	}
	if got := p.wants(); len(got) != 2 || got[1] != (ops.Want{Token: "root.key", What: wantShare, Needed: 2, Given: 1}) {
		t.Errorf("waits for %+v", got)
	}
	if _, err := p.give("root.key", text("share b"), anything); err != nil {
		t.Fatal(err)
	}
	if _, err := p.give("", text("11"), anything); err != nil { // one is left
		t.Errorf("for the only one that waits: %v", err)
	}
	if got := wanted(p); got != "" {
		t.Errorf("waits for %s after everything was given", got)
	}
	for token, want := range map[string]string{"first": "11", "second": "22"} {
		given, err := p.take(token, wantPIN)
		if err != nil || len(given) != 1 || string(given[0].Reveal()) != want {
			t.Errorf("the PIN of %s: %d, %v", token, len(given), err)
			continue
		}
		given[0].Destroy() // a copy: the next login takes another
		if again, err := p.take(token, wantPIN); err != nil || string(again[0].Reveal()) != want {
			t.Errorf("the PIN of %s the second time: %v", token, err)
		}
	}
	if given, err := p.take("root.key", wantShare); err != nil || len(given) != 2 {
		t.Errorf("%d shares, %v", len(given), err)
	}
}

func TestPromptsRefuse(t *testing.T) {
	p := waiting()
	if _, err := p.take("first", wantPIN); !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "claviger unseal") {
		t.Errorf("a PIN that was not given = %v, want to be told how to give it", err)
	}
	if _, err := p.give("", text("11"), anything); err == nil || !strings.Contains(err.Error(), "name the one") {
		t.Errorf("for one of several = %v", err)
	}
	for _, token := range []string{"third", "nowhere"} { // one has its PIN from elsewhere
		if _, err := p.give(token, text("11"), anything); !errors.Is(err, ops.ErrNotWanted) {
			t.Errorf("for %s = %v", token, err)
		}
		if _, err := p.take(token, wantPIN); !errors.Is(err, hsm.ErrUnsupported) {
			t.Errorf("the PIN of %s = %v", token, err)
		}
	}
	if _, err := p.give("root.key", text("share a"), anything); err != nil {
		t.Fatal(err)
	}
	if _, err := p.give("root.key", text("share a"), anything); err == nil || strings.Contains(err.Error(), "share a") {
		t.Errorf("the same share twice = %v", err)
	}
	if _, err := p.take("root.key", wantShare); !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("one share of two = %v", err)
	}
	if _, err := p.give("root.key", text("no share at all"), checkGiven); err == nil || strings.Contains(err.Error(), "no share at all") {
		t.Errorf("what is no share = %v", err)
	}
	if got := p.wants(); got[2].Given != 1 {
		t.Errorf("%d shares are given after refusals, want 1", got[2].Given)
	}
}

func TestAPINThatWasWrongIsAskedForAgain(t *testing.T) {
	p := waiting()
	wrong := text("wrong")
	if _, err := p.give("first", wrong, anything); err != nil {
		t.Fatal(err)
	}
	p.reject("first", wantPIN)
	if wrong.Len() != 0 {
		t.Error("the wrong PIN is kept")
	}
	if got := wanted(p); !strings.Contains(got, "first PIN") {
		t.Errorf("waits for %s", got)
	}
	right := text("right")
	if _, err := p.give("first", right, anything); err != nil {
		t.Fatal(err)
	}
	p.destroy()
	if right.Len() != 0 {
		t.Error("a PIN is kept at the end")
	}
}
