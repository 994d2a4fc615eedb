package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/kmip/custody"
)

// policyFile is a file of key policies.
type policyFile struct {
	Policy []filePolicy `toml:"policy"`
}

type filePolicy struct {
	Domain       string          `toml:"domain"`
	Group        string          `toml:"group"`
	Role         string          `toml:"role"`
	Enforce      bool            `toml:"enforce"`
	Activate     *custody.Period `toml:"activate_after"`
	Originator   *custody.Period `toml:"originator"`
	Recipient    *custody.Period `toml:"recipient"`
	Rotate       *custody.Period `toml:"rotate"`
	RotateOffset *custody.Period `toml:"rotate_offset"`
	UsageLimit   *int64          `toml:"usage_limit"`
	UsageUnit    string          `toml:"usage_unit"`
	InUse        *custody.Period `toml:"in_use"`
}

func (p filePolicy) api() api.KeyPolicy {
	text := func(v *custody.Period) string {
		if v == nil {
			return ""
		}
		return v.String()
	}
	out := api.KeyPolicy{
		Group: p.Group, Role: p.Role, Enforce: p.Enforce, Activate: text(p.Activate), Originator: text(p.Originator), Recipient: text(p.Recipient),
		Rotate: text(p.Rotate), RotateOffset: text(p.RotateOffset), UsageTotal: p.UsageLimit, UsageUnit: p.UsageUnit, InUse: text(p.InUse),
	}
	if p.UsageLimit != nil && out.UsageUnit == "" {
		out.UsageUnit = "byte"
	}
	return out
}

// parsePolicies reads a file of key policies, by domain, in the order of the file.
// Errors name the line.
func parsePolicies(name string, b []byte) (domains []string, byDomain map[string][]api.KeyPolicy, err error) {
	var f policyFile
	if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&f); err != nil {
		return nil, nil, positioned(name, err)
	}
	lines := tableLines(b)
	byDomain = map[string][]api.KeyPolicy{}
	seen := map[string]int{}
	for i, p := range f.Policy {
		line := 1
		if i < len(lines) {
			line = lines[i]
		}
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...))
		}
		key := p.Domain + "\x00" + p.Group + "\x00" + p.Role
		switch {
		case p.Domain == "":
			return nil, nil, bad("the policy names no domain")
		case p.Group != "" && p.Role != "":
			return nil, nil, bad("a policy is for a group or a role, not for both")
		case p.UsageUnit != "" && p.UsageUnit != "byte" && p.UsageUnit != "object":
			return nil, nil, bad("usage_unit is %q; it is byte or object", p.UsageUnit)
		case seen[key] > 0:
			return nil, nil, bad("there is a policy of %s in domain %s in line %d already", policyAbout(p.api()), p.Domain, seen[key])
		case p.Originator != nil && p.Recipient != nil && *p.Recipient > 0 && *p.Originator > *p.Recipient:
			return nil, nil, bad("the recipient-usage period (%s) ends before the originator-usage period (%s)", p.Recipient, p.Originator)
		}
		seen[key] = line
		if byDomain[p.Domain] == nil {
			domains = append(domains, p.Domain)
		}
		byDomain[p.Domain] = append(byDomain[p.Domain], p.api())
	}
	if len(f.Policy) == 0 {
		return nil, nil, fmt.Errorf("%s: there is no [[policy]]", name)
	}
	return domains, byDomain, nil
}

// tableLines are the lines at which the tables [[policy]] begin.
func tableLines(b []byte) []int {
	var lines []int
	for i, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(strings.ReplaceAll(strings.TrimSpace(l), " ", ""), "[[policy]]") {
			lines = append(lines, i+1)
		}
	}
	return lines
}
