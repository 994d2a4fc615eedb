package custody

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Approvals lists requests for approval, oldest first: of one domain unless it is
// empty, and only the open ones unless all are asked for. Ended ones are kept for 30
// days.
func (s *Service) Approvals(ctx context.Context, sc *Scope, domain string, all bool) ([]ApprovalRequest, error) {
	var list []ApprovalRequest
	err := s.administer(ctx, sc, policy.ActionApprovalList, "", func() (store.Change, error) {
		list = nil
		kinds := []string{recordApproval}
		if all {
			kinds = []string{recordApprovalEnded, recordApproval}
		}
		for _, kind := range kinds {
			records, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: kind, Limit: maxApprovals})
			if err != nil {
				return store.Change{}, err
			}
			for _, r := range records {
				p, err := s.readApproval(ctx, r)
				if err != nil {
					return store.Change{}, err
				}
				if domain != "" && p.subject.Domain != domain || kind == recordApproval && s.approvalOver(p) {
					continue
				}
				v, err := s.viewApproval(ctx, p)
				if err != nil {
					return store.Change{}, err
				}
				list = append(list, v)
			}
		}
		return store.Change{}, nil
	})
	return list, err
}

// Approval returns a request for approval, open or ended.
func (s *Service) Approval(ctx context.Context, sc *Scope, id string) (ApprovalRequest, error) {
	var v ApprovalRequest
	err := s.administer(ctx, sc, policy.ActionApprovalList, id, func() (store.Change, error) {
		_, p, err := s.findApproval(ctx, canonicalID(id))
		if errors.Is(err, store.ErrNotFound) {
			return store.Change{}, noApproval(id)
		}
		if err == nil {
			v, err = s.viewApproval(ctx, p)
		}
		return store.Change{}, err
	})
	return v, err
}

// canonicalID is an identifier as people may write it.
func canonicalID(id string) string { return strings.ToUpper(strings.TrimSpace(id)) }

func noApproval(id string) error {
	return kmip.Fail(kmip.KindObjectNotFound, "no request for approval %q; approval list shows those that are open", printable(id))
}

// asksItself reports whether an administrator, or the key of a certificate, is who asks.
func (s *Service) asksItself(p storedApproval, cert *x509.Certificate, name string) bool {
	if p.Principal.Kind == policy.KindAdministrator && p.Principal.Name == name {
		return true
	}
	return p.Principal.Key == keyOf(cert) || p.Principal.Fingerprint == hex.EncodeToString(pki.Fingerprint(cert))
}

// GivenApproval is what an approver gives: a signature by the certificate that it
// came with.
type GivenApproval struct {
	Certificate *x509.Certificate
	Signature   []byte
	Comment     string
}

// Approve adds the approval of the caller to a request. It counts once, whichever
// certificate the caller has.
func (s *Service) Approve(ctx context.Context, sc *Scope, id string, given GivenApproval) (ApprovalRequest, error) {
	var v ApprovalRequest
	woken := false
	err := s.do(ctx, sc, policy.ActionApprovalGive, func() (outcome, error) {
		woken = false
		o := outcome{uid: id}
		r, p, err := s.judged(ctx, sc, id)
		if err != nil {
			return o, err
		}
		a, err := s.checkGiven(sc, p, given)
		if err != nil {
			return o, err
		}
		if v, err = s.viewApproval(ctx, p); err != nil {
			return o, err
		}
		p.Approvals = slices.DeleteFunc(p.Approvals, func(b Approval) bool { return b.Approver == a.Approver })
		switch {
		case slices.ContainsFunc(v.Approvals, func(b Approval) bool { return b.Approver == a.Approver && b.Counts }):
			return o, kmip.Fail(kmip.KindWrongState, "you have approved request %s already", p.subject.ID)
		case len(p.Approvals) >= maxApprovers:
			return o, kmip.Fail(kmip.KindTooMany, "request %s has %d approvals already", p.subject.ID, len(p.Approvals))
		}
		p.Approvals = append(p.Approvals, a)
		if v, err = s.viewApproval(ctx, p); err != nil {
			return o, err
		}
		if v.Approved() {
			if woken, err = s.wake(ctx, &o.change, &p); err != nil {
				return o, err
			}
		}
		sum := sha256.Sum256(a.Signature)
		o.uid = p.subject.UID
		o.detail = fmt.Sprintf("request %s: %s for %s approved, signature with SHA-256 %x", p.subject.ID, p.subject.Action, p.subject.Actor, sum)
		r.Revision++
		r, err = s.sealRecord(ctx, r, p)
		o.change.UpdateRecords = append(o.change.UpdateRecords, r)
		return o, err
	})
	if err == nil && woken {
		s.wakeWorker()
	}
	return v, err
}

// judged reads an open request whose domain the scope is then about, and asks
// policy whether the caller may judge it.
func (s *Service) judged(ctx context.Context, sc *Scope, id string) (store.Record, storedApproval, error) {
	r, p, err := s.findApproval(ctx, canonicalID(id))
	if errors.Is(err, store.ErrNotFound) {
		if err := s.authorize(ctx, sc, policy.ActionApprovalGive, policy.Resource{}); err != nil {
			return r, p, err
		}
		return r, p, noApproval(id)
	}
	if err != nil {
		return r, p, err
	}
	sc.Domain = p.subject.Domain
	if err := s.authorize(ctx, sc, giving(p.subject.Action), p.Resource); err != nil {
		return r, p, err
	}
	return r, p, s.stillOpen(r, p)
}

func (s *Service) stillOpen(r store.Record, p storedApproval) error {
	switch {
	case r.Kind == recordApprovalEnded:
		return kmip.Fail(kmip.KindWrongState, "request %s has ended: %s", p.subject.ID, p.State)
	case s.approvalOver(p):
		return kmip.Fail(kmip.KindWrongState, "request %s has ended: expired", p.subject.ID)
	}
	return nil
}

// checkGiven makes an approval of what the caller gives.
func (s *Service) checkGiven(sc *Scope, p storedApproval, given GivenApproval) (Approval, error) {
	a := Approval{
		Approver: sc.Principal.Name, Role: sc.Principal.Role, Source: sc.Source, Signature: given.Signature, Comment: given.Comment,
		Given: s.now().UTC().Truncate(time.Second),
	}
	switch {
	case sc.Principal.Kind != policy.KindAdministrator || given.Certificate == nil || sc.Principal.Fingerprint == "":
		return a, kmip.Fail(kmip.KindPermissionDenied, "approving needs the certificate of an administrator, to sign with; a session has none")
	case hex.EncodeToString(pki.Fingerprint(given.Certificate)) != sc.Principal.Fingerprint:
		return a, kmip.Fail(kmip.KindPermissionDenied, "the certificate is not the one that you came with")
	case s.asksItself(p, given.Certificate, a.Approver):
		return a, kmip.Fail(kmip.KindPermissionDenied, "nobody approves their own request; ask another administrator")
	case len(given.Comment) > maxDetailBytes || printable(given.Comment) != given.Comment:
		return a, kmip.Fail(kmip.KindInvalidField, "a comment is one line of printable text, %d bytes at most", maxDetailBytes)
	}
	a.Certificate = given.Certificate.Raw
	if _, err := a.verify(p.Canonical); err != nil {
		return a, kmip.FailFrom(err, kmip.KindInvalidField, ErrApprovalSignature.Error())
	}
	return a, nil
}

// RefuseApproval ends a request: it will not be approved.
func (s *Service) RefuseApproval(ctx context.Context, sc *Scope, id, comment string) error {
	return s.do(ctx, sc, "approval.refuse", func() (outcome, error) {
		o := outcome{uid: id}
		r, p, err := s.judged(ctx, sc, id)
		if err != nil {
			return o, err
		}
		o.uid, o.detail = p.subject.UID, fmt.Sprintf("request %s: %s for %s refused", p.subject.ID, p.subject.Action, p.subject.Actor)
		return o, s.endApproval(ctx, &o.change, r, p, ApprovalRefused, sc.Principal.Actor(), printable(comment))
	})
}

// CancelApproval ends a request that the caller has made, or may judge.
func (s *Service) CancelApproval(ctx context.Context, sc *Scope, id string) error {
	return s.do(ctx, sc, "approval.cancel", func() (outcome, error) {
		o := outcome{uid: id}
		r, p, err := s.findApproval(ctx, canonicalID(id))
		switch {
		case err == nil && p.asks(sc.Principal):
			if err = s.authorize(ctx, sc, policy.ActionApprovalList, policy.Resource{}); err == nil {
				err = s.stillOpen(r, p)
			}
		case err == nil || errors.Is(err, store.ErrNotFound):
			r, p, err = s.judged(ctx, sc, id)
		}
		if err != nil {
			return o, err
		}
		sc.Domain = p.subject.Domain
		o.uid, o.detail = p.subject.UID, fmt.Sprintf("request %s: %s for %s cancelled", p.subject.ID, p.subject.Action, p.subject.Actor)
		return o, s.endApproval(ctx, &o.change, r, p, ApprovalCancelled, sc.Principal.Actor(), "")
	})
}

// endApproval plans that a request ends without being used; what waits for it fails.
func (s *Service) endApproval(ctx context.Context, c *store.Change, r store.Record, p storedApproval, state ApprovalState, by, note string) error {
	asked, err := s.store.Record(ctx, SystemDomain, recordApprovalAsked, p.Question)
	if errors.Is(err, store.ErrNotFound) {
		return store.ErrConflict // somebody else ended it just now
	}
	if err != nil {
		return err
	}
	if err := s.refuseWaiting(ctx, c, p, state); err != nil {
		return err
	}
	p.State, p.Ended, p.EndedBy, p.Note, p.Waiting = state, s.now().UTC().Truncate(time.Second), by, note, nil
	return s.endRecord(ctx, c, r, asked, p)
}

// EndApprovals ends the requests for approval whose time is over, each with an entry
// in the audit. Every node may do it.
func (s *Service) EndApprovals(ctx context.Context) error {
	list, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordApproval, Expired: s.now(), Limit: maxApprovals})
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range list {
		if err := s.expireApproval(ctx, r); err != nil && !errors.Is(err, store.ErrConflict) {
			errs = append(errs, fmt.Errorf("request %s: %w", r.Key, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) expireApproval(ctx context.Context, r store.Record) error {
	p, err := s.readApproval(ctx, r)
	if err != nil {
		return err
	}
	sc := s.Begin(approvalsDuty, p.subject.Domain, "system", "", "")
	var c store.Change
	if err := s.endApproval(ctx, &c, r, p, ApprovalExpired, sc.Principal.Actor(), ""); err != nil {
		return err
	}
	e := s.entry(sc, "approval.expire", p.subject.UID, nil)
	e.Detail = fmt.Sprintf("request %s: %s for %s expired", p.subject.ID, p.subject.Action, p.subject.Actor)
	c.Audit = append(c.Audit, e)
	return s.store.Commit(ctx, c)
}
