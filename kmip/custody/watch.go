package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Event is something that happened to an object, as its watchers are told
// (§6.2.2, §6.2.3).
type Event struct {
	UID     string
	Changed kmip.Attributes    // with Last Change Date
	Deleted []kmip.AttributeID // attributes that are gone
	// Replaced is the object that this one takes the place of, and Object the value
	// if the watcher may have it; the caller destroys it.
	Replaced string
	Object   *kmip.Object
}

// watched are the actions that watchers are told of, with the attributes that
// they change besides what their audit entry names.
var watched = map[string][]kmip.Tag{
	"Activate":        {kmip.TagActivationDate, kmip.TagState},
	"Revoke":          {kmip.TagState, kmip.TagRevocationReason, kmip.TagDeactivationDate, kmip.TagCompromiseDate, kmip.TagCompromiseOccurrenceDate},
	"Deactivate":      {kmip.TagState, kmip.TagDeactivationDate, kmip.TagDeactivationReason},
	"Destroy":         {kmip.TagState, kmip.TagDestroyDate},
	"Archive":         {kmip.TagArchiveDate},
	"Recover":         nil,
	"AddAttribute":    nil,
	"ModifyAttribute": nil,
	"SetAttribute":    nil,
	"AdjustAttribute": nil,
	"DeleteAttribute": nil,
	"Import":          {kmip.TagState},
	"key.revoke":      {kmip.TagState, kmip.TagRevocationReason, kmip.TagDeactivationDate, kmip.TagCompromiseDate},
	"key.destroy":     {kmip.TagState, kmip.TagDestroyDate},
	"ReKey":           nil,
	"ReKeyKeyPair":    nil,
	"ReCertify":       nil,
}

// Bounds of one look at the audit: entries of a page, and pages. A watcher that
// has fallen further behind is told so.
const (
	watchPage  = 1000
	watchPages = 100
)

// Watched returns the last entry of the audit of the scope's domain, from which
// Watch goes on.
func (s *Service) Watched(ctx context.Context, sc *Scope) (int64, error) {
	last, err := s.store.Audit(ctx, store.AuditQuery{Domain: sc.Domain, Limit: 1})
	switch {
	case err != nil:
		return 0, s.translate(ctx, err)
	case len(last) == 0:
		return 0, nil
	}
	return last[0].Sequence, nil
}

// Watch lists what has happened in the domain of the scope since an entry of the
// audit, on whatever node, oldest first, and the entry to go on from. What the
// caller may not know of is left out.
func (s *Service) Watch(ctx context.Context, sc *Scope, after int64) ([]Event, int64, error) {
	entries, last, err := s.since(ctx, sc.Domain, after)
	if err != nil {
		return nil, after, err
	}
	var events []Event
	for _, e := range slices.Backward(entries) {
		event, err := s.event(ctx, sc, e)
		switch kmip.KindOf(err) {
		case kmip.KindObjectNotFound, kmip.KindPermissionDenied, kmip.KindNotAuthorised, kmip.KindObjectArchived:
			continue
		}
		if err != nil {
			return events, after, s.translate(ctx, err)
		}
		events = append(events, event)
	}
	return events, last, nil
}

// since returns the entries after one that a watcher may hear of, newest first,
// and the number of the last of all.
func (s *Service) since(ctx context.Context, domain string, after int64) (kept []audit.Entry, last int64, err error) {
	q := store.AuditQuery{Domain: domain, Outcome: audit.Success, Limit: watchPage}
	last = after
	for range watchPages {
		page, err := s.store.Audit(ctx, q)
		if err != nil {
			return nil, after, s.translate(ctx, err)
		}
		for _, e := range page {
			if e.Sequence <= after {
				return kept, last, nil
			}
			last = max(last, e.Sequence)
			if _, ok := watched[e.Operation]; ok && e.UID != "" {
				kept = append(kept, e)
			}
		}
		if len(page) < watchPage {
			return kept, last, nil
		}
		q.Before = page[len(page)-1].Sequence
	}
	return nil, after, kmip.Fail(kmip.KindUnavailable, "more than %d entries of the audit have not been looked at; connect again", watchPage*watchPages)
}

// event tells what an entry of the audit is about.
func (s *Service) event(ctx context.Context, sc *Scope, e audit.Entry) (Event, error) {
	event := Event{UID: e.UID}
	m, err := s.load(ctx, sc, "GetAttributes", e.UID)
	if err != nil {
		return event, err
	}
	attrs := m.view()
	tags := append([]kmip.Tag{kmip.TagLastChangeDate}, watched[e.Operation]...)
	for _, tag := range tags {
		event.Changed = append(event.Changed, attrs.Instances(kmip.AttributeID{Tag: tag})...)
	}
	if tag, ok := kmip.TagByName(e.Detail); ok && !slices.Contains(tags, tag) {
		now := attrs.Instances(kmip.AttributeID{Tag: tag})
		event.Changed = append(event.Changed, now...)
		if len(now) == 0 {
			event.Deleted = append(event.Deleted, kmip.AttributeID{Tag: tag})
		}
	}
	if replaced := linked(attrs, kmip.LinkTypeReplacedObjectLink); len(replaced) > 0 && replaces[e.Operation] {
		event.Replaced = replaced[0]
		if _, err := s.load(ctx, sc, "Get", e.UID); err == nil && !m.destroyed() {
			event.Object, _ = s.give(ctx, sc, "Get", m, GetOptions{}) // what may not leave is told of, not given
		}
	}
	return event, nil
}

// replaces are the actions whose object takes the place of another.
var replaces = map[string]bool{"ReKey": true, "ReKeyKeyPair": true, "ReCertify": true}

// Told records that a watcher was given an object.
func (s *Service) Told(ctx context.Context, sc *Scope, uid string) error {
	return s.do(ctx, sc, "Put", func() (outcome, error) {
		o := outcome{uid: uid}
		m, err := s.load(ctx, sc, "Get", uid)
		if err == nil && !m.row.Counter.Served {
			o.change.Counters = []store.CounterChange{{Domain: sc.Domain, UID: uid, Serve: true}}
		}
		return o, err
	})
}
