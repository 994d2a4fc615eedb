package lifecycle

import (
	"time"

	"github.com/claviger/claviger/kmip"
)

// MayProtect says whether an object may be used at a moment to apply
// protection: to encrypt, sign, compute a MAC, wrap or derive.
//
// KMIP 2.1 §4.57 with the definition of Protect Stop Date (§4.41): the object
// is Active and the date is not reached. Returns KindWrongState otherwise.
func MayProtect(state kmip.State, d kmip.Dates, now time.Time) error {
	if s := Effective(state, d, now); s != kmip.StateActive {
		return kmip.Fail(kmip.KindWrongState, "an object in state %v must not be used to protect", s)
	}
	if reached(d.ProtectStop, now) {
		return kmip.Fail(kmip.KindWrongState, "the Protect Stop Date is reached")
	}
	return nil
}

// MayProcess says whether an object may be used at a moment on what is
// protected: to decrypt, verify or unwrap.
//
// KMIP 2.1 §4.57 with the definition of Process Start Date (§4.40): an Active
// object from that date on, a Deactivated or Compromised one always; whether
// the client is trusted with those is the policy's question. Returns
// KindWrongState otherwise.
func MayProcess(state kmip.State, d kmip.Dates, now time.Time) error {
	switch s := Effective(state, d, now); s {
	case kmip.StateActive:
		if !d.ProcessStart.IsZero() && now.Before(d.ProcessStart) {
			return kmip.Fail(kmip.KindWrongState, "the Process Start Date is not reached")
		}
		return nil
	case kmip.StateDeactivated, kmip.StateCompromised:
		return nil
	default:
		return kmip.Fail(kmip.KindWrongState, "an object in state %v must not be used", s)
	}
}
