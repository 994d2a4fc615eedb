package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/claviger/claviger/kmip"
)

// Keys of slices: whom the scope of a policy means.
const anybody = "*"

func key(uid types.EntityUID) string { return string(uid.Type) + "::" + string(uid.ID) }

// principalsOf names whom the scope of a policy can mean.
func principalsOf(p *ast.Policy) []string {
	switch s := p.Principal.(type) {
	case ast.ScopeTypeEq:
		return []string{key(s.Entity)}
	case ast.ScopeTypeIn:
		return []string{key(s.Entity)}
	case ast.ScopeTypeIsIn:
		return []string{key(s.Entity)}
	}
	return []string{anybody}
}

// actionsOf names the actions that the scope of a policy means.
func actionsOf(p *ast.Policy) []string {
	var uids []types.EntityUID
	switch s := p.Action.(type) {
	case ast.ScopeTypeEq:
		return []string{string(s.Entity.ID)} // a group is no action that anybody takes
	case ast.ScopeTypeIn:
		uids = []types.EntityUID{s.Entity}
	case ast.ScopeTypeInSet:
		uids = s.Entities
	default:
		return append(expand(groupKMIP), expand(groupAdmin)...)
	}
	var list []string
	for _, uid := range uids {
		list = append(list, expand(string(uid.ID))...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// references lists the entities that a policy names, and notes whether it asks for
// approvals.
func references(text string, p *ast.Policy, e *entry) []Reference {
	var found []Reference
	at := types.Position(p.Position)
	note := func(uid types.EntityUID) {
		if uid.Type != "Action" {
			line, column := find(text, at, uid.String())
			found = append(found, Reference{string(uid.Type), string(uid.ID), line, column})
		}
	}
	for _, scope := range []ast.IsScopeNode{p.Principal, p.Resource} {
		switch s := scope.(type) {
		case ast.ScopeTypeEq:
			note(s.Entity)
		case ast.ScopeTypeIn:
			note(s.Entity)
		case ast.ScopeTypeIsIn:
			note(s.Entity)
		}
	}
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeAccess:
				e.approvals = e.approvals || n.Value == "approvals"
			case ast.NodeValue:
				if uid, ok := n.Value.(types.EntityUID); ok {
					note(uid)
				}
			}
			return true
		})
	}
	return found
}

// vocabulary are the words that an attribute can be.
var vocabulary = map[string]func() []string{
	"type":      func() []string { return enumeration(kmip.TagObjectType) },
	"state":     func() []string { return enumeration(kmip.TagState) },
	"algorithm": func() []string { return enumeration(kmip.TagCryptographicAlgorithm) },
	"usage":     func() []string { return usages(^uint32(0)) },
	"door":      func() []string { return []string{"kmip", "admin", "system"} },
	"tls":       func() []string { return []string{"1.2", "1.3", ""} },
	"weekday": func() []string {
		return []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	},
}

func enumeration(tag kmip.Tag) []string {
	var names []string
	for _, v := range kmip.EnumValues(tag) {
		names = append(names, kmip.EnumName(tag, v))
	}
	return names
}

// words refuses comparisons with words that an attribute can never be.
func words(d Document, p *ast.Policy, at types.Position) []error {
	var errs []error
	compare := func(a, b ast.IsNode) {
		for _, pair := range [][2]ast.IsNode{{a, b}, {b, a}} {
			access, ok := pair[0].(ast.NodeTypeAccess)
			if !ok {
				continue
			}
			known := vocabulary[string(access.Value)]
			if v, isVariable := access.Arg.(ast.NodeTypeVariable); known == nil || !isVariable || v.Name != "resource" && v.Name != "context" {
				continue
			}
			for _, word := range literals(pair[1]) {
				if !slices.Contains(known(), word) {
					line, column := find(d.Text, at, fmt.Sprintf("%q", word))
					errs = append(errs, &Error{d.Source, line, column, fmt.Sprintf("%q is no %s; there are %s", word, access.Value, strings.Join(known(), ", "))})
				}
			}
		}
	}
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeEquals:
				compare(n.Left, n.Right)
			case ast.NodeTypeNotEquals:
				compare(n.Left, n.Right)
			case ast.NodeTypeContains:
				compare(n.Left, n.Right)
			case ast.NodeTypeContainsAll:
				compare(n.Left, n.Right)
			case ast.NodeTypeContainsAny:
				compare(n.Left, n.Right)
			}
			return true
		})
	}
	return errs
}

// literals are the texts of a literal, or of a set of them.
func literals(n ast.IsNode) []string {
	var list []string
	switch n := n.(type) {
	case ast.NodeValue:
		switch v := n.Value.(type) {
		case types.String:
			return []string{string(v)}
		case types.Set:
			for e := range v.All() {
				if s, ok := e.(types.String); ok {
					list = append(list, string(s))
				}
			}
		}
	case ast.NodeTypeSet:
		for _, e := range n.Elements {
			list = append(list, literals(e)...)
		}
	}
	return list
}

// quoted takes what the checker puts between backquotes out of its message.
func quoted(message string) string {
	_, rest, _ := strings.Cut(message, "`")
	word, _, _ := strings.Cut(rest, "`")
	return word
}

// find returns line and column of a word in the policy that begins at a position,
// or of the policy itself.
func find(text string, at types.Position, word string) (line, column int) {
	if word == "" || at.Offset > len(text) {
		return at.Line, at.Column
	}
	rest := text[at.Offset:]
	i := strings.Index(rest, word)
	if i < 0 {
		return at.Line, at.Column
	}
	before := rest[:i]
	line = at.Line + strings.Count(before, "\n")
	if nl := strings.LastIndexByte(before, '\n'); nl >= 0 {
		return line, len([]rune(before[nl+1:])) + 1
	}
	return line, at.Column + len([]rune(before))
}
