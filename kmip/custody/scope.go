package custody

import (
	"context"
	"net/netip"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Principal is who calls: made by the Authenticate methods of Service.
type Principal struct {
	policy.Principal
	// Beside is the client whose certificate came with a credential: what is done
	// must be permitted to it too. Nil when the client itself is the principal.
	Beside *policy.Principal
	// Fingerprint is the SHA-256 of the certificate that was presented.
	Fingerprint string
	// Key is the SHA-256 of its public key (SubjectPublicKeyInfo), in hexadecimal: of an
	// administrator always, of clients as far as it is known.
	Key string
}

// Scope is the frame of one request: who asks, for which domain, when. All
// items of a batch see one time. It belongs to one goroutine.
type Scope struct {
	Principal Principal
	Domain    string
	Source    string // network address of the caller
	Door      string // "kmip", "admin" or "system"
	TLS       string // version by which the request came: "1.2", "1.3"
	Request   string // correlation value, for log and audit
	Now       time.Time
	// Form is that of the client's version of the protocol; nil where no client
	// asks.
	Form Form
	// grant is that of the ticket by which the request came; nil without one.
	grant *grant
	// creator is whose the objects are that the server makes for somebody; empty: the
	// principal's.
	creator string
	// asked is what policy was last asked about.
	asked policy.Resource
	// unwrapping counts the keys that are being unwrapped for each other.
	unwrapping int
	// touched are the objects that the use case uses.
	touched []string
	// about is what the caller asks, word by word; nil when the door has not said.
	about Arguments
	// spending tells that a use case is being planned that spends the approvals
	// that it uses; used are those so far.
	spending bool
	used     []usedApproval

	// stranger tells apart callers that no client is; empty for one that is known.
	stranger string

	store  store.Store
	reader store.Bound // of Domain
	undo   *overlay    // of a batch that can be undone
}

// Begin opens the frame of a request.
func (s *Service) Begin(p Principal, domain, door, source, correlation string) *Scope {
	return &Scope{
		Principal: p, Domain: domain, Door: door, Source: source, Request: correlation,
		Now: s.now().UTC(), store: s.store, reader: store.In(s.store, domain),
	}
}

// Stranger says that nobody knows the caller: its refusals are bounded in the
// audit. who tells such callers apart.
func (sc *Scope) Stranger(who string) { sc.stranger = who }

// in is the frame of the same request for another domain, for an administrator who
// asks about several.
func (sc *Scope) in(domain string) *Scope {
	other := *sc
	other.Domain, other.reader = domain, store.In(sc.store, domain)
	return &other
}

// address is where the caller is.
func (sc *Scope) address() netip.Addr { return addressOf(sc.Source) }

// addressOf reads a network address, with or without a port; the zero address when
// there is none.
func addressOf(source string) netip.Addr {
	if p, err := netip.ParseAddrPort(source); err == nil {
		return p.Addr().Unmap()
	}
	a, _ := netip.ParseAddr(source)
	return a.Unmap()
}

// commit makes a change durable, or adds it to those of an undoable batch.
func (sc *Scope) commit(ctx context.Context, c store.Change) error {
	if k := sc.Principal.Kind; k == policy.KindClient || k == policy.KindUser {
		if err := c.Within(sc.Domain, SystemDomain); err != nil {
			return err
		}
	}
	c = marked(c)
	if sc.undo != nil {
		return sc.undo.add(ctx, c)
	}
	return sc.store.Commit(ctx, c)
}

// revision is the revision that an update of a loaded object leads to: one
// more than what the store has, however often a batch changes it.
func (sc *Scope) revision(row store.Object) int64 {
	if sc.undo != nil && sc.undo.pending(row.UID) {
		return row.Revision
	}
	return row.Revision + 1
}

// Undoable makes the changes of all further use cases wait for Finish, so that
// Undo can drop them.
func (sc *Scope) Undoable() {
	sc.undo = newOverlay(sc.store, sc.Domain)
	sc.reader = store.In(sc.undo, sc.Domain)
}

// undoable reports whether the request belongs to a batch that may be undone.
func (sc *Scope) undoable() bool { return sc.undo != nil && !sc.undo.deferred }

// Finish makes the changes of an undoable batch durable, all or none. When it
// fails, Undoable begins again, or Undo records the end.
func (s *Service) Finish(ctx context.Context, sc *Scope) error {
	if err := sc.store.Commit(ctx, sc.undo.merged()); err != nil {
		return s.translate(ctx, err)
	}
	sc.undo, sc.reader = nil, store.In(sc.store, sc.Domain)
	return nil
}

// Undo drops the changes of an undoable batch and records that it did. cause is
// why Finish failed, which the last item then answers for; nil when an item
// failed, which is recorded already.
func (s *Service) Undo(ctx context.Context, sc *Scope, cause error) error {
	entries := sc.undo.undone()
	sc.undo, sc.reader = nil, store.In(sc.store, sc.Domain)
	if len(entries) == 0 {
		return nil
	}
	if cause != nil {
		last := &entries[len(entries)-1]
		last.Outcome, last.Reason = audit.Failure, kmip.KindOf(cause).String()
	}
	// The caller may be gone: that nothing was done is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditDeadline)
	defer cancel()
	if err := sc.store.Commit(ctx, store.Change{Audit: entries}); err != nil {
		return s.translate(ctx, err)
	}
	return nil
}

// authorize asks policy, at the one place where it is asked. What policy would
// allow once it is approved, is allowed when it is; the use case then spends the
// approval.
func (s *Service) authorize(ctx context.Context, sc *Scope, action string, r policy.Resource) error {
	r.Domain = sc.Domain
	sc.asked = r
	needed, err := s.ask(ctx, sc, action, r, sc.given(r.UID))
	if err != nil {
		return err
	}
	needed = max(needed, needsOtherRole(sc, action))
	if needed == 0 {
		return nil
	}
	return s.approved(ctx, sc, action, r, needed)
}

// authorizeToo asks policy whether the caller may do what an action amounts to with an
// object that the caller may know of: what is refused under one name is not done
// under another.
func (s *Service) authorizeToo(ctx context.Context, sc *Scope, action string, r policy.Resource) error {
	asked := sc.asked // the ticket's Usage Limits are those of what was asked
	defer func() { sc.asked = asked }()
	return s.authorize(ctx, sc, action, r)
}

// ask asks policy about a request that so many have approved. It returns how many
// approvals it needs, 0 when it is allowed, or a failure when nothing would make
// it so.
func (s *Service) ask(ctx context.Context, sc *Scope, action string, r policy.Resource, approvals int) (int, error) {
	c := policy.Context{Time: sc.Now, Source: sc.address(), Door: sc.Door, TLS: sc.TLS, Approvals: approvals}
	needed := 0
	for _, p := range []*policy.Principal{&sc.Principal.Principal, sc.Principal.Beside} {
		if p == nil {
			continue
		}
		d, err := s.judge(ctx, policy.Request{Principal: *p, Action: action, Resource: r, Context: c})
		if err != nil {
			return 0, err
		}
		if !d.Allow && d.Approvals <= approvals {
			message := action + " is not permitted"
			if p.Kind == policy.KindAdministrator { // a client is not told why
				message += ": " + d.Reason
			}
			return 0, kmip.FailFrom(&denial{d.Reason}, kmip.KindPermissionDenied, message)
		}
		if !d.Allow {
			needed = max(needed, d.Approvals)
		}
	}
	if sc.grant != nil {
		return needed, sc.grant.allows(action, r)
	}
	return needed, nil
}

// permits reports whether policy allows an action as it stands, without approval:
// for questions that are asked of many objects at once.
func (s *Service) permits(ctx context.Context, sc *Scope, action string, r policy.Resource) bool {
	r.Domain = sc.Domain
	sc.asked = r
	needed, err := s.ask(ctx, sc, action, r, 0)
	return err == nil && needed == 0
}
