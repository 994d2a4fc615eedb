package suite

import (
	"strconv"

	"github.com/claviger/claviger/kmip"
)

func (l lengths) String() string {
	first, last := strconv.Itoa(int(l.first)), strconv.Itoa(int(l.last))
	switch {
	case l.first == 0 && l.last == 0:
		return ""
	case l.last == 0:
		return first + " and more"
	case l.first == l.last:
		return first
	}
	return first + " to " + last
}

// Ways to write the tables.

// exactly is a rule for single lengths.
func exactly(source string, level Level, bits ...int32) algorithmRule {
	r := algorithmRule{source: source}
	for _, b := range bits {
		r.lengths = append(r.lengths, lengths{b, b, level})
	}
	return r
}

// atLeast is a rule for a length and all above it.
func atLeast(source string, bits int32, level Level) algorithmRule {
	return algorithmRule{source, []lengths{{bits, 0, level}}}
}

// and adds lengths of another level.
func (r algorithmRule) and(first, last int32, level Level) algorithmRule {
	r.lengths = append(append([]lengths{}, r.lengths...), lengths{first, last, level})
	return r
}

// whole is a rule for an algorithm of one length.
func whole(source string, level Level) algorithmRule {
	return algorithmRule{source, []lengths{{0, 0, level}}}
}

// table joins rules for single algorithms with those for families of them.
func table(single map[kmip.CryptographicAlgorithm]algorithmRule, families ...family) map[kmip.CryptographicAlgorithm]algorithmRule {
	for _, f := range families {
		for _, a := range f.members {
			if _, ok := single[a]; !ok {
				single[a] = f.rule
			}
		}
	}
	return single
}

// family are algorithms of one rule.
type family struct {
	rule    algorithmRule
	members []kmip.CryptographicAlgorithm
}

// in is a rule for several algorithms.
func (r algorithmRule) in(members ...[]kmip.CryptographicAlgorithm) family {
	f := family{rule: r}
	for _, m := range members {
		f.members = append(f.members, m...)
	}
	return f
}

var (
	hmacSHA2 = []kmip.CryptographicAlgorithm{
		kmip.CryptographicAlgorithmHMACSHA224, kmip.CryptographicAlgorithmHMACSHA256, kmip.CryptographicAlgorithmHMACSHA384, kmip.CryptographicAlgorithmHMACSHA512,
	}
	hmacSHA3 = []kmip.CryptographicAlgorithm{
		kmip.CryptographicAlgorithmHMACSHA3224, kmip.CryptographicAlgorithmHMACSHA3256, kmip.CryptographicAlgorithmHMACSHA3384, kmip.CryptographicAlgorithmHMACSHA3512,
	}
	hmacSHA1 = []kmip.CryptographicAlgorithm{kmip.CryptographicAlgorithmHMACSHA1}
	ec       = []kmip.CryptographicAlgorithm{kmip.CryptographicAlgorithmEC, kmip.CryptographicAlgorithmECDSA, kmip.CryptographicAlgorithmECDH}
	mlkem    = []kmip.CryptographicAlgorithm{kmip.CryptographicAlgorithmMLKEM512, kmip.CryptographicAlgorithmMLKEM768, kmip.CryptographicAlgorithmMLKEM1024}
	mldsa    = []kmip.CryptographicAlgorithm{kmip.CryptographicAlgorithmMLDSA44, kmip.CryptographicAlgorithmMLDSA65, kmip.CryptographicAlgorithmMLDSA87}
	slhdsa   = []kmip.CryptographicAlgorithm{
		kmip.CryptographicAlgorithmSLHDSASHA2128s, kmip.CryptographicAlgorithmSLHDSASHA2128f, kmip.CryptographicAlgorithmSLHDSASHA2192s,
		kmip.CryptographicAlgorithmSLHDSASHA2192f, kmip.CryptographicAlgorithmSLHDSASHA2256s, kmip.CryptographicAlgorithmSLHDSASHA2256f,
		kmip.CryptographicAlgorithmSLHDSASHAKE128s, kmip.CryptographicAlgorithmSLHDSASHAKE128f, kmip.CryptographicAlgorithmSLHDSASHAKE192s,
		kmip.CryptographicAlgorithmSLHDSASHAKE192f, kmip.CryptographicAlgorithmSLHDSASHAKE256s, kmip.CryptographicAlgorithmSLHDSASHAKE256f,
	}
	edwards = []kmip.CryptographicAlgorithm{kmip.CryptographicAlgorithmEd25519, kmip.CryptographicAlgorithmEd448}
)

// hashTable is that of the SHA-2 and SHA-3 families at a level, with others.
func hashTable(level Level, others map[kmip.HashingAlgorithm]hashRule) map[kmip.HashingAlgorithm]hashRule {
	for _, h := range []kmip.HashingAlgorithm{
		kmip.HashingAlgorithmSHA224, kmip.HashingAlgorithmSHA256, kmip.HashingAlgorithmSHA384, kmip.HashingAlgorithmSHA512,
		kmip.HashingAlgorithmSHA512224, kmip.HashingAlgorithmSHA512256,
		kmip.HashingAlgorithmSHA3224, kmip.HashingAlgorithmSHA3256, kmip.HashingAlgorithmSHA3384, kmip.HashingAlgorithmSHA3512,
	} {
		if _, ok := others[h]; !ok {
			others[h] = hashRule{level, level}
		}
	}
	return others
}
