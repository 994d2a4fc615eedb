package custody

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/claviger/claviger/hsm/split"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordBreakGlass is the state of break-glass; an installation has one.
const recordBreakGlass = "break-glass"

// Bounds of break-glass.
const (
	BreakGlassDefault = 4 * time.Hour
	BreakGlassLongest = 24 * time.Hour
	minCodes          = 2
	codeAttempts      = 5 // in an hour, right ones too
	codePeriod        = time.Hour
)

// breakGlass is the form that the record keeps. The secret itself is nowhere but
// with the custodians.
type breakGlass struct {
	Hash      string      `json:"hash,omitempty"` // Argon2id of the secret; empty when it is used up
	Set       []byte      `json:"set,omitempty"`
	Threshold int         `json:"threshold,omitempty"`
	Shares    int         `json:"shares,omitempty"`
	Made      time.Time   `json:"made,omitzero"`
	Attempts  []time.Time `json:"attempts,omitempty"` // of the last hour
	// Name is the administrator while it is open; from Opened until Until at most.
	Name   string    `json:"name,omitempty"`
	Opened time.Time `json:"opened,omitzero"`
	Until  time.Time `json:"until,omitzero"`
}

// BreakGlassState is how break-glass is.
type BreakGlassState struct {
	// Ready tells that there are codes: Threshold of Shares open it.
	Ready     bool
	Threshold int
	Shares    int
	Made      time.Time
	// Active tells that it is open; Administrator is by whose name until when.
	Active        bool
	Administrator string
	Opened        time.Time
	Until         time.Time
}

func (b breakGlass) state(now time.Time) BreakGlassState {
	s := BreakGlassState{Ready: b.Hash != "", Threshold: b.Threshold, Shares: b.Shares, Made: b.Made}
	if b.Name != "" && now.Before(b.Until) {
		s.Active, s.Administrator, s.Opened, s.Until = true, b.Name, b.Opened, b.Until
	}
	return s
}

// breakGlassCache remembers the state for a moment, for those who look often.
type breakGlassCache struct {
	mu    sync.Mutex
	state BreakGlassState // guarded by mu
	until time.Time       // guarded by mu
}

const breakGlassTTL = time.Second

// BreakGlassNow is how break-glass is, as it was known within the last second; for
// status and metrics. On an error it is what was known last.
func (s *Service) BreakGlassNow(ctx context.Context) (BreakGlassState, error) {
	s.glass.mu.Lock()
	defer s.glass.mu.Unlock()
	now := s.now()
	if now.Before(s.glass.until) {
		return s.glass.state, nil
	}
	var b breakGlass
	if _, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b); err != nil {
		return s.glass.state, err
	}
	s.glass.state, s.glass.until = b.state(now), now.Add(breakGlassTTL)
	return s.glass.state, nil
}

// BreakGlass tells an administrator how break-glass is.
func (s *Service) BreakGlass(ctx context.Context, sc *Scope) (BreakGlassState, error) {
	var state BreakGlassState
	err := s.administer(ctx, sc, policy.ActionStatus, recordBreakGlass, func() (store.Change, error) {
		var b breakGlass
		_, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b)
		state = b.state(s.now())
		return store.Change{}, err
	})
	return state, err
}

// SetUpBreakGlass makes new codes for so many custodians, of whom a threshold opens;
// older codes are void. The codes are returned this once, for the caller to destroy.
func (s *Service) SetUpBreakGlass(ctx context.Context, sc *Scope, shares, threshold int) ([]*secret.Bytes, error) {
	var codes []*secret.Bytes
	err := s.do(ctx, sc, policy.ActionBreakGlass, func() (outcome, error) {
		o := outcome{detail: fmt.Sprintf("codes for %d custodians, of whom %d open", shares, threshold)}
		if err := s.authorize(ctx, sc, policy.ActionBreakGlass, policy.Resource{}); err != nil {
			return o, err
		}
		if threshold < minCodes || threshold > shares || shares > maxCodeShares {
			return o, kmip.Fail(kmip.KindInvalidField, "%d of %d custodians; at least %d of at most %d", threshold, shares, minCodes, maxCodeShares)
		}
		var b breakGlass
		r, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b)
		if err != nil {
			return o, err
		}
		value := make([]byte, codeBytes)
		_, _ = rand.Read(value) // never fails
		whole := secret.New(value)
		defer whole.Destroy()
		parts, err := breakGlassSharing(threshold).Split(whole.Reveal(), shares, nil)
		if err != nil {
			return o, err
		}
		b.Set = make([]byte, codeSetBytes)
		_, _ = rand.Read(b.Set) // never fails
		b.Hash, b.Threshold, b.Shares, b.Made, b.Attempts = hashPassword(whole), threshold, shares, s.now().UTC().Truncate(time.Second), nil
		codes = nil
		for _, p := range parts {
			codes = append(codes, code{set: b.Set, threshold: threshold, index: p.Identifier, value: p.Value}.text())
			clear(p.Value)
		}
		return o, s.putSingle(ctx, &o.change, r, s.now().UTC(), b)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// errCodes says nothing of why.
var errCodes = kmip.Fail(kmip.KindNotAuthenticated, "these codes open nothing: they are used up, replaced or wrong")

// custodians is who opens break-glass: nobody whom the installation knows by name.
var custodians = Principal{Principal: policy.Principal{Kind: "break-glass", Name: "custodians"}}

// OpenBreakGlass makes an administrator with all roles for a while, for whoever
// brings enough codes, which are used up. It needs no administrator: it is for when
// there is none. Wrong codes are counted and recorded if one of the set is among
// them, so that nobody else keeps the custodians out or fills the audit. The codes
// are the caller's to destroy.
func (s *Service) OpenBreakGlass(ctx context.Context, sc *Scope, texts []*secret.Bytes, life time.Duration) (*NewAdministrator, error) {
	if life == 0 {
		life = BreakGlassDefault
	}
	if life < time.Minute || life > BreakGlassLongest {
		return nil, kmip.Fail(kmip.KindInvalidField, "break-glass is open between a minute and %d hours", int(BreakGlassLongest/time.Hour))
	}
	if len(texts) > maxCodeShares {
		return nil, kmip.Fail(kmip.KindInvalidField, "there are at most %d codes", maxCodeShares)
	}
	codes, err := readCodes(texts)
	defer func() {
		for _, c := range codes {
			clear(c.value)
		}
	}()
	if err != nil {
		return nil, err
	}
	sc.Principal = custodians
	if err := s.countAttempt(ctx, codes); err != nil {
		if !errors.Is(err, errCodes) {
			err = s.translate(ctx, err)
			s.Refuse(ctx, sc, "break-glass.open", "", err)
			return nil, err
		}
		s.log.WarnContext(ctx, "codes that open nothing were presented to break-glass", "source", sc.Source)
		return nil, err
	}
	made, err := s.openGlass(ctx, sc, codes, life)
	if err != nil {
		s.log.ErrorContext(ctx, "wrong codes were presented to break-glass", "source", sc.Source, "error", err)
		return nil, err
	}
	s.forgetGlass()
	s.log.ErrorContext(ctx, "break-glass is open: an administrator may do everything", "administrator", made.Administrator.Name,
		"until", made.Administrator.NotAfter, "source", sc.Source)
	return made, nil
}

func readCodes(texts []*secret.Bytes) ([]code, error) {
	var codes []code
	for i, text := range texts {
		c, err := parseCode(text)
		if err != nil {
			return codes, kmip.Fail(kmip.KindInvalidField, "number %d is no break-glass code, or it was mistyped", i+1)
		}
		for _, other := range codes {
			if other.index == c.index {
				clear(c.value)
				return codes, kmip.Fail(kmip.KindInvalidField, "the code of custodian %d was given twice", c.index)
			}
		}
		codes = append(codes, c)
	}
	if len(codes) == 0 {
		return codes, kmip.Fail(kmip.KindMissingField, "no code was given")
	}
	if len(codes) < codes[0].threshold {
		return codes, kmip.Fail(kmip.KindInvalidField, "%d codes are needed, %d were given", codes[0].threshold, len(codes))
	}
	return codes, nil
}

// countAttempt counts an attempt before it is looked at, so that no number of nodes
// looks at more than may be.
func (s *Service) countAttempt(ctx context.Context, codes []code) error {
	for range planAttempts {
		var b breakGlass
		r, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b)
		if err != nil {
			return err
		}
		if b.Hash == "" {
			return errCodes
		}
		for _, c := range codes {
			if subtle.ConstantTimeCompare(c.set, b.Set) == 0 || c.threshold != b.Threshold {
				return errCodes
			}
		}
		now := s.now().UTC()
		var recent []time.Time
		for _, at := range b.Attempts {
			if now.Sub(at) < codePeriod {
				recent = append(recent, at)
			}
		}
		if len(recent) >= codeAttempts {
			wait := codePeriod - now.Sub(recent[0])
			return kmip.Fail(kmip.KindNotAuthenticated, "too many attempts; try again in %d minutes", int((wait+time.Minute-1)/time.Minute))
		}
		b.Attempts = append(recent, now)
		var c store.Change
		if err := s.putSingle(ctx, &c, r, now, b); err != nil {
			return err
		}
		if err := s.store.Commit(ctx, c); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return store.ErrConflict
}

func (s *Service) openGlass(ctx context.Context, sc *Scope, codes []code, life time.Duration) (*NewAdministrator, error) {
	var made *NewAdministrator
	err := s.do(ctx, sc, "break-glass.open", func() (outcome, error) {
		var o outcome
		var b breakGlass
		r, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b)
		if err != nil {
			return o, err
		}
		if err := b.opens(codes); err != nil {
			return o, err
		}
		now := s.now().UTC()
		all, err := s.administrators(ctx)
		if err != nil {
			return o, err
		}
		s.endGlass(&o.change, all, &b, now) // one that is open already
		authority, err := s.Authority(ctx)
		if err != nil {
			return o, err
		}
		suffix := make([]byte, 3)
		_, _ = rand.Read(suffix) // never fails
		name := fmt.Sprintf("%s-%s-%x", breakGlassPrefix, now.Format("20060102-1504"), suffix)
		until := now.Add(life).Truncate(time.Second)
		issued, err := authority.IssueClientUntil(name, []string{administratorUnit}, now, until)
		if err != nil {
			return o, err
		}
		if err := all.takeKey(sc, name, issued.Certificate); err != nil {
			return o, err
		}
		made = &NewAdministrator{Issued: issued, Authority: authority.Certificate, Administrator: store.Administrator{
			Name: name, Role: policy.RoleAdministrator, Fingerprint: pki.Fingerprint(issued.Certificate),
			NotAfter: issued.Certificate.NotAfter, Created: now.Truncate(time.Microsecond),
		}}
		o.uid, o.detail = name, fmt.Sprintf("open until %s", until.Format(time.RFC3339))
		o.change.AddAdministrators = []store.Administrator{made.Administrator}
		b = breakGlass{Name: name, Opened: now.Truncate(time.Second), Until: until}
		if err := s.putSingle(ctx, &o.change, r, now, b); err != nil {
			return o, err
		}
		return o, s.settleAdministrators(ctx, &o.change, all)
	})
	return made, err
}

// opens verifies codes of the set.
func (b breakGlass) opens(codes []code) error {
	parts := make([]split.Part, 0, len(codes))
	for _, c := range codes {
		if b.Hash == "" || subtle.ConstantTimeCompare(c.set, b.Set) == 0 || c.threshold != b.Threshold {
			return errCodes // replaced or used up meanwhile
		}
		parts = append(parts, split.Part{Identifier: c.index, Value: c.value})
	}
	value, err := breakGlassSharing(b.Threshold).Join(parts, 0)
	if err != nil {
		return errCodes
	}
	defer clear(value)
	good, err := verifyPassword(b.Hash, value)
	if err != nil {
		return err
	}
	if !good {
		return errCodes
	}
	return nil
}

// endGlass plans that the administrator who came by break-glass ends, if there is
// one, and returns its name.
func (s *Service) endGlass(c *store.Change, all administrators, b *breakGlass, now time.Time) string {
	name := b.Name
	if m, ok := all.named(name); ok && m.Revoked.IsZero() {
		m.Revoked = now.Truncate(time.Microsecond)
		c.UpdateAdmins = append(c.UpdateAdmins, m)
	}
	b.Name, b.Opened, b.Until = "", time.Time{}, time.Time{}
	return name
}

// CloseBreakGlass ends the administrator who came by break-glass at once: that one
// itself may, and security officers. Others could keep the custodians out.
func (s *Service) CloseBreakGlass(ctx context.Context, sc *Scope) error {
	err := s.administer(ctx, sc, policy.ActionBreakGlassClose, "", func() (store.Change, error) {
		c, name, err := s.planClose(ctx)
		if err == nil && name == "" {
			err = kmip.Fail(kmip.KindWrongState, "break-glass is not open")
		}
		return c, err
	})
	s.forgetGlass()
	if err == nil {
		s.log.WarnContext(ctx, "break-glass was closed", "by", sc.Principal.Actor())
	}
	return err
}

func (s *Service) planClose(ctx context.Context) (c store.Change, name string, err error) {
	var b breakGlass
	r, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b)
	if err != nil || b.Name == "" {
		return c, "", err
	}
	all, err := s.administrators(ctx)
	if err != nil {
		return c, "", err
	}
	now := s.now().UTC()
	name = s.endGlass(&c, all, &b, now)
	if err := s.putSingle(ctx, &c, r, now, b); err != nil {
		return c, name, err
	}
	return c, name, s.settleAdministrators(ctx, &c, all)
}

// EndBreakGlass closes break-glass when its time is over, with an entry in the
// audit. Every node may do it; the administrator is refused from then on anyhow.
func (s *Service) EndBreakGlass(ctx context.Context) error {
	var b breakGlass
	if _, err := s.singleRecord(ctx, SystemDomain, recordBreakGlass, &b); err != nil || b.Name == "" || s.now().Before(b.Until) {
		return err
	}
	c, name, err := s.planClose(ctx)
	if err != nil || name == "" {
		return err
	}
	sc := s.Begin(custodians, "", "system", "", "")
	e := s.entry(sc, policy.ActionBreakGlassClose, name, nil)
	e.Detail = "its time is over"
	c.Audit = append(c.Audit, e)
	if err := s.store.Commit(ctx, c); err != nil {
		if errors.Is(err, store.ErrConflict) { // another node was faster
			return nil
		}
		return err
	}
	s.log.WarnContext(ctx, "break-glass has ended: its time is over", "administrator", name)
	return nil
}

func (s *Service) forgetGlass() {
	s.glass.mu.Lock()
	defer s.glass.mu.Unlock()
	s.glass.until = time.Time{}
}
