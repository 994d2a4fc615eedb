// Package lifecycle is the state machine of managed objects: what a state, an
// event, the dates and the clock make of each other. It is a table and some
// comparisons; it reads no clock, keeps nothing and imports only package kmip.
//
// Spec: KMIP 2.1 §4.57 (State) numbers the transitions, and the table keeps the
// numbers. Date-driven transitions are computed by [Effective] whenever a state
// is needed, so that nothing depends on when somebody last wrote it down. The
// drawing is in docs/lifecycle.md; a test proves that it and the table agree.
package lifecycle

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// Event is what a client does to the state of an object.
type Event int

// The events. Revoke is two of them: by Revocation Reason Code (§4.47).
const (
	Activate   Event = iota // Activate
	Deactivate              // Revoke with a code that is no compromise
	Compromise              // Revoke with a code of compromise
	Destroy                 // Destroy
	eventCount
)

var eventNames = [eventCount]string{"Activate", "Revoke", "Revoke for compromise", "Destroy"}

func (e Event) String() string {
	if e < 0 || e >= eventCount {
		return "unknown event"
	}
	return eventNames[e]
}

// Events lists all events, for tests and tables that walk them.
func Events() []Event { return []Event{Activate, Deactivate, Compromise, Destroy} }

// step is a place in the table of transitions.
type step struct {
	from  kmip.State
	event Event
}

// transitions holds those of KMIP 2.1 §4.57 that clients cause; the comments
// are its numbers. What is not here is not permitted.
var transitions = map[step]kmip.State{
	{kmip.StatePreActive, Destroy}:      kmip.StateDestroyed,            // 2
	{kmip.StatePreActive, Compromise}:   kmip.StateCompromised,          // 3
	{kmip.StatePreActive, Activate}:     kmip.StateActive,               // 4
	{kmip.StateActive, Compromise}:      kmip.StateCompromised,          // 5
	{kmip.StateActive, Deactivate}:      kmip.StateDeactivated,          // 6
	{kmip.StateDeactivated, Destroy}:    kmip.StateDestroyed,            // 7
	{kmip.StateDeactivated, Compromise}: kmip.StateCompromised,          // 8
	{kmip.StateCompromised, Destroy}:    kmip.StateDestroyedCompromised, // 9
	{kmip.StateDestroyed, Compromise}:   kmip.StateDestroyedCompromised, // 10
}

// Next returns the state that an event leads to from an effective state.
//
// KMIP 2.1 §4.57. An Active object cannot be destroyed: it is revoked first.
//
// Returns KindWrongState for Activate of an object that is not Pre-Active and
// for Destroy of an Active one, KindObjectDestroyed for Destroy of one that is
// destroyed, KindNoTransition for Revoke where there is no transition.
func Next(state kmip.State, e Event) (kmip.State, error) {
	if next, ok := transitions[step{state, e}]; ok {
		return next, nil
	}
	switch {
	case e == Activate:
		return state, kmip.Fail(kmip.KindWrongState, "only an object in state %v can be activated; this one is %v", kmip.StatePreActive, state)
	case e == Destroy && isDestroyed(state):
		return state, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
	case e == Destroy:
		return state, kmip.Fail(kmip.KindWrongState, "an object in state %v cannot be destroyed; revoke it first", state)
	default:
		return state, kmip.Fail(kmip.KindNoTransition, "%v: there is no transition from state %v", e, state)
	}
}

func isDestroyed(s kmip.State) bool {
	return s == kmip.StateDestroyed || s == kmip.StateDestroyedCompromised
}

// Effective returns the state that an object is in at a moment, from the state
// that was stored last and its dates.
//
// KMIP 2.1 §4.57, transitions 4 and 6. A date counts from its first second on.
// Dates only advance a state: a stored state that they would not lead to stays.
// Nothing but the Activation Date makes a Pre-Active object Active, so that one
// without it stays Pre-Active whatever its Deactivation Date.
func Effective(stored kmip.State, d kmip.Dates, now time.Time) kmip.State {
	if stored == kmip.StatePreActive && reached(d.Activation, now) {
		stored = kmip.StateActive
	}
	if stored == kmip.StateActive && reached(d.Deactivation, now) {
		stored = kmip.StateDeactivated
	}
	return stored
}

// Initial returns the state of an object that is created now (transition 1).
func Initial(d kmip.Dates, now time.Time) kmip.State {
	return Effective(kmip.StatePreActive, d, now)
}

// reached reports whether a date is set and not in the future.
func reached(date, now time.Time) bool { return !date.IsZero() && !now.Before(date) }
