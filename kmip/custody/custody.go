// Package custody is the domain service: every use case on managed objects,
// and on the domains, clients and users that own them. It is the only door to
// a managed object. Each use case
//
//	plans   loads what it is about, takes its effective state, asks policy and lifecycle
//	acts    seals, unseals and computes; no transaction is open
//	commits one store.Change that also holds the audit entry, if the revision
//	        that it planned on is still there; else it plans again
//
// and a result leaves only after its commit. Custody knows no version of the
// protocol and not which door a call came through. It returns kmip failures;
// what a client may not know of and what does not exist give the same one.
//
// All methods of Service are safe for concurrent use.
package custody

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Sealer keeps material and authenticates records under the key of a domain.
// *seal.Ring is one.
type Sealer interface {
	EnsureDomain(ctx context.Context, domain string, mode seal.Mode) error
	Current(ctx context.Context, domain string) (int32, error)
	SealAt(ctx context.Context, domain string, generation int32, b seal.Binding, plaintext *secret.Bytes) ([]byte, error)
	Open(ctx context.Context, domain string, generation int32, b seal.Binding, sealed []byte) (*secret.Bytes, error)
	MAC(ctx context.Context, domain string, generation int32, message []byte) ([]byte, error)
	VerifyMAC(ctx context.Context, domain string, generation int32, message, mac []byte) error
	// Refresh reads what other nodes have done to generations.
	Refresh(ctx context.Context) error

	Hierarchy
}

// Config is what a Service is made of. Store, Sealer, Log and
// EncodeTTLV and DecodeTTLV are required.
type Config struct {
	Store  store.Store
	Sealer Sealer
	Log    *slog.Logger
	Now    func() time.Time                     // time.Now when nil
	Decide func(policy.Request) policy.Decision // asked instead of the stored policies; nil but in tests
	// LeaseTime is the Lease Time of new objects; an hour when 0.
	LeaseTime time.Duration
	// EncodeTTLV writes an item as the wire has it, and DecodeTTLV reads one: what
	// is wrapped is an encoded Key Value. Required.
	EncodeTTLV func(kmip.Item) []byte
	DecodeTTLV func([]byte) (kmip.Item, error)
	// Random makes keys; crypto/rand when nil.
	Random io.Reader
	// ApprovalLife is how long a request for approval is open; a day when 0.
	ApprovalLife time.Duration
	// FIPS refuses what is not in the validated module of Go.
	FIPS bool
}

// Service is the domain service.
type Service struct {
	store  roster
	sealer Sealer
	log    *slog.Logger
	now    func() time.Time
	decide func(policy.Request) policy.Decision
	lease  time.Duration
	encode func(kmip.Item) []byte
	decode func([]byte) (kmip.Item, error)
	random io.Reader
	jobs   jobTable
	// clocked tells that now is the clock of the machine, and not a test's.
	clocked bool
	fips    bool
	// objects that are due and held up by the quota of their domain
	rotationHeld atomic.Int64
	held         heldTable
	ending       atomic.Int64 // objects in use that are about to be deactivated

	// Of the goroutine that does the duties.
	endingAt     time.Time
	endingWarned map[string]bool

	policyTable  policyTable
	quotas       quotaTable
	identities   identityCache
	rates        rateTable
	refusals     refusalTable
	enrolments   enrolmentTable
	trusts       trustTable
	ocsp         ocspTable
	crls         crlTable
	expiry       expiryTable
	passwords    passwordCache
	streams      streamTable
	standings    standingCache
	applications applicationTable
	guesses      guessTable
	known        rulesCache
	approvals    approvalTable
	glass        breakGlassCache
	work         chan struct{} // wakes who processes asynchronous requests
}

// New makes a Service.
func New(c Config) *Service {
	s := &Service{store: roster{c.Store, c.Sealer, c.Log}, sealer: c.Sealer, log: c.Log, now: c.Now, decide: c.Decide, lease: c.LeaseTime, encode: c.EncodeTTLV, decode: c.DecodeTTLV, fips: c.FIPS}
	s.work = make(chan struct{}, 1)
	s.jobs.node = uuid.NewString()
	if s.approvals.life = c.ApprovalLife; s.approvals.life == 0 {
		s.approvals.life = 24 * time.Hour
	}
	if s.random = c.Random; s.random == nil {
		s.random = rand.Reader
	}
	if s.now == nil {
		s.now, s.clocked = time.Now, true
	}
	if s.lease == 0 {
		s.lease = time.Hour
	}
	return s
}

// SystemDomain holds the installation's own secrets; no client belongs to it.
const SystemDomain = "system"

// planAttempts bounds how often a use case plans again after a conflict.
const planAttempts = 8

// outcome is what a use case plans: the change, and the object to name in the audit.
type outcome struct {
	uid    string
	change store.Change
	detail string // for the audit; never secret
	bytes  int    // of data that were processed
}

// do runs a use case: plan (which may act), then commit together with the
// audit entry; again after a conflict. A failure is recorded too.
func (s *Service) do(ctx context.Context, sc *Scope, action string, plan func() (outcome, error)) error {
	var o outcome
	var err error
	used, spending := sc.used, sc.spending
	defer func() { sc.used, sc.spending = used, spending }()
	for attempt := range planAttempts {
		sc.used, sc.spending, sc.touched = nil, true, nil
		if o, err = plan(); err != nil {
			if attempt < movedAttempts && s.moved(ctx, err) {
				continue
			}
			break
		}
		if err = s.withinQuota(ctx, sc, len(o.change.Insert)); err != nil {
			break
		}
		if err = s.spend(ctx, sc, action, o.bytes); err != nil {
			break
		}
		e := s.entry(sc, action, o.uid, nil)
		e.Detail = o.detail
		if err = s.spendApprovals(ctx, sc, &o.change, &e); err != nil {
			break
		}
		o.change.Audit = append(o.change.Audit, e)
		sc.noteUses(&o.change)
		if err = sc.commit(ctx, o.change); !errors.Is(err, store.ErrConflict) {
			break
		}
		if rerr := s.sealer.Refresh(ctx); rerr != nil { // another generation of the key may be current now
			break
		}
	}
	if err != nil {
		err = s.seekApproval(ctx, sc, o.uid, s.translate(ctx, err))
		s.Refuse(ctx, sc, action, o.uid, err)
	}
	return err
}

// movedAttempts bounds how often a use case plans again because the key that an
// object was under is gone.
const movedAttempts = 2

// moved reports whether a use case failed because what it read was moved to
// another generation of the key meanwhile, and the old one has ended.
func (s *Service) moved(ctx context.Context, err error) bool {
	var f *kmip.Failure
	if errors.As(err, &f) || !errors.Is(err, hsm.ErrNotFound) && !errors.Is(err, hsm.ErrClosed) {
		return false
	}
	return s.sealer.Refresh(ctx) == nil
}

// IsConflict reports whether a failure came from others changing the same
// objects: the request may be run again.
func IsConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

// Warn logs what went wrong in the background: an operator should see it, and no
// client can.
func (s *Service) Warn(ctx context.Context, err error) {
	s.log.WarnContext(ctx, "work in the background failed", "error", err)
}

// Report logs and records a failure that no use case has seen.
func (s *Service) Report(ctx context.Context, sc *Scope, action string, err error) {
	s.log.ErrorContext(ctx, "operation failed", "operation", action, "error", err)
	s.Refuse(ctx, sc, action, "", err)
}

// translate turns errors of the store and the HSM into failures. What has no
// meaning for a client becomes a general failure and is logged.
func (s *Service) translate(ctx context.Context, err error) error {
	var f *kmip.Failure
	switch {
	case errors.As(err, &f):
		if f.Kind == kmip.KindIntegrity {
			s.log.ErrorContext(ctx, "stored data does not authenticate", "error", err)
		}
		return err
	case errors.Is(err, store.ErrInvalid):
		return kmip.FailFrom(err, kmip.KindInvalidField, "a text is too long, or is none that can be stored")
	case errors.Is(err, store.ErrNotFound):
		return kmip.FailFrom(err, kmip.KindObjectNotFound, "no such object")
	case errors.Is(err, store.ErrNameTaken):
		return kmip.FailFrom(err, kmip.KindNameNotUnique, "another object has this Name")
	case errors.Is(err, store.ErrExists):
		return kmip.FailFrom(err, kmip.KindObjectExists, "it exists already")
	case errors.Is(err, store.ErrExhausted):
		return kmip.FailFrom(err, kmip.KindUsageExhausted, "the Usage Limits of the key are used up")
	case errors.Is(err, store.ErrConflict):
		return kmip.FailFrom(err, kmip.KindUnavailable, "the object is being changed by others; try again")
	case errors.Is(err, seal.ErrInUse), errors.Is(err, store.ErrInUse):
		return kmip.FailFrom(err, kmip.KindWrongState, "it is still in use")
	case errors.Is(err, seal.ErrExhausted):
		s.log.ErrorContext(ctx, "the key of a domain has sealed as often as it may", "error", err)
		return kmip.FailFrom(err, kmip.KindUnavailable, "the key of the domain has sealed as often as it may; an administrator must rotate it with claviger domain rotate-key")
	case isUnavailable(err):
		s.log.ErrorContext(ctx, "store or root of trust is unavailable", "error", err)
		return kmip.FailFrom(err, kmip.KindUnavailable, "temporarily unavailable; try again")
	}
	s.log.ErrorContext(ctx, "use case failed", "error", err)
	return kmip.FailFrom(err, kmip.KindGeneral, "the server could not complete the operation")
}
