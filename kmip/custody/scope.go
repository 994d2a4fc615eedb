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
}

// Actor names the principal in the audit: "client:demo".
func (p Principal) Actor() string {
	if p.Name == "" {
		return "unknown"
	}
	return p.Kind + ":" + p.Name
}

// Scope is the frame of one request: who asks, for which domain, when. All
// items of a batch see one time. It belongs to one goroutine.
type Scope struct {
	Principal Principal
	Domain    string
	Source    string // network address of the caller
	Door      string // "kmip", "admin" or "system"
	Request   string // correlation value, for log and audit
	Now       time.Time
	// Form is that of the client's version of the protocol; nil where no client
	// asks.
	Form Form
	// grant is that of the ticket by which the request came; nil without one.
	grant *grant
	// asked is what policy was last asked about.
	asked policy.Resource
	// unwrapping counts the keys that are being unwrapped for each other.
	unwrapping int

	// stranger tells apart callers that no client is; empty for one that is known.
	stranger string

	store  store.Store
	reader store.Reader
	undo   *overlay // of a batch that can be undone
}

// Begin opens the frame of a request.
func (s *Service) Begin(p Principal, domain, door, source, correlation string) *Scope {
	return &Scope{
		Principal: p, Domain: domain, Door: door, Source: source, Request: correlation,
		Now: s.now().UTC(), store: s.store, reader: s.store,
	}
}

// Stranger says that nobody knows the caller: its refusals are bounded in the
// audit. who tells such callers apart.
func (sc *Scope) Stranger(who string) { sc.stranger = who }

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
	sc.reader = sc.undo
}

// undoable reports whether the request belongs to a batch that may be undone.
func (sc *Scope) undoable() bool { return sc.undo != nil && !sc.undo.deferred }

// Finish makes the changes of an undoable batch durable, all or none. When it
// fails, Undoable begins again, or Undo records the end.
func (s *Service) Finish(ctx context.Context, sc *Scope) error {
	if err := sc.store.Commit(ctx, sc.undo.merged()); err != nil {
		return s.translate(ctx, err)
	}
	sc.undo, sc.reader = nil, sc.store
	return nil
}

// Undo drops the changes of an undoable batch and records that it did. cause is
// why Finish failed, which the last item then answers for; nil when an item
// failed, which is recorded already.
func (s *Service) Undo(ctx context.Context, sc *Scope, cause error) error {
	entries := sc.undo.undone()
	sc.undo, sc.reader = nil, sc.store
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

// authorize asks policy, at the one place where it is asked.
func (s *Service) authorize(_ context.Context, sc *Scope, action string, r policy.Resource) error {
	r.Domain = sc.Domain
	sc.asked = r
	c := policy.Context{Time: sc.Now, Source: sc.address(), Door: sc.Door}
	for _, p := range []*policy.Principal{&sc.Principal.Principal, sc.Principal.Beside} {
		if p != nil && !s.decide(policy.Request{Principal: *p, Action: action, Resource: r, Context: c}).Allow {
			return kmip.Fail(kmip.KindPermissionDenied, "%s is not permitted", action)
		}
	}
	if sc.grant != nil {
		return sc.grant.allows(action, r)
	}
	return nil
}
