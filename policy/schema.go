package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// entities are the types that policies speak of. Every attribute is always
// there, so that no condition of a policy can fail for want of one.
const entities = `
entity Role, Group, Domain, ObjectGroup;
entity Client        in [Role, Group, Domain] { name: String, actor: String, domain: String, role: String };
entity User          in [Role, Group, Domain] { name: String, actor: String, domain: String, role: String };
entity Administrator in [Role]                { name: String, actor: String, domain: String, role: String };
entity Object in [Domain, ObjectGroup] {
	type: String, state: String, algorithm: String, length: Long, usage: Set<String>,
	creator: String, names: Set<String>, groups: Set<String>, domain: String
};
type Context = { time: datetime, weekday: String, source: ipaddr, door: String, tls: String, approvals: Long };
`

// Schema is the Cedar schema that policies are checked against.
func Schema() string {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(entities, "\n"))
	fmt.Fprintf(&b, "action %q, %q;\n", groupKMIP, groupAdmin)
	const applies = " appliesTo { principal: [%s], resource: [Object], context: Context };\n"
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "action %q in [%q];\n", g, groupKMIP)
		for _, a := range expand(g) {
			fmt.Fprintf(&b, "action %q in [%q]"+applies, a, g, "Client, User")
		}
	}
	for _, a := range Actions() {
		fmt.Fprintf(&b, "action %q in [%q]"+applies, a, groupAdmin, "Administrator")
	}
	return b.String()
}

// validator checks policies; while errSchema is not nil, none is taken. Both are only
// read.
var validator, errSchema = newValidator(Schema())

func newValidator(text string) (*validate.Validator, error) {
	var s schema.Schema
	if err := s.UnmarshalCedar([]byte(text)); err != nil {
		return nil, fmt.Errorf("schema of policies: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("schema of policies: %w", err)
	}
	return validate.New(resolved), nil
}
