package custody

import (
	"bytes"
	"context"
	"math"
	"slices"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// LocateQuery is what Locate searches for.
type LocateQuery struct {
	Attributes  kmip.Attributes
	Maximum     int // 0: the limit of the server
	Offset      int
	Storage     kmip.StorageStatusMask // 0: on-line
	GroupMember kmip.ObjectGroupMember
	Classes     kmip.ObjectClassMask // 0: objects of users
	Count       bool                 // count all matches
}

// LocateResult lists identifiers, most recently created first.
type LocateResult struct {
	UIDs []string
	// Matches counts all that match, when it was asked for; else -1.
	Matches int
	// Several tells that more than one object matched.
	Several bool
}

// locateLimit bounds the identifiers of one answer.
const locateLimit = 65535

const findPage = 500

// Locate finds objects by their attributes (§6.1.28). The store narrows the
// search by what it has columns for; every candidate is then compared with all
// that was asked, so that nothing is ignored.
func (s *Service) Locate(ctx context.Context, sc *Scope, q LocateQuery) (LocateResult, error) {
	var r LocateResult
	err := s.do(ctx, sc, "Locate", func() (outcome, error) {
		if err := s.authorize(ctx, sc, "Locate", policy.Resource{}); err != nil {
			return outcome{}, err
		}
		var err error
		r, err = s.locate(ctx, sc, q)
		return outcome{}, err
	})
	return r, err
}

func (s *Service) locate(ctx context.Context, sc *Scope, q LocateQuery) (LocateResult, error) {
	r := LocateResult{Matches: -1}
	if q.Maximum < 0 || q.Offset < 0 {
		return r, kmip.Fail(kmip.KindInvalidField, "Maximum Items and Offset Items are not negative")
	}
	if q.GroupMember == kmip.ObjectGroupMemberGroupMemberDefault {
		q.Maximum = 1 // the default member of a group is the newest
	}
	if q.Classes == 0 {
		q.Classes = kmip.ObjectClassMaskUser
	}
	if len(q.Attributes) > maxInstances {
		return r, kmip.Fail(kmip.KindTooMany, "at most %d attributes can be searched for", maxInstances)
	}
	for _, at := range q.Attributes {
		if _, ok := kmip.RuleOf(at.AttributeID); !ok {
			return r, kmip.Fail(kmip.KindAttributeUnsupported, "no attribute %s", at)
		}
	}
	limit := locateLimit
	if q.Maximum > 0 && q.Maximum < limit {
		limit = q.Maximum
	}
	matches := 0
	narrowed := narrow(q)
	for {
		page, err := sc.reader.Find(ctx, narrowed)
		if err != nil {
			return r, err
		}
		matched, err := s.matching(ctx, sc, page, q)
		if err != nil {
			return r, err
		}
		for _, uid := range matched {
			if matches++; matches > q.Offset && len(r.UIDs) < limit {
				r.UIDs = append(r.UIDs, uid)
			}
		}
		done := len(r.UIDs) >= limit && !q.Count && (matches > 1 || q.GroupMember == kmip.ObjectGroupMemberGroupMemberDefault)
		if len(page) < narrowed.Limit || done {
			break
		}
		last := page[len(page)-1]
		narrowed.After = &store.Position{Initial: last.Initial, UID: last.UID}
	}
	r.Several = matches > 1 && q.GroupMember != kmip.ObjectGroupMemberGroupMemberDefault
	if q.Count {
		r.Matches = matches
	}
	return r, nil
}

// narrow turns what the store has columns for into a query that finds no less
// than what matches.
func narrow(q LocateQuery) store.Query {
	n := store.Query{Limit: findPage}
	if q.Maximum > 0 && q.Maximum < 10 {
		n.Limit = 50
	}
	var initial []time.Time
	open := false // a range without end
	for _, at := range q.Attributes {
		v := at.Value
		switch at.Tag {
		case kmip.TagUniqueIdentifier:
			n.UIDs = append(n.UIDs, v.Text())
		case kmip.TagObjectType:
			n.Types = append(n.Types, v.Uint32())
		case kmip.TagCryptographicAlgorithm:
			a := v.Uint32()
			n.Algorithm = &a
		case kmip.TagCryptographicLength:
			l := int32(v.Int) //nolint:gosec // an Integer has 32 bits
			n.Length = &l
		case kmip.TagCryptographicUsageMask:
			n.UsageMask |= v.Uint32()
		case kmip.TagName:
			if name := kmip.NameOf(v).Value; name != "" {
				n.Names = append(n.Names, name)
			}
		case kmip.TagObjectGroup:
			n.Sides = append(n.Sides, store.Side{Kind: store.SideGroup, Value: v.Text()})
		case kmip.TagLink:
			if target := kmip.LinkOf(v).Target; target != "" {
				n.Sides = append(n.Sides, store.Side{Kind: store.SideLink, Value: target})
			}
		case kmip.TagInitialDate:
			if v.Int != math.MaxInt64 {
				initial = append(initial, v.Time())
			} else {
				open = true
			}
		}
	}
	if q.Storage&kmip.StorageStatusMaskDestroyedStorage == 0 {
		// Destruction is never a matter of time: the stored state is right.
		for st := kmip.StatePreActive; st <= kmip.StateCompromised; st++ {
			n.States = append(n.States, store.State(st))
		}
	} else {
		n.Names = nil // names of destroyed objects are free; only their metadata has them
	}
	if len(initial) > 0 {
		from, to := initial[0], initial[0]
		for _, t := range initial[1:] {
			from, to = minTime(from, t), maxTime(to, t)
		}
		n.InitialFrom, n.InitialTo = from, to.Add(time.Second-time.Microsecond)
		if open {
			n.InitialTo = time.Time{}
		}
	}
	return n
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// matching returns the candidates of a page that match all that was asked and
// that the caller may know of.
func (s *Service) matching(ctx context.Context, sc *Scope, page []store.Object, q LocateQuery) ([]string, error) {
	var uids []string
	for _, row := range page {
		m, err := read(row, sc.Now)
		if err != nil {
			s.log.ErrorContext(ctx, "stored attributes are damaged", "uid", row.UID, "error", err)
			continue
		}
		if !inStorage(m, q.Storage) || !inClass(m, q.Classes) {
			continue
		}
		if matches(m.view(), q) && s.permits(ctx, sc, "Locate", m.resource()) {
			uids = append(uids, row.UID)
		}
	}
	return uids, nil
}

// inClass reports whether an object is of a class that was asked for.
func inClass(m *managed, mask kmip.ObjectClassMask) bool {
	if kmip.ObjectClass(m.attrs.Uint32(kmip.TagObjectClass)) == kmip.ObjectClassSystem {
		return mask&kmip.ObjectClassMaskSystem != 0
	}
	return mask&kmip.ObjectClassMaskUser != 0
}

// inStorage reports whether an object is in the storage that was asked for.
func inStorage(m *managed, mask kmip.StorageStatusMask) bool {
	if mask == 0 {
		mask = kmip.StorageStatusMaskOnLineStorage
	}
	switch {
	case m.destroyed():
		return mask&kmip.StorageStatusMaskDestroyedStorage != 0
	case m.archived():
		return mask&kmip.StorageStatusMaskArchivalStorage != 0
	}
	return mask&kmip.StorageStatusMaskOnLineStorage != 0
}

// matches compares the attributes of an object with all that was asked.
func matches(attrs kmip.Attributes, q LocateQuery) bool {
	if q.GroupMember == kmip.ObjectGroupMemberGroupMemberFresh && !attrs.Bool(kmip.TagFresh) {
		return false
	}
	for i, asked := range q.Attributes {
		if asked.Value.Type == kmip.TypeDateTime || asked.Value.Type == kmip.TypeDateTimeExtended {
			if !matchesDate(attrs, q.Attributes, asked, i) {
				return false
			}
			continue
		}
		found := false
		for _, has := range attrs.Instances(asked.AttributeID) {
			if matchesValue(has.Value, asked.Value) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// matchesDate compares a date: one instance asked for is a point, two are a range.
func matchesDate(attrs, all kmip.Attributes, asked kmip.Attribute, index int) bool {
	has, ok := attrs.Get(asked.Tag)
	if asked.IsVendor() {
		for _, at := range attrs.Instances(asked.AttributeID) {
			if at.Value.Equal(asked.Value) {
				return true
			}
		}
		return false
	}
	dates := all.Instances(asked.AttributeID)
	if len(dates) == 1 && asked.Value.Int == math.MaxInt64 {
		return !ok // the largest date stands for none
	}
	if !ok {
		return false
	}
	at := has.Time()
	if asked.Value.Type == kmip.TypeDateTime {
		at = at.Truncate(time.Second) // as a client without Date-Time Extended reads it
	}
	if len(dates) == 1 {
		return at.Equal(asked.Value.Time())
	}
	if len(dates) != 2 || index < 0 {
		return false
	}
	low, high := dates[0].Value, dates[1].Value
	if low.Int > high.Int {
		low, high = high, low
	}
	return !at.Before(low.Time()) && (high.Int == math.MaxInt64 || !at.After(high.Time()))
}

// matchesValue compares a value; a structure may be given in part.
func matchesValue(has, asked kmip.Item) bool {
	switch asked.Tag {
	case kmip.TagCryptographicUsageMask:
		return has.Uint32()&asked.Uint32() == asked.Uint32()
	case kmip.TagName:
		return kmip.NameOf(has).Value == kmip.NameOf(asked).Value
	case kmip.TagUsageLimits:
		return matchesLimits(has, asked)
	}
	if asked.Type != kmip.TypeStructure {
		return has.Equal(asked)
	}
	if has.Type != kmip.TypeStructure {
		return false
	}
	for _, f := range asked.Items {
		if !slices.ContainsFunc(has.Items, func(h kmip.Item) bool { return matchesField(h, f) }) {
			return false
		}
	}
	return true
}

// matchesField compares one field of a structure; a field may be repeated.
func matchesField(has, asked kmip.Item) bool {
	switch {
	case has.Tag != asked.Tag:
		return false
	case asked.Type == kmip.TypeStructure:
		return matchesValue(has, asked)
	}
	return has.Int == asked.Int && bytes.Equal(has.Bytes, asked.Bytes)
}

// matchesLimits compares Usage Limits: what is there suffices for what is asked.
func matchesLimits(has, asked kmip.Item) bool {
	for _, f := range asked.Items {
		h, ok := has.Field(f.Tag)
		if !ok || f.Tag == kmip.TagUsageLimitsUnit && h.Int != f.Int || f.Tag != kmip.TagUsageLimitsUnit && h.Int < f.Int {
			return false
		}
	}
	return true
}
