package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
)

const (
	pre                  = kmip.StatePreActive
	active               = kmip.StateActive
	deactivated          = kmip.StateDeactivated
	compromised          = kmip.StateCompromised
	destroyed            = kmip.StateDestroyed
	destroyedCompromised = kmip.StateDestroyedCompromised
)

var states = []kmip.State{pre, active, deactivated, compromised, destroyed, destroyedCompromised}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	const (
		wrong   = kmip.KindWrongState
		none    = kmip.KindNoTransition
		already = kmip.KindObjectDestroyed
	)
	cases := []struct {
		from    kmip.State
		event   Event
		to      kmip.State
		refusal kmip.Kind
	}{
		{from: pre, event: Activate, to: active},
		{from: pre, event: Deactivate, refusal: none},
		{from: pre, event: Compromise, to: compromised},
		{from: pre, event: Destroy, to: destroyed},
		{from: active, event: Activate, refusal: wrong},
		{from: active, event: Deactivate, to: deactivated},
		{from: active, event: Compromise, to: compromised},
		{from: active, event: Destroy, refusal: wrong},
		{from: deactivated, event: Activate, refusal: wrong},
		{from: deactivated, event: Deactivate, refusal: none},
		{from: deactivated, event: Compromise, to: compromised},
		{from: deactivated, event: Destroy, to: destroyed},
		{from: compromised, event: Activate, refusal: wrong},
		{from: compromised, event: Deactivate, refusal: none},
		{from: compromised, event: Compromise, refusal: none},
		{from: compromised, event: Destroy, to: destroyedCompromised},
		{from: destroyed, event: Activate, refusal: wrong},
		{from: destroyed, event: Deactivate, refusal: none},
		{from: destroyed, event: Compromise, to: destroyedCompromised},
		{from: destroyed, event: Destroy, refusal: already},
		{from: destroyedCompromised, event: Activate, refusal: wrong},
		{from: destroyedCompromised, event: Deactivate, refusal: none},
		{from: destroyedCompromised, event: Compromise, refusal: none},
		{from: destroyedCompromised, event: Destroy, refusal: already},
	}
	if len(cases) != len(states)*len(Events()) {
		t.Fatalf("%d cases for %d states and %d events", len(cases), len(states), len(Events()))
	}
	for _, c := range cases {
		name := fmt.Sprintf("%v while %v", c.event, c.from)
		if c.refusal != 0 {
			name += " is refused"
		}
		t.Run(name, func(t *testing.T) {
			got, err := Next(c.from, c.event)
			if c.refusal != 0 {
				if err == nil || kmip.KindOf(err) != c.refusal || got != c.from {
					t.Errorf("got %v, %v; want the same state and %v", got, err, c.refusal)
				}
				return
			}
			if err != nil || got != c.to {
				t.Errorf("got %v, %v; want %v", got, err, c.to)
			}
		})
	}
}

func TestEffective(t *testing.T) {
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	for _, c := range []struct {
		name   string
		stored kmip.State
		dates  kmip.Dates
		want   kmip.State
	}{
		{"no dates", pre, kmip.Dates{}, pre},
		{"Activation Date to come", pre, kmip.Dates{Activation: future}, pre},
		{"Activation Date this second", pre, kmip.Dates{Activation: now}, active},
		{"Activation Date past", pre, kmip.Dates{Activation: past}, active},
		{"both dates past", pre, kmip.Dates{Activation: past, Deactivation: past}, deactivated},
		{"Deactivation Date before Activation Date", pre, kmip.Dates{Activation: past, Deactivation: past.Add(-time.Hour)}, deactivated},
		{"Deactivation Date past without Activation Date", pre, kmip.Dates{Deactivation: past}, pre},
		{"active, Deactivation Date to come", active, kmip.Dates{Deactivation: future}, active},
		{"active, Deactivation Date this second", active, kmip.Dates{Deactivation: now}, deactivated},
		{"active, Activation Date moved to the future", active, kmip.Dates{Activation: future}, active},
		{"deactivated, Deactivation Date to come", deactivated, kmip.Dates{Activation: past, Deactivation: future}, deactivated},
		{"compromised", compromised, kmip.Dates{Activation: past, Deactivation: past}, compromised},
		{"destroyed", destroyed, kmip.Dates{Activation: past, Deactivation: past}, destroyed},
		{"destroyed and compromised", destroyedCompromised, kmip.Dates{Activation: past, Deactivation: past}, destroyedCompromised},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Effective(c.stored, c.dates, now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if c.stored == pre {
				if got := Initial(c.dates, now); got != c.want {
					t.Errorf("Initial: got %v, want %v", got, c.want)
				}
			}
		})
	}
}

// rank orders the states: no event and no date leads to a lower one.
var rank = map[kmip.State]int{pre: 0, active: 1, deactivated: 2, compromised: 3, destroyed: 4, destroyedCompromised: 5}

func dates(t *rapid.T) kmip.Dates {
	draw := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+" set") {
			return now.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, name)) * time.Second)
		}
		return time.Time{}
	}
	return kmip.Dates{
		Activation: draw("Activation"), ProcessStart: draw("Process Start"),
		ProtectStop: draw("Protect Stop"), Deactivation: draw("Deactivation"),
	}
}

func TestStatesNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, d, at := rapid.SampledFrom(states).Draw(t, "state"), dates(t), now
		for range 10 {
			before := state
			at = at.Add(time.Duration(rapid.IntRange(-2, 5).Draw(t, "seconds")) * time.Second)
			state = Effective(state, d, at)
			if again := Effective(state, d, at); again != state {
				t.Fatalf("Effective of %v is %v, of that %v", before, state, again)
			}
			next, err := Next(state, rapid.SampledFrom(Events()).Draw(t, "event"))
			if err != nil && next != state || err == nil && next == state {
				t.Fatalf("%v to %v with error %v", state, next, err)
			}
			state = next
			if rank[state] < rank[before] {
				t.Fatalf("%v went back to %v", before, state)
			}
		}
	})
}

func TestUnknownStateIsRefused(t *testing.T) {
	for _, s := range []kmip.State{0, 7, 0x80000001} {
		for _, e := range Events() {
			if got, err := Next(s, e); err == nil {
				t.Errorf("%v from state %d leads to %v", e, uint32(s), got)
			}
		}
		if MayProtect(s, kmip.Dates{}, now) == nil || MayProcess(s, kmip.Dates{}, now) == nil {
			t.Errorf("state %d may be used", uint32(s))
		}
	}
}
