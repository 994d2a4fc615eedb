package custody

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// rotated notes on both objects that one took the place of the other (§4.49,
// §4.50, §4.52).
func rotated(old, fresh *managed, now time.Time) {
	old.attrs = old.attrs.Set(kmip.DateTime(kmip.TagRotateDate, now)).Set(kmip.Boolean(kmip.TagRotateLatest, false))
	fresh.attrs = fresh.attrs.Set(kmip.Integer(kmip.TagRotateGeneration, old.attrs.Int32(kmip.TagRotateGeneration)+1)).
		Set(kmip.Boolean(kmip.TagRotateLatest, true))
}

// rotates reports whether the server rotates an object by itself (§4.48).
func rotates(a kmip.Attributes) bool {
	interval, ok := a.Get(kmip.TagRotateInterval)
	if latest, set := a.Get(kmip.TagRotateLatest); set && !latest.Bool() {
		return false
	}
	return ok && interval.Int > 0 && a.Bool(kmip.TagRotateAutomatic)
}

// rotationDue reports whether the Rotate Interval of an object is over (§4.51). What has
// ended gets no successor.
func rotationDue(m *managed, now time.Time) bool {
	interval, _ := m.attrs.Get(kmip.TagRotateInterval)
	return rotates(m.attrs) && (m.state == kmip.StatePreActive || m.state == kmip.StateActive) && !m.archived() &&
		now.Sub(m.attrs.Time(kmip.TagInitialDate)) >= interval.Duration()
}

// rotatePage is how many objects are looked at at once.
const rotatePage = 500

// errNotDue tells that an object was rotated by somebody else.
var errNotDue = errors.New("rotation is not due")

// RotateDue rotates every object whose Rotate Interval is over, by the equivalent
// of Re-key, Re-key Key Pair or Re-certify with its Rotate Offset. Several nodes
// may do it: each object is rotated once.
func (s *Service) RotateDue(ctx context.Context) error {
	domains, err := s.store.Domains(ctx)
	if err != nil {
		return err
	}
	var errs []error
	held := int64(0)
	for _, d := range domains {
		n, err := s.rotateDomain(ctx, d.Name)
		held += n
		errs = append(errs, err)
	}
	s.rotationHeld.Store(held)
	return errors.Join(errs...)
}

// RotationHeld is how many objects were due and not rotated, because their domain has as
// many objects as it may, when the node looked last.
func (s *Service) RotationHeld() int64 { return s.rotationHeld.Load() }

// heldInterval is how often it is logged that the rotation of an object is held up.
const heldInterval = time.Hour

// heldTable remembers when it was logged of which objects.
type heldTable struct {
	mu   sync.Mutex
	told map[string]time.Time // guarded by mu
}

// tell reports whether it is time to log it of an object.
func (t *heldTable) tell(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.told[key]; ok && now.Sub(last) < heldInterval {
		return false
	}
	for k, last := range t.told {
		if now.Sub(last) >= 2*heldInterval {
			delete(t.told, k)
		}
	}
	if t.told == nil {
		t.told = map[string]time.Time{}
	}
	t.told[key] = now
	return true
}

// roomToRotate reports whether the quota of a domain has room for the successor of an
// object. Nothing is counted, and nothing goes to the audit each time that there is none.
func (s *Service) roomToRotate(ctx context.Context, domain string, m *managed) (bool, error) {
	n := int64(1)
	if m.objectType() == kmip.ObjectTypePrivateKey {
		n = 2
	}
	err := s.takeQuota(ctx, domain, n, 0)
	if kmip.KindOf(err) != kmip.KindPermissionDenied {
		return err == nil, err
	}
	if s.held.tell(domain+"/"+m.row.UID, s.now()) {
		s.log.WarnContext(ctx, "an object is not rotated, because the domain has as many objects as it may", "domain", domain, "uid", m.row.UID, "names", m.attrs.Names())
	}
	return false, nil
}

// rotateDomain rotates what is due in one domain. What cannot be rotated does not
// keep the rest from it. It returns how many the quota of the domain holds up.
func (s *Service) rotateDomain(ctx context.Context, domain string) (held int64, err error) {
	var errs []error
	q := store.Query{Sides: []store.Side{{Kind: store.SideRotate, Value: automatic}}, Limit: rotatePage}
	for {
		found, err := s.store.Find(ctx, domain, q)
		if err != nil {
			return held, errors.Join(append(errs, err)...)
		}
		for _, row := range found {
			m, err := read(row, s.now())
			if err != nil || !rotationDue(m, s.now()) {
				continue
			}
			if room, err := s.roomToRotate(ctx, domain, m); !room {
				if err == nil {
					held++
				} else {
					errs = append(errs, fmt.Errorf("%s: %w", row.UID, err))
				}
				continue
			}
			if err := s.rotate(ctx, domain, m); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", row.UID, err))
			}
		}
		if len(found) < rotatePage || ctx.Err() != nil {
			return held, errors.Join(errs...)
		}
		last := found[len(found)-1]
		q.After = &store.Position{Initial: last.Initial, UID: last.UID}
	}
}

// automatic is the value of the side rows of objects that the server rotates.
const automatic = "automatic"

func (s *Service) rotate(ctx context.Context, domain string, m *managed) error {
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "rotation", Domain: domain, Role: policy.RoleRotation}}, domain, "system", "", "")
	var offset *time.Duration
	if v, ok := m.attrs.Get(kmip.TagRotateOffset); ok && m.attrs.Has(kmip.TagActivationDate) {
		d := v.Duration()
		offset = &d
	}
	due := func(m *managed) error {
		if !rotationDue(m, sc.Now) {
			return errNotDue
		}
		sc.creator = m.row.Creator // the successor is theirs, though the server makes it
		return nil
	}
	var err error
	switch m.objectType() {
	case kmip.ObjectTypeSymmetricKey:
		_, err = s.rekey(ctx, sc, m.row.UID, offset, nil, due)
	case kmip.ObjectTypePrivateKey:
		_, _, err = s.rekeyKeyPair(ctx, sc, m.row.UID, offset, nil, nil, nil, due)
	case kmip.ObjectTypeCertificate:
		_, err = s.recertify(ctx, sc, CertifyArgs{UID: m.row.UID, Offset: offset}, due)
	default: // a public key follows its private key; nothing else can be made anew
		return nil
	}
	if errors.Is(err, errNotDue) {
		return nil
	}
	return err
}
