package lifecycle

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger/claviger/kmip"
)

func TestUse(t *testing.T) {
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	for _, c := range []struct {
		name             string
		state            kmip.State
		dates            kmip.Dates
		protect, process bool
	}{
		{"Pre-Active", pre, kmip.Dates{}, false, false},
		{"Pre-Active, Activation Date reached", pre, kmip.Dates{Activation: now}, true, true},
		{"Active", active, kmip.Dates{}, true, true},
		{"Active, Deactivation Date reached", active, kmip.Dates{Deactivation: now}, false, true},
		{"Deactivated", deactivated, kmip.Dates{}, false, true},
		{"Compromised", compromised, kmip.Dates{}, false, true},
		{"Destroyed", destroyed, kmip.Dates{}, false, false},
		{"Destroyed Compromised", destroyedCompromised, kmip.Dates{}, false, false},
		{"before Protect Stop Date", active, kmip.Dates{ProtectStop: future}, true, true},
		{"at Protect Stop Date", active, kmip.Dates{ProtectStop: now}, false, true},
		{"after Protect Stop Date", active, kmip.Dates{ProtectStop: past}, false, true},
		{"before Process Start Date", active, kmip.Dates{ProcessStart: future}, true, false},
		{"at Process Start Date", active, kmip.Dates{ProcessStart: now}, true, true},
		{"after Protect Stop Date and before Process Start Date", active, kmip.Dates{ProtectStop: past, ProcessStart: future}, false, false},
		{"Deactivated before Process Start Date", deactivated, kmip.Dates{ProcessStart: future}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := func(use string, err error, allowed bool) {
				if (err == nil) != allowed || err != nil && kmip.KindOf(err) != kmip.KindWrongState {
					t.Errorf("%s: %v, want allowed = %v", use, err, allowed)
				}
			}
			check("protect", MayProtect(c.state, c.dates, now), c.protect)
			check("process", MayProcess(c.state, c.dates, now), c.process)
		})
	}
}

func TestUseOfStoredStateIsThatOfEffectiveState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, d := rapid.SampledFrom(states).Draw(t, "state"), dates(t)
		effective := Effective(state, d, now)
		if (MayProtect(state, d, now) == nil) != (MayProtect(effective, d, now) == nil) ||
			(MayProcess(state, d, now) == nil) != (MayProcess(effective, d, now) == nil) {
			t.Fatalf("%v, which is effectively %v, is treated differently", state, effective)
		}
		if MayProtect(state, d, now) == nil && effective != active {
			t.Fatalf("%v may protect", effective)
		}
	})
}
