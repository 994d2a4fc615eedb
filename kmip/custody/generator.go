package custody

import (
	"slices"

	"github.com/claviger/claviger/kmip"
)

// matchGenerator refuses to generate an object for a client that asks for
// another Random Number Generator than the server has (§4.46). One of several
// that are given must match; what the server used is set by the server.
func matchGenerator(n newborn) (kmip.Attributes, error) {
	asked := n.attrs.Instances(kmip.AttributeID{Tag: kmip.TagRandomNumberGenerator})
	if !n.generated || len(asked) == 0 {
		return n.attrs, nil
	}
	ours := randomNumberGenerator()
	if !slices.ContainsFunc(asked, func(at kmip.Attribute) bool { return matchesGenerator(ours, at.Value) }) {
		return nil, kmip.Fail(kmip.KindAttributeValue, "the server has no such Random Number Generator")
	}
	return slices.Clone(n.attrs).Remove(kmip.TagRandomNumberGenerator), nil
}

// oneGenerator leaves out all but the first of the Random Number Generators of a
// request: it may name several that would do, where an object has one.
func oneGenerator(attrs kmip.Attributes) kmip.Attributes {
	id := kmip.AttributeID{Tag: kmip.TagRandomNumberGenerator}
	asked := attrs.Instances(id)
	if len(asked) < 2 {
		return attrs
	}
	return append(slices.Clone(attrs).Remove(kmip.TagRandomNumberGenerator), asked[0])
}

// matchesGenerator compares what is given of a generator; Unspecified matches
// any.
func matchesGenerator(ours, asked kmip.Item) bool {
	if alg, ok := asked.Field(kmip.TagRNGAlgorithm); ok && alg.Uint32() == uint32(kmip.RNGAlgorithmUnspecified) {
		return true
	}
	return matchesValue(ours, asked)
}
