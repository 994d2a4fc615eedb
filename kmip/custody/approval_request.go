package custody

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// readApproval opens the record of a request for approval.
func (s *Service) readApproval(ctx context.Context, r store.Record) (storedApproval, error) {
	var p storedApproval
	if err := s.openRecord(ctx, r, &p); err != nil {
		return p, err
	}
	if err := json.Unmarshal(p.Canonical, &p.subject); err != nil {
		return p, kmip.FailFrom(err, kmip.KindIntegrity, "a stored request for approval is damaged")
	}
	return p, nil
}

// approvalAsked finds the open request that asks a question, with the record that
// found it. Returns store.ErrNotFound when there is none.
func (s *Service) approvalAsked(ctx context.Context, question string) (store.Record, storedApproval, store.Record, error) {
	var p storedApproval
	asked, err := s.store.Record(ctx, SystemDomain, recordApprovalAsked, question)
	if err != nil {
		return store.Record{}, p, asked, err
	}
	var id string
	if err := s.openRecord(ctx, asked, &id); err != nil {
		return store.Record{}, p, asked, err
	}
	r, err := s.store.Record(ctx, SystemDomain, recordApproval, id)
	if err != nil {
		return r, p, asked, err
	}
	p, err = s.readApproval(ctx, r)
	if err == nil && p.Question != question {
		err = kmip.Fail(kmip.KindIntegrity, "a stored request for approval is another one")
	}
	return r, p, asked, err
}

// approvalOver reports whether the time of a request is over, though nobody has
// ended it yet.
func (s *Service) approvalOver(p storedApproval) bool { return !s.now().Before(p.subject.Expires) }

// viewApproval makes what is told of a request, and looks which of its approvals
// count: of administrators who are good and may still approve it, each and each key
// once, and none of whoever asks.
func (s *Service) viewApproval(ctx context.Context, p storedApproval) (ApprovalRequest, error) {
	v := ApprovalRequest{
		Subject: p.subject, Canonical: p.Canonical, State: p.State, Needed: p.Needed, OtherRole: p.OtherRole,
		Approvals: slices.Clone(p.Approvals), Ended: p.Ended, EndedBy: p.EndedBy, Note: p.Note,
	}
	if v.State == ApprovalOpen && s.approvalOver(p) { // though nobody has ended it yet
		v.State, v.Ended, v.EndedBy = ApprovalExpired, p.subject.Expires, approvalsDuty.Actor()
	}
	if len(v.Approvals) == 0 {
		return v, nil
	}
	admins, err := s.store.Administrators(ctx)
	if err != nil {
		return v, err
	}
	seen := map[string]bool{}
	for i := range v.Approvals {
		a := &v.Approvals[i]
		at := slices.IndexFunc(admins, func(m store.Administrator) bool { return m.Name == a.Approver })
		if at < 0 || seen[a.Approver] {
			continue
		}
		m := admins[at]
		cert, err := a.verify(p.Canonical)
		if err != nil || seen[string(cert.RawSubjectPublicKeyInfo)] || !m.Revoked.IsZero() || !s.now().Before(m.NotAfter) || m.Role != a.Role || s.asksItself(p, cert, m.Name) {
			continue
		}
		c := policy.Context{Time: a.Given, Source: addressOf(a.Source), Door: "admin"}
		who := policy.Principal{Kind: policy.KindAdministrator, Name: m.Name, Role: m.Role}
		d, err := s.judge(ctx, policy.Request{Principal: who, Action: giving(p.subject.Action), Resource: p.Resource, Context: c})
		if err != nil {
			return v, err
		}
		if d.Allow {
			a.Counts, seen[a.Approver], seen[string(cert.RawSubjectPublicKeyInfo)] = true, true, true
		}
	}
	return v, nil
}

// approvalsDuty is who ends what is over.
var approvalsDuty = Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "approvals"}}

// giving is the action of approving an action. What makes administrators needs
// somebody of another role than officers, who approve all else.
func giving(action string) string {
	if action == policy.ActionAdminCreate || action == policy.ActionBreakGlass {
		return policy.ActionApprovalVouch
	}
	return policy.ActionApprovalGive
}

// seekApproval makes the request for approval that a denial lacks, and tells whoever
// asks of it; any other error stays as it is.
func (s *Service) seekApproval(ctx context.Context, sc *Scope, uid string, denied error) error {
	var n *approvalNeed
	if !errors.As(denied, &n) || n.id != "" {
		return denied
	}
	for range planAttempts {
		message, err := s.requestApproval(ctx, sc, n, uid)
		switch {
		case err == nil:
			return kmip.FailFrom(n, kmip.KindPermissionDenied, message)
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrExists):
			continue
		}
		return s.translate(ctx, err)
	}
	return kmip.Fail(kmip.KindUnavailable, "the request for approval is being changed by others; try again")
}

// requestApproval finds or makes the request, and returns what to say of it.
func (s *Service) requestApproval(ctx context.Context, sc *Scope, n *approvalNeed, uid string) (string, error) {
	r, p, asked, err := s.approvalAsked(ctx, n.key)
	switch {
	case errors.Is(err, store.ErrNotFound) && asked.Revision > 0:
		return "", store.ErrConflict // it ended just now
	case errors.Is(err, store.ErrNotFound):
		return s.newApproval(ctx, sc, n, uid)
	case err != nil:
		return "", err
	case s.approvalOver(p):
		if err := s.expireApproval(ctx, r); err != nil {
			return "", err
		}
		return s.newApproval(ctx, sc, n, uid)
	}
	if p.Needed != n.needed || p.OtherRole != n.otherRole { // policy has changed
		p.Needed, p.OtherRole = n.needed, n.otherRole
		r.Revision++
		if r, err = s.sealRecord(ctx, r, p); err != nil {
			return "", err
		}
		if err := s.store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}}); err != nil {
			return "", err
		}
	}
	v, err := s.viewApproval(ctx, p)
	if err != nil {
		return "", err
	}
	have := 0
	for _, a := range v.Approvals {
		if a.Counts {
			have++
		}
	}
	n.id = p.subject.ID
	return fmt.Sprintf("%s and has %d; request %s is open; try again when it is approved", n.needs(), have, n.id), nil
}

// needs says how many approvals are needed.
func (n *approvalNeed) needs() string {
	text := fmt.Sprintf("%s needs %d approvals", n.action, n.needed)
	if n.needed == 1 {
		text = n.action + " needs 1 approval"
	}
	switch {
	case n.otherRole && n.needed == 1:
		text += " by an administrator of another role"
	case n.otherRole:
		text += ", one of them by an administrator of another role,"
	}
	return text
}

func (s *Service) newApproval(ctx context.Context, sc *Scope, n *approvalNeed, uid string) (string, error) {
	if err := s.roomForApproval(ctx, sc); err != nil {
		return "", err
	}
	id, err := s.approvalID(ctx)
	if err != nil {
		return "", err
	}
	now := s.now().UTC().Truncate(time.Second)
	if n.resource.UID != "" || uid == "" {
		uid = n.resource.UID
	}
	subject := ApprovalSubject{
		ID: id, Actor: sc.Principal.Actor(), Role: sc.Principal.Role, Fingerprint: sc.Principal.Fingerprint, Source: sc.Source, Door: sc.Door,
		Domain: sc.Domain, Action: n.action, UID: recordable(uid), Asked: shown(sc.about.Shown(), maxShownBytes), Arguments: n.arguments,
		Reason: shown(sc.about.Reason(), maxDetailBytes), Created: now, Expires: now.Add(s.approvals.life),
	}
	if b := sc.Principal.Beside; b != nil {
		subject.Beside = b.Kind + ":" + b.Name
	}
	if subject.Object, err = s.approvalObject(ctx, sc, n.resource); err != nil {
		return "", err
	}
	canonical, err := json.Marshal(subject)
	if err != nil {
		return "", err
	}
	p := storedApproval{
		Canonical: canonical, Principal: sc.Principal, Resource: n.resource, Question: n.key, Needed: n.needed, OtherRole: n.otherRole, State: ApprovalOpen,
	}
	r, err := s.sealRecord(ctx, store.Record{
		Domain: SystemDomain, Kind: recordApproval, Key: id, Revision: 1, Created: now, Expires: subject.Expires,
	}, p)
	if err != nil {
		return "", err
	}
	asked, err := s.sealRecord(ctx, store.Record{Domain: SystemDomain, Kind: recordApprovalAsked, Key: n.key, Revision: 1, Created: now}, id)
	if err != nil {
		return "", err
	}
	e := s.entry(sc, "approval.request", uid, nil)
	e.Detail = fmt.Sprintf("request %s for %s", id, n.action)
	if err := s.store.Commit(ctx, store.Change{AddRecords: []store.Record{r, asked}, Audit: []audit.Entry{e}}); err != nil {
		return "", err
	}
	n.id = id
	return fmt.Sprintf("%s; request %s was made; try again when it is approved", n.needs(), id), nil
}

// shown is a text as approvers read it: bounded, and without what a terminal would
// obey, but for the ends of lines.
func shown(text string, most int) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	text = strings.Join(lines, "\n")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "\n… (cut off)"
	}
	return text
}

// approvalObject tells what the object is like that a request is about.
func (s *Service) approvalObject(ctx context.Context, sc *Scope, r policy.Resource) (*ApprovalObject, error) {
	if r.UID == "" {
		if r.Type == 0 {
			return nil, nil //nolint:nilnil // it is about no object
		}
		return &ApprovalObject{Type: kmip.ObjectType(r.Type).String()}, nil
	}
	row, err := s.store.Object(ctx, sc.Domain, r.UID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	m, err := s.authenticate(ctx, sc, row)
	if err != nil {
		return nil, err
	}
	o := &ApprovalObject{
		Names: m.attrs.Names(), Type: m.objectType().String(), Bits: m.row.LengthBits, Creator: m.row.Creator,
		Created: m.row.Initial, LastUsed: m.row.Counter.LastUsed,
	}
	for i := range o.Names {
		o.Names[i] = printable(o.Names[i])
	}
	if m.objectType() != kmip.ObjectTypeTemplate {
		o.State = m.state.String()
	}
	if m.row.Algorithm != 0 {
		o.Algorithm = kmip.CryptographicAlgorithm(m.row.Algorithm).String()
	}
	return o, nil
}

// roomForApproval refuses one request too many.
func (s *Service) roomForApproval(ctx context.Context, sc *Scope) error {
	open, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordApproval, Limit: maxApprovals})
	if err != nil {
		return err
	}
	ofDomain, ofPrincipal := 0, 0
	for _, r := range open {
		p, err := s.readApproval(ctx, r)
		if err != nil {
			return err
		}
		if p.subject.Domain == sc.Domain {
			ofDomain++
		}
		if p.asks(sc.Principal) {
			ofPrincipal++
		}
	}
	if ofPrincipal >= maxApprovalsOfPrincipal || ofDomain >= maxApprovalsOfDomain || len(open) >= maxApprovals {
		return kmip.Fail(kmip.KindPermissionDenied, "it needs approval, and too many requests for approval are open; wait for them, or cancel some")
	}
	return nil
}

// asks reports whether the request is by a principal.
func (p storedApproval) asks(who Principal) bool {
	return p.Principal.Kind == who.Kind && p.Principal.Domain == who.Domain && p.Principal.Name == who.Name
}

// approvalAlphabet has no characters that are mistaken for others.
const (
	approvalAlphabet = "ACDEFGHJKLMNPQRTUVWXY34679"
	approvalIDLength = 5
)

// approvalID makes an identifier that people can tell each other.
func (s *Service) approvalID(ctx context.Context) (string, error) {
	for {
		id := make([]byte, approvalIDLength)
		for i := range id {
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(approvalAlphabet))))
			if err != nil {
				return "", err
			}
			id[i] = approvalAlphabet[n.Int64()]
		}
		_, _, err := s.findApproval(ctx, string(id))
		if errors.Is(err, store.ErrNotFound) {
			return string(id), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// findApproval finds a request by its identifier, open or not.
func (s *Service) findApproval(ctx context.Context, id string) (store.Record, storedApproval, error) {
	for _, kind := range []string{recordApproval, recordApprovalEnded, recordApproval} { // it may end while we look
		r, err := s.store.Record(ctx, SystemDomain, kind, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return r, storedApproval{}, err
		}
		p, err := s.readApproval(ctx, r)
		return r, p, err
	}
	return store.Record{}, storedApproval{}, store.ErrNotFound
}

// spendApprovals plans that the approvals that a use case used are used, in the
// change that it makes.
func (s *Service) spendApprovals(ctx context.Context, sc *Scope, c *store.Change, e *audit.Entry) error {
	for _, u := range sc.used {
		p := u.stored
		p.State, p.Ended, p.EndedBy = ApprovalUsed, s.now().UTC().Truncate(time.Second), sc.Principal.Actor()
		if err := s.endRecord(ctx, c, u.record, u.asked, p); err != nil {
			return err
		}
		e.Detail = strings.TrimPrefix(e.Detail+"; ", "; ") + fmt.Sprintf("request %s, approved by %s", p.subject.ID, strings.Join(u.by, ", "))
	}
	return nil
}

// endRecord plans that an open request is an ended one.
func (s *Service) endRecord(ctx context.Context, c *store.Change, r, asked store.Record, p storedApproval) error {
	ended, err := s.sealRecord(ctx, store.Record{
		Domain: SystemDomain, Kind: recordApprovalEnded, Key: r.Key, Revision: 1, Created: r.Created, Expires: s.now().Add(approvalKept),
	}, p)
	if err != nil {
		return err
	}
	c.DeleteRecords = append(c.DeleteRecords, r.Ref(), asked.Ref())
	c.AddRecords = append(c.AddRecords, ended)
	return nil
}
