package custody

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// LoginArgs are the arguments of Login and DelegatedLogin.
type LoginArgs struct {
	// Lease is how long the ticket is good: until a date, or for a time; the zero
	// values mean the longest that the server grants.
	Lease   time.Duration
	Until   time.Time
	Count   int32 // requests that can be made with it; 0: any number
	Limits  *kmip.UsageLimits
	Rights  []Right // of a delegated login
	Limited bool    // only what Rights allow
}

// Right allows some operations on some objects (§7.34). What it does not name is
// not restricted.
type Right struct {
	Operations []kmip.Operation
	Objects    []string
	Groups     []string
	Limits     *kmip.UsageLimits
}

// Tickets are good for a day at most, and of a length that cannot be guessed.
const (
	maxTicketLife = 24 * time.Hour
	ticketBytes   = 32
	maxRights     = 256
)

// ticket is the form that the record keeps. Who presents it acts for the
// principal that logged in.
type ticket struct {
	Principal Principal     `json:"principal"`
	Left      int32         `json:"left,omitempty"` // requests; when Counted
	Counted   bool          `json:"counted,omitempty"`
	Limited   bool          `json:"limited,omitempty"`
	Rights    []ticketRight `json:"rights,omitempty"`
	Usage     *usageLeft    `json:"usage,omitempty"`
	Parent    string        `json:"parent,omitempty"` // key of the ticket that it was made with, and ends with
}

type ticketRight struct {
	Operations []kmip.Operation `json:"operations,omitempty"`
	Objects    []string         `json:"objects,omitempty"`
	Groups     []string         `json:"groups,omitempty"`
	Usage      *usageLeft       `json:"usage,omitempty"`
}

// usageLeft is what may still be protected: operations, or bytes of data.
type usageLeft struct {
	Left  int64 `json:"left"`
	Bytes bool  `json:"bytes,omitempty"`
}

func usageOf(u *kmip.UsageLimits) *usageLeft {
	if u == nil {
		return nil
	}
	return &usageLeft{Left: u.Total, Bytes: u.Unit == kmip.UsageLimitsUnitByte}
}

// grant is what a ticket allows the requests that present it. It belongs to one
// request.
type grant struct {
	ticket
	record store.Record
}

// bounded reports whether no ticket may be made with this one: it allows less than
// whoever logged in may do, or was made with a ticket itself.
func (g *grant) bounded() bool { return g.Limited || g.Counted || g.Usage != nil || g.Parent != "" }

// Login makes a ticket that stands for the caller (§6.1.30).
func (s *Service) Login(ctx context.Context, sc *Scope, a LoginArgs) ([]byte, error) {
	return s.login(ctx, sc, "Login", a)
}

// DelegatedLogin makes a ticket with some of the rights of the caller (§6.1.12).
func (s *Service) DelegatedLogin(ctx context.Context, sc *Scope, a LoginArgs) ([]byte, error) {
	a.Limited = true
	return s.login(ctx, sc, "DelegatedLogin", a)
}

func (s *Service) login(ctx context.Context, sc *Scope, action string, a LoginArgs) ([]byte, error) {
	value := make([]byte, ticketBytes)
	err := s.do(ctx, sc, action, func() (outcome, error) {
		var o outcome
		if err := s.authorizeNone(ctx, sc, action); err != nil {
			return o, err
		}
		t, until, err := newTicket(sc, a)
		if err != nil {
			return o, err
		}
		_, _ = rand.Read(value) // never fails
		r := store.Record{Domain: sc.Domain, Kind: recordTicket, Key: ticketKey(value), Revision: 1, Created: sc.Now, Expires: until}
		if r, err = s.sealRecord(ctx, r, t); err != nil {
			return o, err
		}
		o.change.AddRecords = []store.Record{r}
		return o, nil
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// newTicket checks what is asked of a ticket. One that is made with a ticket ends
// with that; a ticket whose use is limited makes none, which would allow more.
func newTicket(sc *Scope, a LoginArgs) (ticket, time.Time, error) {
	until := sc.Now.Add(maxTicketLife)
	switch {
	case sc.undoable():
		return ticket{}, until, kmip.Fail(kmip.KindBatchRefused, "a login cannot be undone")
	case sc.grant != nil && sc.grant.bounded():
		return ticket{}, until, kmip.Fail(kmip.KindNotAuthorised, "no ticket can be made with this one")
	case a.Count < 0 || a.Lease < 0:
		return ticket{}, until, kmip.Fail(kmip.KindInvalidField, "Request Count and Lease Time are not negative")
	case a.Limits != nil && a.Limits.Total < 0:
		return ticket{}, until, kmip.Fail(kmip.KindInvalidField, "Usage Limits are not negative")
	case len(a.Rights) > maxRights:
		return ticket{}, until, kmip.Fail(kmip.KindTooMany, "a ticket has at most %d Rights", maxRights)
	}
	if a.Lease > 0 && a.Lease < maxTicketLife {
		until = sc.Now.Add(a.Lease)
	}
	if !a.Until.IsZero() {
		if !a.Until.After(sc.Now) {
			return ticket{}, until, kmip.Fail(kmip.KindInvalidField, "the Lease Time is over already")
		}
		if a.Until.Before(until) {
			until = a.Until
		}
	}
	t := ticket{Principal: sc.Principal, Left: a.Count, Counted: a.Count > 0, Limited: a.Limited, Usage: usageOf(a.Limits)}
	if sc.grant != nil {
		t.Parent = sc.grant.record.Key
	}
	for _, r := range a.Rights {
		t.Rights = append(t.Rights, ticketRight{Operations: r.Operations, Objects: r.Objects, Groups: r.Groups, Usage: usageOf(r.Limits)})
	}
	return t, until, nil
}

// ticketKey is the name of the record of a ticket: not the ticket itself, which
// admits whoever has it.
func ticketKey(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:])
}

// Logout ends a ticket of the caller (§6.1.31).
func (s *Service) Logout(ctx context.Context, sc *Scope, value []byte) error {
	return s.do(ctx, sc, "Logout", func() (outcome, error) {
		var o outcome
		if err := s.authorizeNone(ctx, sc, "Logout"); err != nil {
			return o, err
		}
		if sc.undoable() {
			return o, kmip.Fail(kmip.KindBatchRefused, "a logout cannot be undone")
		}
		r, t, err := s.ticket(ctx, sc.Domain, ticketKey(value))
		if err != nil {
			return o, err
		}
		if t.Principal.Actor() != sc.Principal.Actor() {
			return o, kmip.Fail(kmip.KindTicket, "the ticket is unknown, or its time is over")
		}
		o.change.DeleteRecords = []store.RecordRef{r.Ref()}
		return o, nil
	})
}

func (s *Service) ticket(ctx context.Context, domain, key string) (store.Record, ticket, error) {
	unknown := kmip.Fail(kmip.KindTicket, "the ticket is unknown, or its time is over")
	var t ticket
	read := func(key string) (store.Record, error) {
		r, err := s.store.Record(ctx, domain, recordTicket, key)
		if errors.Is(err, store.ErrNotFound) || err == nil && !s.now().Before(r.Expires) {
			return r, unknown
		}
		return r, err
	}
	r, err := read(key)
	if err != nil {
		return r, t, err
	}
	if err := s.openRecord(ctx, r, &t); err != nil || t.Parent == "" {
		return r, t, err
	}
	_, err = read(t.Parent)
	return r, t, err
}

// ticketAttempts bounds how often a request counts itself against a ticket that
// others use at the same time.
const ticketAttempts = 16

// AuthenticateTicket admits a request by a ticket (§9.4) that came beside the
// certificate of a client of the same domain, and counts it. The caller acts for
// whoever logged in. The scope made of the principal takes the grant with Use.
func (s *Service) AuthenticateTicket(ctx context.Context, client Principal, value []byte) (Principal, Grant, error) {
	for range ticketAttempts {
		r, t, err := s.ticket(ctx, client.Domain, ticketKey(value))
		p := t.Principal
		if err == nil {
			p, err = s.Now(ctx, p)
		}
		if err != nil {
			return Principal{}, nil, s.translate(ctx, err)
		}
		g := &grant{ticket: t, record: r}
		if t.Counted {
			if t.Left <= 0 {
				return Principal{}, nil, kmip.Fail(kmip.KindUsageLimit, "the ticket was used as often as it may be")
			}
			g.Left--
			if err := s.keepTicket(ctx, g); errors.Is(err, store.ErrConflict) {
				continue
			} else if err != nil {
				return Principal{}, nil, s.translate(ctx, err)
			}
		}
		p.Beside = &client.Principal
		return p, g, nil
	}
	return Principal{}, nil, kmip.Fail(kmip.KindUnavailable, "the ticket is being used by too many at once; try again")
}

// NowBy is Now for a principal that came with a grant: its ticket must still be good.
func (s *Service) NowBy(ctx context.Context, p Principal, g Grant) (Principal, error) {
	if g != nil {
		if _, _, err := s.ticket(ctx, g.record.Domain, g.record.Key); err != nil {
			return Principal{}, s.translate(ctx, err)
		}
	}
	p, err := s.Now(ctx, p)
	if err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	return p, nil
}

// keepTicket stores a ticket that has changed.
func (s *Service) keepTicket(ctx context.Context, g *grant) error {
	r := g.record
	r.Revision++
	r, err := s.sealRecord(ctx, r, g.ticket)
	if err != nil {
		return err
	}
	if err := s.store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}}); err != nil {
		return err
	}
	g.record = r
	return nil
}

// Grant is what a ticket allows; nil without one.
type Grant = *grant

// Use puts a request under the grant of a ticket.
func (sc *Scope) Use(g Grant) { sc.grant = g }

// allows asks the rights of a delegated login whether an action is among them:
// one of them must allow it.
func (g *grant) allows(action string, r policy.Resource) error {
	if !g.Limited {
		return nil
	}
	for _, right := range g.Rights {
		if right.allows(action, r) {
			return nil
		}
	}
	return kmip.Fail(kmip.KindNotAuthorised, "the ticket does not allow %s here", action)
}

func (r ticketRight) allows(action string, on policy.Resource) bool {
	if len(r.Operations) > 0 && !slices.ContainsFunc(r.Operations, func(o kmip.Operation) bool { return o.String() == action }) {
		return false
	}
	if len(r.Objects) > 0 && on.UID != "" && !slices.Contains(r.Objects, on.UID) {
		return false
	}
	if len(r.Objects) > 0 && on.UID == "" && makesObjects[action] {
		return false // a new object is none of those that are named
	}
	return len(r.Groups) == 0 || on.UID == "" && !makesObjects[action] ||
		slices.ContainsFunc(on.Groups, func(group string) bool { return slices.Contains(r.Groups, group) })
}

// makesObjects are the actions that are authorised before there is an object.
var makesObjects = map[string]bool{
	"Create": true, "CreateKeyPair": true, "Register": true, "Import": true, "Certify": true, "DeriveKey": true,
	"CreateSplitKey": true, "JoinSplitKey": true, "CreateUser": true, "CreateGroup": true, "CreateCredential": true,
}

// spend counts an operation, or its data, against the Usage Limits of the ticket
// by which it came and of the right that allows it.
func (s *Service) spend(ctx context.Context, sc *Scope, action string, dataBytes int) error {
	g := sc.grant
	if g == nil {
		return nil
	}
	r := sc.asked
	limits := []*usageLeft{g.Usage}
	for _, right := range g.Rights {
		if right.allows(action, r) {
			limits = append(limits, right.Usage)
			break
		}
	}
	spent := false
	for _, u := range limits {
		if u == nil {
			continue
		}
		take := int64(1)
		if u.Bytes {
			take = int64(dataBytes)
		}
		if take > u.Left {
			return kmip.Fail(kmip.KindUsageLimit, "the Usage Limits of the ticket do not suffice")
		}
		u.Left -= take
		spent = true
	}
	if !spent {
		return nil
	}
	return s.keepTicket(ctx, g)
}
