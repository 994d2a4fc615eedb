package custody

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// ForObjects are attributes for objects of some types and groups: defaults of
// new objects (§7.22), or what objects must be like (§7.6). No types, or no
// groups, means all.
type ForObjects struct {
	Types      []kmip.ObjectType
	Groups     []string
	Attributes kmip.Attributes
}

// storedForObjects is the form that records keep.
type storedForObjects struct {
	Types      []kmip.ObjectType `json:"types,omitempty"`
	Groups     []string          `json:"groups,omitempty"`
	Attributes []byte            `json:"attributes"`
}

// applies reports whether an object is meant.
func (f ForObjects) applies(t kmip.ObjectType, attrs kmip.Attributes) bool {
	if len(f.Types) > 0 && !slices.Contains(f.Types, t) {
		return false
	}
	return len(f.Groups) == 0 || slices.ContainsFunc(attrs, func(at kmip.Attribute) bool {
		return at.Tag == kmip.TagObjectGroup && slices.Contains(f.Groups, at.Value.Text())
	})
}

// standing are the defaults and constraints of a domain.
type standing struct {
	defaults, constraints []ForObjects
	hardware              bool // keys live in tokens
	until                 time.Time
}

// standingCache remembers them for a moment: every creation asks.
type standingCache struct {
	mu    sync.Mutex
	known map[string]standing // by domain; guarded by mu
}

const standingTTL = time.Second

func (s *Service) standing(ctx context.Context, domain string) (standing, error) {
	now := s.now()
	s.standings.mu.Lock()
	known, ok := s.standings.known[domain]
	s.standings.mu.Unlock()
	if ok && now.Before(known.until) {
		return known, nil
	}
	fresh := standing{until: now.Add(standingTTL)}
	var err error
	if fresh.defaults, _, err = s.readForObjects(ctx, domain, recordDefaults); err != nil {
		return fresh, err
	}
	if fresh.constraints, _, err = s.readForObjects(ctx, domain, recordConstraints); err != nil {
		return fresh, err
	}
	var protection storedProtection
	if _, err = s.singleRecord(ctx, domain, recordProtection, &protection); err != nil {
		return fresh, err
	}
	fresh.hardware = protection.Hardware
	s.standings.mu.Lock()
	defer s.standings.mu.Unlock()
	if s.standings.known == nil {
		s.standings.known = map[string]standing{}
	}
	s.standings.known[domain] = fresh
	return fresh, nil
}

func (c *standingCache) forget(domain string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, domain)
}

func (s *Service) readForObjects(ctx context.Context, domain, kind string) ([]ForObjects, store.Record, error) {
	var stored []storedForObjects
	r, err := s.singleRecord(ctx, domain, kind, &stored)
	if err != nil {
		return nil, r, err
	}
	list := make([]ForObjects, len(stored))
	for i, f := range stored {
		attrs, err := kmip.ParseAttributes(f.Attributes)
		if err != nil {
			return nil, r, kmip.FailFrom(err, kmip.KindIntegrity, "a stored record is damaged")
		}
		list[i] = ForObjects{f.Types, f.Groups, attrs}
	}
	return list, r, nil
}

// maxForObjects bounds the defaults, or constraints, of a domain.
const maxForObjects = 256

// setForObjects replaces the defaults or constraints of a domain.
func (s *Service) setForObjects(ctx context.Context, sc *Scope, action, kind string, list []ForObjects, check func(kmip.Attributes) error) error {
	err := s.do(ctx, sc, action, func() (outcome, error) {
		var o outcome
		if err := s.authorize(ctx, sc, action, policy.Resource{}); err != nil {
			return o, err
		}
		if sc.undoable() {
			return o, kmip.Fail(kmip.KindBatchRefused, "%s cannot be undone", action)
		}
		if len(list) > maxForObjects {
			return o, kmip.Fail(kmip.KindTooMany, "at most %d entries are possible", maxForObjects)
		}
		stored := make([]storedForObjects, len(list))
		for i, f := range list {
			for _, t := range f.Types {
				if !slices.Contains(UserTypes, t) {
					return o, kmip.Fail(kmip.KindObjectTypeMismatch, "objects of type %s have no %s here", t, kind)
				}
			}
			if err := check(f.Attributes); err != nil {
				return o, err
			}
			stored[i] = storedForObjects{f.Types, f.Groups, f.Attributes.AppendCanonical(nil)}
		}
		_, r, err := s.readForObjects(ctx, sc.Domain, kind)
		if err != nil {
			return o, err
		}
		var value any
		if len(stored) > 0 {
			value = stored
		}
		return o, s.putSingle(ctx, &o.change, r, sc.Now, value)
	})
	s.standings.forget(sc.Domain)
	return err
}

// SetDefaults sets the attributes that new objects get when their creator gives
// none (§6.1.53); an empty list removes them all.
func (s *Service) SetDefaults(ctx context.Context, sc *Scope, list []ForObjects) error {
	return s.setForObjects(ctx, sc, "SetDefaults", recordDefaults, list, checkGiven)
}

// Defaults lists what new objects get when their creator gives none: the
// defaults that were set, and behind them those of the server (§7.11).
func (s *Service) Defaults(ctx context.Context, sc *Scope) ([]ForObjects, error) {
	st, err := s.standing(ctx, sc.Domain)
	if err != nil {
		return nil, s.translate(ctx, err)
	}
	return append(slices.Clone(st.defaults), builtInDefaults()...), nil
}

// builtInDefaults are the mandatory attributes that the server supplies (§4,
// Table 28).
func builtInDefaults() []ForObjects {
	of := func(t kmip.ObjectType, alg kmip.CryptographicAlgorithm) ForObjects {
		var a kmip.Attributes
		if alg != 0 {
			a = a.Set(kmip.Enumeration(kmip.TagCryptographicAlgorithm, alg)).Set(kmip.Integer(kmip.TagCryptographicLength, defaultLength(alg)))
		}
		return ForObjects{Types: []kmip.ObjectType{t}, Attributes: a.Set(kmip.Mask(kmip.TagCryptographicUsageMask, defaultMask(t)))}
	}
	return []ForObjects{
		of(kmip.ObjectTypeSymmetricKey, kmip.CryptographicAlgorithmAES),
		of(kmip.ObjectTypePrivateKey, kmip.CryptographicAlgorithmRSA),
		of(kmip.ObjectTypePublicKey, kmip.CryptographicAlgorithmRSA),
		of(kmip.ObjectTypeSplitKey, kmip.CryptographicAlgorithmAES),
		of(kmip.ObjectTypeSecretData, 0),
	}
}

// ofAlgorithm are defaults that are for one algorithm and make no sense with
// another.
var ofAlgorithm = []kmip.Tag{kmip.TagCryptographicLength, kmip.TagCryptographicDomainParameters, kmip.TagKeyFormatType}

// withDefaults adds the defaults of the domain that a request does not give, and what
// its key policies say.
func (s *Service) withDefaults(ctx context.Context, sc *Scope, t kmip.ObjectType, attrs kmip.Attributes) (kmip.Attributes, error) {
	all, err := s.withSetDefaults(ctx, sc, t, attrs)
	if err != nil {
		return nil, err
	}
	return s.withKeyPolicy(ctx, sc, t, all, false)
}

// withSetDefaults adds those that Set Defaults set.
func (s *Service) withSetDefaults(ctx context.Context, sc *Scope, t kmip.ObjectType, attrs kmip.Attributes) (kmip.Attributes, error) {
	st, err := s.standing(ctx, sc.Domain)
	if err != nil || len(st.defaults) == 0 {
		return attrs, err
	}
	all := slices.Clone(attrs)
	for _, f := range st.defaults {
		if !f.applies(t, attrs) {
			continue
		}
		have := all // several instances of one default belong together
		other := have.Has(kmip.TagCryptographicAlgorithm) && f.Attributes.Has(kmip.TagCryptographicAlgorithm) &&
			have.Uint32(kmip.TagCryptographicAlgorithm) != f.Attributes.Uint32(kmip.TagCryptographicAlgorithm)
		for _, at := range f.Attributes {
			if other && slices.Contains(ofAlgorithm, at.Tag) {
				continue
			}
			if len(have.Instances(at.AttributeID)) == 0 {
				all = append(all, at)
			}
		}
	}
	return all, nil
}

// SetConstraints sets what new objects must be like (§6.1.52).
func (s *Service) SetConstraints(ctx context.Context, sc *Scope, list []ForObjects) error {
	return s.setForObjects(ctx, sc, "SetConstraints", recordConstraints, list, func(attrs kmip.Attributes) error {
		for _, at := range attrs {
			if _, ok := kmip.RuleOf(at.AttributeID); !ok {
				return kmip.Fail(kmip.KindAttributeUnsupported, "no attribute %s", at)
			}
		}
		return nil
	})
}

// Constraints lists them (§6.1.22).
func (s *Service) Constraints(ctx context.Context, sc *Scope) ([]ForObjects, error) {
	var list []ForObjects
	err := s.do(ctx, sc, "GetConstraints", func() (outcome, error) {
		if err := s.authorizeNone(ctx, sc, "GetConstraints"); err != nil {
			return outcome{}, err
		}
		var err error
		list, _, err = s.readForObjects(ctx, sc.Domain, recordConstraints)
		return outcome{}, err
	})
	return list, err
}

// constrained refuses a new object that violates a constraint of its domain: it
// must have each attribute that the constraint names, with one of the values
// that are named; a usage mask may have no other bits.
func (s *Service) constrained(ctx context.Context, domain string, t kmip.ObjectType, attrs kmip.Attributes) error {
	st, err := s.standing(ctx, domain)
	if err != nil {
		return err
	}
	for _, f := range st.constraints {
		if !f.applies(t, attrs) {
			continue
		}
		for _, id := range f.Attributes.IDs() {
			allowed := f.Attributes.Instances(id)
			met := slices.ContainsFunc(attrs.Instances(id), func(has kmip.Attribute) bool {
				return slices.ContainsFunc(allowed, func(a kmip.Attribute) bool { return withinConstraint(has.Value, a.Value) })
			})
			if !met {
				return kmip.Fail(kmip.KindConstraint, "a constraint of the domain does not allow this %s", id)
			}
		}
	}
	return nil
}

func withinConstraint(has, allowed kmip.Item) bool {
	if allowed.Tag == kmip.TagCryptographicUsageMask {
		return has.Uint32()&^allowed.Uint32() == 0
	}
	return matchesValue(has, allowed)
}
