package custody

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// entry makes the audit entry of a use case; err tells why it was refused.
func (s *Service) entry(sc *Scope, action, uid string, err error) audit.Entry {
	e := audit.Entry{
		Time: s.now().UTC().Truncate(time.Microsecond), Domain: sc.Domain, Actor: sc.Principal.Actor(),
		Source: sc.Source, Door: sc.Door, Operation: action, UID: recordable(uid), Outcome: audit.Success, Request: sc.Request,
	}
	if err != nil {
		e.Outcome, e.Reason = audit.Failure, kmip.KindOf(err).String()
		var d *denial
		if errors.As(err, &d) {
			e.Detail = printable(d.reason)
		}
		var n *approvalNeed
		if errors.As(err, &n) {
			e.Detail = strings.TrimSuffix(n.needs()+"; request "+n.id, "; request ")
		}
	}
	return e
}

// recordable is an identifier as the audit can keep it: what clients send may
// be any text of any length, and must not keep its refusal from being recorded.
func recordable(uid string) string {
	const longest = 255 // bytes, of an object that exists
	if len(uid) > longest {
		uid = uid[:longest]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(uid, "\uFFFD"), "\x00", "\uFFFD")
}

// Refuse records a call that failed, also one that never got to its use case.
// When that cannot be written the call still fails; the log tells.
func (s *Service) Refuse(ctx context.Context, sc *Scope, action, uid string, err error) {
	if sc.stranger != "" {
		s.TurnAway(ctx, sc, action, sc.stranger, err)
		return
	}
	// The caller may be gone: its refusal is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditDeadline)
	defer cancel()
	if werr := sc.store.Commit(ctx, store.Change{Audit: []audit.Entry{s.entry(sc, action, uid, err)}}); werr != nil {
		s.log.ErrorContext(ctx, "refusal could not be recorded", "operation", action, "error", werr)
	}
}

// Record records a call that touches no object, such as Query; it must be
// written before the answer leaves.
func (s *Service) Record(ctx context.Context, sc *Scope, action string) error {
	return s.do(ctx, sc, action, func() (outcome, error) {
		return outcome{}, nil
	})
}

// maxDetailBytes bounds what a client may write into the audit.
const maxDetailBytes = 1024

// printable is a text of a client as it may stand in the audit: bounded, and
// without what a terminal would obey.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	if len(text) > maxDetailBytes {
		text = strings.ToValidUTF8(text[:maxDetailBytes], "")
	}
	return text
}

const auditDeadline = 5 * time.Second
