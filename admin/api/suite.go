package api

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/policy/suite"
)

// DomainSuite says which algorithms are fit in a domain.
type DomainSuite struct {
	Create  string   `json:"create" required:"false" maxLength:"63" doc:"profile for new keys; legacy when absent"`
	Process string   `json:"process" required:"false" maxLength:"63" doc:"profile for the use of keys; legacy when absent"`
	Allow   []string `json:"allow" required:"false" maxItems:"256" doc:"allowed besides: algorithm[:bits], curve, mode, hash, padding or derivation, such as AES:128 or hash=SHA-1"`
	Deny    []string `json:"deny" required:"false" maxItems:"256" doc:"denied whatever the profile says"`
}

// SuiteProfile is a profile of algorithms.
type SuiteProfile struct {
	Name      string   `json:"name"`
	Title     string   `json:"title"`
	Documents []string `json:"documents"`
}

// SuiteProfiles lists them.
type SuiteProfiles struct {
	Profiles []SuiteProfile `json:"profiles"`
}

// SuiteRule is a line of a profile: what it does not name is refused.
type SuiteRule struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Length string `json:"length,omitempty" doc:"in bits, or where the rule holds"`
	Level  string `json:"level" doc:"full; existing keys: none is made; legacy use: decrypt, unwrap and verify only"`
	Source string `json:"source,omitempty"`
}

// SuiteDetail is a profile with its rules.
type SuiteDetail struct {
	SuiteProfile
	Everything bool        `json:"everything" doc:"all that the server can do is allowed"`
	Rules      []SuiteRule `json:"rules"`
}

func (a *api) suite(ctx context.Context, in *DomainPath) (*body[DomainSuite], error) {
	r, err := a.Custody.Suite(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[DomainSuite]{DomainSuite{Create: r.Create, Process: r.Process, Allow: append([]string{}, r.Allow...), Deny: append([]string{}, r.Deny...)}}, nil
}

type setSuiteInput struct {
	DomainPath
	Body DomainSuite
}

func (a *api) setSuite(ctx context.Context, in *setSuiteInput) (*struct{}, error) {
	b := in.Body
	if err := a.Custody.SetSuite(ctx, a.scope(ctx, in.Domain), custody.SuiteRules{Create: b.Create, Process: b.Process, Allow: b.Allow, Deny: b.Deny}); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

func suiteProfile(p *suite.Profile) SuiteProfile {
	return SuiteProfile{p.Name, p.Title, append([]string{}, p.Documents...)}
}

func (a *api) suiteProfiles(ctx context.Context, _ *struct{}) (*body[SuiteProfiles], error) {
	if err := a.Custody.Permit(ctx, a.scope(ctx, ""), policy.ActionStatus); err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[SuiteProfiles]{}
	for _, p := range suite.Profiles() {
		out.Body.Profiles = append(out.Body.Profiles, suiteProfile(p))
	}
	return out, nil
}

type suiteInput struct {
	Name string `path:"name" maxLength:"63"`
}

func (a *api) suiteDetail(ctx context.Context, in *suiteInput) (*body[SuiteDetail], error) {
	if err := a.Custody.Permit(ctx, a.scope(ctx, ""), policy.ActionStatus); err != nil {
		return nil, a.problem(ctx, err)
	}
	p := suite.Named(in.Name)
	if p == nil {
		return nil, a.problem(ctx, kmip.Fail(kmip.KindObjectNotFound, "there is no profile %q; there are %v", in.Name, suite.Names()))
	}
	out := &body[SuiteDetail]{SuiteDetail{SuiteProfile: suiteProfile(p), Everything: p.Everything, Rules: []SuiteRule{}}}
	for _, r := range p.Rules() {
		out.Body.Rules = append(out.Body.Rules, SuiteRule(r))
	}
	return out, nil
}
