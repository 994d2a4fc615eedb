package custody

import (
	"context"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/policy/suite"
)

// SuiteRules say which algorithms are fit in a domain: for new keys by one profile, for
// their use by another, with what is allowed and denied beside them.
type SuiteRules struct {
	Create  string   `json:"create,omitempty"` // name of a profile; "legacy" when empty
	Process string   `json:"process,omitempty"`
	Allow   []string `json:"allow,omitempty"` // as suite.ParseItem reads them
	Deny    []string `json:"deny,omitempty"`
}

// maxSuiteItems bounds each list.
const maxSuiteItems = 256

// suites are the rules in the form in which they are asked.
type suites struct{ create, process suite.Suite }

// compiled refuses what names nothing.
func (r SuiteRules) compiled(module bool) (suites, error) {
	var c suites
	if len(r.Allow) > maxSuiteItems || len(r.Deny) > maxSuiteItems {
		return c, kmip.Fail(kmip.KindTooMany, "at most %d items are allowed, and denied", maxSuiteItems)
	}
	var lists [2][]suite.Item
	for i, texts := range [][]string{r.Allow, r.Deny} {
		for _, t := range texts {
			item, err := suite.ParseItem(t)
			if err != nil {
				return c, kmip.Fail(kmip.KindInvalidField, "%v", err)
			}
			lists[i] = append(lists[i], item)
		}
	}
	for _, p := range []struct {
		name string
		into *suite.Suite
	}{{r.Create, &c.create}, {r.Process, &c.process}} {
		name := p.name
		if name == "" {
			name = suite.LegacyName
		}
		profile := suite.Named(name)
		if profile == nil {
			return c, kmip.Fail(kmip.KindInvalidField, "there is no profile %q; there are %s", name, strings.Join(suite.Names(), ", "))
		}
		*p.into = suite.Suite{Profile: profile, Allow: lists[0], Deny: lists[1], Module: module}
	}
	return c, nil
}

// SetSuite says which algorithms are fit in the domain of the scope. What exists stays;
// its use is judged from now on.
func (s *Service) SetSuite(ctx context.Context, sc *Scope, rules SuiteRules) error {
	return s.setRules(ctx, sc, policy.ActionKeyPolicyUpdate, func(all *domainRules) (string, error) {
		if _, err := rules.compiled(false); err != nil {
			return "", err
		}
		all.Suite = SuiteRules{Create: rules.Create, Process: rules.Process, Allow: canonicalItems(rules.Allow), Deny: canonicalItems(rules.Deny)}
		detail := "suite: create " + orLegacy(rules.Create) + ", process " + orLegacy(rules.Process)
		if len(all.Suite.Allow) > 0 {
			detail += "; allow " + strings.Join(all.Suite.Allow, ", ")
		}
		if len(all.Suite.Deny) > 0 {
			detail += "; deny " + strings.Join(all.Suite.Deny, ", ")
		}
		return detail, nil
	})
}

// Suite shows which algorithms are fit in the domain of the scope.
func (s *Service) Suite(ctx context.Context, sc *Scope) (SuiteRules, error) {
	rules, err := s.showRules(ctx, sc, policy.ActionDomainList)
	r := rules.Suite
	r.Create, r.Process = orLegacy(r.Create), orLegacy(r.Process)
	return r, err
}

func orLegacy(name string) string {
	if name == "" {
		return suite.LegacyName
	}
	return name
}

// canonicalItems writes items that were read in one form, each once.
func canonicalItems(texts []string) []string {
	var list []string
	for _, t := range texts {
		if i, err := suite.ParseItem(t); err == nil && !slices.Contains(list, i.Text()) {
			list = append(list, i.Text())
		}
	}
	return list
}

// FIPS reports whether what is not in the validated module of Go is refused.
func (s *Service) FIPS() bool { return s.fips }

// mayCreate refuses a new object that the creation profile of the domain does not
// allow: the one place where that is asked.
func (s *Service) mayCreate(ctx context.Context, sc *Scope, n newborn, a kmip.Attributes) error {
	q := suite.Question{
		Object: n.typ, Algorithm: kmip.CryptographicAlgorithm(a.Uint32(kmip.TagCryptographicAlgorithm)),
		Bits: a.Int32(kmip.TagCryptographicLength), Curve: namedCurve(a),
	}
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil {
		return err
	}
	if rules.create.Trivial() {
		return nil
	}
	if q.Curve == 0 && n.value != nil && n.value.Key != nil && n.value.Key.Wrapping == nil && !n.resident {
		k := n.value.Key
		q.Curve = crypto.CurveOf(n.typ, q.Algorithm, k.Format, k.Material, k.Transparent)
	}
	return judge(rules.create, suite.Create, q, n.resident)
}

// mayDerive refuses a way to derive keys.
func (s *Service) mayDerive(ctx context.Context, sc *Scope, method kmip.DerivationMethod, hash kmip.HashingAlgorithm) error {
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil {
		return err
	}
	return judge(rules.create, suite.Create, suite.Question{Derivation: method, Hash: hash}, false)
}

// way is what a cryptographic operation does with a key.
type way uint8

const (
	ciphers way = iota
	codes       // MAC
	wraps
	signatures
	hashes // without a key
)

// mayProcess refuses a use that the processing profile of the domain does not allow:
// the one place where that is asked. With existing the use is of what is protected
// already. curve finds the curve of the key where its attributes do not say it; nil
// where there is none.
func (s *Service) mayProcess(ctx context.Context, sc *Scope, m *managed, w way, existing bool, p kmip.CryptographicParameters, curve func() kmip.RecommendedCurve) error {
	rules, err := s.rules(ctx, sc.Domain)
	if err != nil || rules.process.Trivial() {
		return err
	}
	use := suite.Protect
	if existing {
		use = suite.Process
	}
	if m == nil {
		return judge(rules.process, use, suite.Question{Hash: p.HashingAlgorithm}, false)
	}
	q := suite.Question{Algorithm: kmip.CryptographicAlgorithm(m.row.Algorithm), Bits: m.row.LengthBits, Mode: p.BlockCipherMode}
	switch w {
	case codes:
		q.Algorithm = crypto.MACAlgorithm(q.Algorithm, p)
	case signatures:
		q.Mode = 0
		q.Hash, q.Signature = crypto.SignatureHash(q.Algorithm, p), true
		if q.Curve = namedCurve(m.attrs); q.Curve == 0 && curve != nil {
			q.Curve = curve()
		}
	default:
		q.Padding = p.PaddingMethod
		if q.Algorithm == kmip.CryptographicAlgorithmRSA {
			if q.Mode = 0; p.PaddingMethod == kmip.PaddingMethodOAEP {
				q.Hash = p.HashingAlgorithm
			}
		}
		switch {
		case q.Mode == 0 && w == wraps && q.Algorithm == kmip.CryptographicAlgorithmAES:
			q.Mode = kmip.BlockCipherModeNISTKeyWrap
		case q.Mode == kmip.BlockCipherModeXTS: // the key is two
			q.Bits /= 2
		}
	}
	return judge(rules.process, use, q, m.resident())
}

// judge asks a suite. A token has a validation of its own.
func judge(s suite.Suite, use suite.Use, q suite.Question, inToken bool) error {
	s.Module = s.Module && !inToken
	if r := s.Check(use, q); r != nil {
		return kmip.Fail(kmip.KindConstraint, "%v", r)
	}
	return nil
}

// namedCurve is the curve that attributes name; 0 when they name none.
func namedCurve(a kmip.Attributes) kmip.RecommendedCurve {
	d, ok := a.Get(kmip.TagCryptographicDomainParameters)
	if !ok {
		return 0
	}
	c, _ := d.Field(kmip.TagRecommendedCurve)
	return kmip.RecommendedCurve(c.Uint32())
}
