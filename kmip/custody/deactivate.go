package custody

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/lifecycle"
)

// Deactivate deactivates an object (KMIP 3.0), now or at a date, and remembers
// the reason, which may be nil.
func (s *Service) Deactivate(ctx context.Context, sc *Scope, uid string, reason *kmip.Item, at time.Time) error {
	return s.transition(ctx, sc, "Deactivate", uid, func(m *managed) error {
		if at.IsZero() || !at.After(sc.Now) {
			if err := m.step(lifecycle.Deactivate); err != nil {
				return err
			}
			at = sc.Now
		} else if m.state != kmip.StatePreActive && m.state != kmip.StateActive {
			return kmip.Fail(kmip.KindNoTransition, "an object in state %s is not deactivated", m.state)
		}
		m.attrs = m.attrs.Set(kmip.DateTime(kmip.TagDeactivationDate, at))
		if reason != nil {
			m.attrs = m.attrs.Set(*reason)
		}
		return nil
	})
}
