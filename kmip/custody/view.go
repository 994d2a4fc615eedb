package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// view returns the attributes of an object as its owner sees them: those that
// are stored, the effective state, and what uses have changed.
func (m *managed) view() kmip.Attributes {
	c := m.row.Counter
	attrs := slices.Clone(m.attrs)
	if m.objectType() != kmip.ObjectTypeTemplate {
		attrs = append(attrs, kmip.NewAttribute(kmip.Enumeration(kmip.TagState, m.state)))
	}
	for i := range attrs {
		switch attrs[i].Tag {
		case kmip.TagFresh:
			if c.Served {
				attrs[i].Value = kmip.Boolean(kmip.TagFresh, false)
			}
		case kmip.TagUsageLimits:
			if c.HasUsage {
				u := kmip.UsageLimitsOf(attrs[i].Value)
				u.Count = c.UsageLeft
				attrs[i].Value = u.Item()
			}
		}
	}
	return attrs
}

// counted are the counters of KMIP 3.0: how often an object was used, by the
// audit. They are told only when they are asked for by name: counting takes
// longer the more an object was used.
var counted = map[kmip.Tag]string{
	kmip.TagEncryptCounter:         kmip.OperationEncrypt.String(),
	kmip.TagDecryptCounter:         kmip.OperationDecrypt.String(),
	kmip.TagSignCounter:            kmip.OperationSign.String(),
	kmip.TagSignatureVerifyCounter: kmip.OperationSignatureVerify.String(),
}

// GetAttributes returns the attributes that are asked for and set; all when
// none is named (§6.1.20). It works in every state.
func (s *Service) GetAttributes(ctx context.Context, sc *Scope, uid string, ids []kmip.AttributeID) (kmip.Attributes, error) {
	var found kmip.Attributes
	err := s.do(ctx, sc, "GetAttributes", func() (outcome, error) {
		if len(ids) > maxAttributes {
			return outcome{uid: uid}, kmip.Fail(kmip.KindTooMany, "at most %d attributes can be asked for", maxAttributes)
		}
		for i, id := range ids {
			if slices.Contains(ids[:i], id) {
				return outcome{uid: uid}, kmip.Fail(kmip.KindAttributeRepeated, "%s is named twice", id)
			}
		}
		m, err := s.load(ctx, sc, "GetAttributes", uid)
		if err != nil {
			return outcome{uid: uid}, err
		}
		if slices.Contains(ids, kmip.AttributeID{Tag: kmip.TagState}) && !m.destroyed() { // as databases do that hold a key
			sc.touch(m)
		}
		attrs := m.view()
		if found = attrs; len(ids) > 0 {
			found = nil
			for _, id := range ids {
				found = append(found, attrs.Matching(id)...)
				if action, ok := counted[id.Tag]; ok {
					n, err := s.store.AuditCount(ctx, store.AuditQuery{Domain: sc.Domain, UID: uid, Operation: action, Outcome: audit.Success})
					if err != nil {
						return outcome{uid: uid}, s.translate(ctx, err)
					}
					found = append(found, kmip.NewAttribute(kmip.LongInteger(id.Tag, n)))
				}
			}
		}
		return outcome{uid: uid}, nil
	})
	return found, err
}

// AttributeList names the attributes that are set (§6.1.21).
func (s *Service) AttributeList(ctx context.Context, sc *Scope, uid string) ([]kmip.AttributeID, error) {
	var ids []kmip.AttributeID
	err := s.do(ctx, sc, "GetAttributeList", func() (outcome, error) {
		attrs, err := s.viewOf(ctx, sc, "GetAttributeList", uid)
		if err != nil {
			return outcome{uid: uid}, err
		}
		ids = attrs.References()
		return outcome{uid: uid}, nil
	})
	return ids, err
}

func (s *Service) viewOf(ctx context.Context, sc *Scope, action, uid string) (kmip.Attributes, error) {
	m, err := s.load(ctx, sc, action, uid)
	if err != nil {
		return nil, err
	}
	return m.view(), nil
}
