package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/policy"
)

// registerPolicy lists the routes of policies, roles and groups.
func (a *api) registerPolicy(h huma.API) {
	const domain = "/domains/{domain}"
	huma.Register(h, get("show-policy", domain+"/policy", "Show the policies of a domain; of the installation for the domain system"), a.showPolicy)
	huma.Register(h, put("set-policy", domain+"/policy", "Replace the policies of a domain"), a.setPolicy)
	huma.Register(h, post("check-policy", domain+"/policy/check", "Tell what is wrong with policies that are not in force", http.StatusNoContent), a.checkPolicy)
	huma.Register(h, post("compare-policy", domain+"/policy/diff", "Tell what policies that are not in force would change", http.StatusOK), a.comparePolicy)
	huma.Register(h, post("simulate-policy", domain+"/policy/simulate", "Decide past requests anew under policies that are not in force", http.StatusOK), a.simulatePolicy)
	huma.Register(h, post("explain-policy", domain+"/policy/explain", "Tell how a request would be decided, and by which policies", http.StatusOK), a.explainPolicy)
	huma.Register(h, get("list-roles", domain+"/roles", "List the roles that clients and users of a domain can have"), a.roles)
	huma.Register(h, post("create-role", domain+"/roles", "Make a role that policies can speak of", http.StatusCreated), a.createRole)
	huma.Register(h, remove("delete-role", domain+"/roles/{name}", "Delete a role that nothing uses"), a.deleteRole)
	huma.Register(h, put("set-group", domain+"/groups/{name}", "Say who belongs to a group"), a.setGroup)
	huma.Register(h, remove("delete-group", domain+"/groups/{name}", "Delete a group that no policy names"), a.deleteGroup)
}

func put(id, path, summary string) huma.Operation {
	return operation(http.MethodPut, id, path, summary, http.StatusNoContent)
}

func remove(id, path, summary string) huma.Operation {
	return operation(http.MethodDelete, id, path, summary, http.StatusNoContent)
}

// Policy is what is in force in a domain beside the ready roles.
type Policy struct {
	Domain   string              `json:"domain"`
	Revision int64               `json:"revision" doc:"0 while there is none"`
	Text     string              `json:"text" doc:"Cedar"`
	Roles    []string            `json:"roles" doc:"beside the ready ones"`
	Groups   map[string][]string `json:"groups" doc:"the members of each group: client:NAME, user:NAME"`
}

// NewPolicy replaces the policies of a domain.
type NewPolicy struct {
	Text     string `json:"text" maxLength:"1048576" doc:"Cedar"`
	Revision int64  `json:"revision,omitempty" minimum:"0" doc:"that which is replaced; whatever there is when 0"`
}

// PolicyDraft is a policy that is not in force.
type PolicyDraft struct {
	Text string `json:"text" maxLength:"1048576" doc:"Cedar"`
	Days int    `json:"days,omitempty" minimum:"1" maximum:"366" doc:"how far a simulation looks back; 7 when absent"`
}

// PolicyComparison tells what a draft would change.
type PolicyComparison struct {
	Policies []PolicyDifference `json:"policies"`
	Roles    []PolicyShift      `json:"roles" doc:"what clients of each role could do then and cannot now, or the other way round, with an active object that somebody else made"`
}

// PolicyDifference is a policy that is not the same in both.
type PolicyDifference struct {
	Policy string `json:"policy"`
	Was    string `json:"was,omitempty"`
	Is     string `json:"is,omitempty"`
}

// PolicyShift is an action that a role may do then and may not now, or otherwise.
type PolicyShift struct {
	Role   string   `json:"role"`
	Action string   `json:"action"`
	Object string   `json:"object_type,omitempty" doc:"of every type when absent"`
	Was    Decision `json:"was"`
	Is     Decision `json:"is"`
}

// Decision is how a request is decided.
type Decision struct {
	Allow     bool   `json:"allow"`
	Reason    string `json:"reason"`
	Approvals int    `json:"approvals,omitempty" doc:"how many approvals would make it allowed"`
}

// PolicySimulation tells what a draft would have changed.
type PolicySimulation struct {
	From     time.Time       `json:"from"`
	Requests int             `json:"requests" doc:"that were decided anew"`
	Skipped  int             `json:"skipped" doc:"of them, whose actor is not known any more"`
	Partial  bool            `json:"partial" doc:"there are more than a simulation looks at"`
	Changes  []PolicyOutcome `json:"changes"`
}

// PolicyOutcome is what a draft would have changed for one actor and action.
type PolicyOutcome struct {
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	Requests int       `json:"requests"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	UID      string    `json:"uid,omitempty" doc:"of the newest"`
	Was      Decision  `json:"was"`
	Is       Decision  `json:"is"`
}

// PolicyQuestion is a request that nobody has made.
type PolicyQuestion struct {
	Actor     string    `json:"actor" minLength:"1" maxLength:"128" doc:"client:NAME, user:NAME or admin:NAME"`
	Action    string    `json:"action" minLength:"1" maxLength:"64"`
	UID       string    `json:"uid,omitempty" maxLength:"1024"`
	Type      string    `json:"object_type,omitempty" maxLength:"64" doc:"of an object that does not exist"`
	Source    string    `json:"source,omitempty" maxLength:"64" doc:"address"`
	Time      time.Time `json:"time,omitzero" doc:"now when absent"`
	Approvals int       `json:"approvals,omitempty" minimum:"0" maximum:"16"`
}

// PolicyAnswer tells how a request is decided, and by which policies.
type PolicyAnswer struct {
	Role     string       `json:"role"`
	Decision Decision     `json:"decision"`
	Policies []PolicyStep `json:"policies" doc:"those that could matter for the principal and the action"`
}

// PolicyStep is what one policy says.
type PolicyStep struct {
	Policy  string `json:"policy"`
	Line    int    `json:"line"`
	Effect  string `json:"effect" enum:"permit,forbid"`
	Applies bool   `json:"applies"`
	Error   string `json:"error,omitempty"`
}

// Role is one that clients and users can have.
type Role struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready" doc:"it is part of the program"`
	Text  string `json:"text,omitempty" doc:"of a ready one, in Cedar"`
}

// RoleList lists roles.
type RoleList struct {
	Roles []Role `json:"roles"`
}

func decisionOf(d policy.Decision) Decision { return Decision{d.Allow, d.Reason, d.Approvals} }

func (a *api) showPolicy(ctx context.Context, in *DomainPath) (*body[Policy], error) {
	p, err := a.Custody.ShowPolicy(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := Policy{p.Domain, p.Revision, p.Text, append([]string{}, p.Roles...), p.Groups}
	if out.Groups == nil {
		out.Groups = map[string][]string{}
	}
	return &body[Policy]{out}, nil
}

type setPolicyInput struct {
	DomainPath
	Body NewPolicy
}

func (a *api) setPolicy(ctx context.Context, in *setPolicyInput) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.SetPolicy(ctx, a.scope(ctx, in.Domain), in.Body.Text, in.Body.Revision))
}

// nothing answers 204, or with what went wrong.
func (a *api) nothing(ctx context.Context, err error) (*struct{}, error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

type draftInput struct {
	DomainPath
	Body PolicyDraft
}

func (a *api) checkPolicy(ctx context.Context, in *draftInput) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.CheckPolicy(ctx, a.scope(ctx, in.Domain), custody.Draft{Text: in.Body.Text}))
}

func (a *api) comparePolicy(ctx context.Context, in *draftInput) (*body[PolicyComparison], error) {
	c, err := a.Custody.ComparePolicy(ctx, a.scope(ctx, in.Domain), custody.Draft{Text: in.Body.Text})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[PolicyComparison]{PolicyComparison{Policies: []PolicyDifference{}, Roles: []PolicyShift{}}}
	for _, d := range c.Policies {
		out.Body.Policies = append(out.Body.Policies, PolicyDifference(d))
	}
	for _, s := range c.Shifts {
		out.Body.Roles = append(out.Body.Roles, PolicyShift{s.Role, s.Action, s.Object, decisionOf(s.Was), decisionOf(s.Is)})
	}
	return out, nil
}

const day = 24 * time.Hour

func (a *api) simulatePolicy(ctx context.Context, in *draftInput) (*body[PolicySimulation], error) {
	days := in.Body.Days
	if days == 0 {
		days = 7
	}
	s, err := a.Custody.SimulatePolicy(ctx, a.scope(ctx, in.Domain), custody.Draft{Text: in.Body.Text}, time.Duration(days)*day)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[PolicySimulation]{PolicySimulation{s.From, s.Requests, s.Skipped, s.Partial, []PolicyOutcome{}}}
	for _, o := range s.Outcomes {
		out.Body.Changes = append(out.Body.Changes, PolicyOutcome{o.Actor, o.Action, o.Requests, o.First, o.Last, o.UID, decisionOf(o.Was), decisionOf(o.Is)})
	}
	return out, nil
}

type explainInput struct {
	DomainPath
	Body PolicyQuestion
}

func (a *api) explainPolicy(ctx context.Context, in *explainInput) (*body[PolicyAnswer], error) {
	q := custody.Question{Actor: in.Body.Actor, Action: in.Body.Action, UID: in.Body.UID, Source: in.Body.Source, Time: in.Body.Time, Approvals: in.Body.Approvals}
	if in.Body.Type != "" {
		typ, ok := kmip.EnumByName(kmip.TagObjectType, in.Body.Type)
		if !ok {
			return nil, a.problem(ctx, kmip.Fail(kmip.KindInvalidField, "there is no Object Type %q", in.Body.Type))
		}
		q.Type = kmip.ObjectType(typ)
	}
	answer, err := a.Custody.ExplainPolicy(ctx, a.scope(ctx, in.Domain), q)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[PolicyAnswer]{PolicyAnswer{answer.Role, decisionOf(answer.Decision), []PolicyStep{}}}
	for _, s := range answer.Steps {
		out.Body.Policies = append(out.Body.Policies, PolicyStep(s))
	}
	return out, nil
}

func (a *api) roles(ctx context.Context, in *DomainPath) (*body[RoleList], error) {
	p, err := a.Custody.ShowPolicy(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[RoleList]{RoleList{[]Role{}}}
	for _, r := range policy.Roles(policy.KindClient) {
		text, _ := policy.Ready(r)
		out.Body.Roles = append(out.Body.Roles, Role{r, true, text})
	}
	for _, r := range p.Roles {
		out.Body.Roles = append(out.Body.Roles, Role{Name: r})
	}
	return out, nil
}

type createRoleInput struct {
	DomainPath
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"63"`
	}
}

func (a *api) createRole(ctx context.Context, in *createRoleInput) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.CreateRole(ctx, a.scope(ctx, in.Domain), in.Body.Name))
}

func (a *api) deleteRole(ctx context.Context, in *member) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.DeleteRole(ctx, a.scope(ctx, in.Domain), in.Name))
}

type setGroupInput struct {
	DomainPath
	Name string `path:"name" maxLength:"63"`
	Body struct {
		Members []string `json:"members" maxItems:"10000" doc:"client:NAME, user:NAME"`
	}
}

func (a *api) setGroup(ctx context.Context, in *setGroupInput) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.SetGroup(ctx, a.scope(ctx, in.Domain), in.Name, append([]string{}, in.Body.Members...)))
}

func (a *api) deleteGroup(ctx context.Context, in *member) (*struct{}, error) {
	return a.nothing(ctx, a.Custody.SetGroup(ctx, a.scope(ctx, in.Domain), in.Name, nil))
}
