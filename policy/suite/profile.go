package suite

import (
	"slices"

	"github.com/claviger/claviger/kmip"
)

// Profile is what one standard allows.
type Profile struct {
	Name string
	// Title says what it is in one line; Documents names where its rules come from.
	Title     string
	Documents []string
	// Everything tells that all that the server can do is allowed.
	Everything bool

	algorithms  map[kmip.CryptographicAlgorithm]algorithmRule
	curves      map[kmip.RecommendedCurve]Level
	modes       map[kmip.BlockCipherMode]Level
	paddings    map[kmip.PaddingMethod]Level
	hashes      map[kmip.HashingAlgorithm]hashRule
	derivations map[kmip.DerivationMethod]Level
	// Where the rules of each kind but algorithms come from.
	sources map[Kind]string
}

// algorithmRule says how far an algorithm is fit, by length in bits.
type algorithmRule struct {
	source string
	// lengths is in any order and does not overlap. An algorithm of one length, whose
	// name says it, has one entry from 0.
	lengths []lengths
}

// lengths are those from first to last in bits, which is 0 where there is no end.
type lengths struct {
	first, last int32
	level       Level
}

// hashRule says how far a hash is fit: in signatures, and in all else.
type hashRule struct{ signature, other Level }

type verdict struct {
	level  Level
	source string
}

// verdict is what the profile says of one element of a question. What the tables do
// not name is not fit.
func (p *Profile) verdict(e Item, q Question) verdict {
	v := verdict{source: p.sources[e.Kind]}
	switch e.Kind {
	case KindAlgorithm:
		r := p.algorithms[kmip.CryptographicAlgorithm(e.Value)]
		v.source = r.source
		for _, l := range r.lengths {
			if e.Bits >= l.first && (l.last == 0 || e.Bits <= l.last) {
				v.level = l.level
			}
		}
		if q.Curve != 0 && onCurve(q.Algorithm) { // the curve says it
			v.level = Full
		}
	case KindCurve:
		v.level = p.curves[kmip.RecommendedCurve(e.Value)]
	case KindMode:
		v.level = p.modes[kmip.BlockCipherMode(e.Value)]
	case KindPadding:
		v.level = p.paddings[kmip.PaddingMethod(e.Value)]
	case KindHash:
		r := p.hashes[kmip.HashingAlgorithm(e.Value)]
		v.level = r.other
		if q.Signature {
			v.level = r.signature
		}
	case KindDerivation:
		v.level = p.derivations[kmip.DerivationMethod(e.Value)]
	}
	return v
}

// onCurve tells the algorithms whose keys are on a curve of any name.
func onCurve(a kmip.CryptographicAlgorithm) bool {
	switch a {
	case kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH, kmip.CryptographicAlgorithmECMQV:
		return true
	}
	return false
}

// LegacyName is the profile of domains that set none: everything that the server can.
const LegacyName = "legacy"

var profiles = []*Profile{
	{Name: LegacyName, Title: "everything that the server can do", Everything: true},
	&nist800131a, &fips1403, &pciDSS4, &cnsa2,
}

// Profiles lists them, the widest first.
func Profiles() []*Profile { return slices.Clone(profiles) }

// Named returns the profile of a name; nil when there is none.
func Named(name string) *Profile {
	for _, p := range profiles {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Names lists the names of the profiles.
func Names() []string {
	names := make([]string, len(profiles))
	for i, p := range profiles {
		names[i] = p.Name
	}
	return names
}

// Rule is a line of a profile, for people.
type Rule struct {
	Kind   string
	Name   string
	Length string // "128", "2048 and more", "" for any
	Level  string
	Source string
}

// Rules lists what a profile allows, in the order of the tables of KMIP.
func (p *Profile) Rules() []Rule {
	var list []Rule
	for k, tag := range kindTags {
		for _, v := range kmip.EnumValues(tag) {
			list = append(list, p.rulesOf(Item{Kind: Kind(k), Value: v})...)
		}
	}
	return list
}

func (p *Profile) rulesOf(i Item) []Rule {
	one := Rule{Kind: kindNames[i.Kind], Name: i.name(), Source: p.sources[i.Kind]}
	if i.Kind == KindAlgorithm {
		var list []Rule
		r := p.algorithms[kmip.CryptographicAlgorithm(i.Value)]
		for _, l := range r.lengths {
			line := one
			line.Length, line.Level, line.Source = l.String(), l.level.String(), r.source
			list = append(list, line)
		}
		return list
	}
	if i.Kind == KindHash {
		r := p.hashes[kmip.HashingAlgorithm(i.Value)]
		if r.signature != r.other {
			sign := one
			sign.Length, sign.Level = "in signatures", r.signature.String()
			one.Length, one.Level = "else", r.other.String()
			return []Rule{sign, one}
		}
	}
	v := p.verdict(i, Question{})
	if v.level == Never {
		return nil
	}
	one.Level = v.level.String()
	return []Rule{one}
}
