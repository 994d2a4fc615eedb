// Package suite says which algorithms, lengths, modes and hashes are fit: typed
// tables of what a standard allows, asked by custody when an object is made and when
// one is used. It is no language, reads nothing and keeps nothing.
//
// A standard does not only say yes or no. What must not be made any more may still
// protect for some time, and what must not protect any more may still be decrypted and
// verified: SP 800-131A calls that legacy use. So each entry has a Level, and each
// question a Use.
//
// Whether a caller may do something at all is the question of package policy.
package suite

import (
	"fmt"

	"github.com/claviger/claviger/kmip"
)

// Level is how far something is fit. A higher one includes the lower ones.
type Level uint8

// The levels.
const (
	Never    Level = iota // not at all
	Legacy                // decrypt, unwrap and verify what exists
	Existing              // protect as well, with keys that exist
	Full                  // make keys too
)

var levelNames = [...]string{"never", "legacy use", "existing keys", "full"}

func (l Level) String() string { return levelNames[min(int(l), len(levelNames)-1)] }

// Use is what an element is to be used for.
type Use uint8

// The uses.
const (
	Process Use = iota // decrypt, unwrap, verify: what exists
	Protect            // encrypt, sign, MAC, wrap, derive, hash
	Create             // make a key or take one over
)

// needs is the level that a use needs.
func (u Use) needs() Level { return Level(u) + Legacy }

// Question is what is to be judged. What is zero is not judged.
type Question struct {
	Object    kmip.ObjectType // 0 when the question is about none
	Algorithm kmip.CryptographicAlgorithm
	Bits      int32 // Cryptographic Length; 0 when it is not known
	Curve     kmip.RecommendedCurve
	Mode      kmip.BlockCipherMode
	Padding   kmip.PaddingMethod
	Hash      kmip.HashingAlgorithm
	// Signature tells that the hash is that of a signature, which needs more of it
	// than a MAC or a derivation does.
	Signature  bool
	Derivation kmip.DerivationMethod
}

// Refusal says what does not fit, by which rule of which profile.
type Refusal struct {
	Profile string
	What    string // "3DES with 168 bits"
	Level   Level  // what is allowed of it
	Source  string // document and section
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("the profile %s does not allow %s", r.Profile, r.What)
	switch r.Level {
	case Never:
	case Legacy:
		text += " but to decrypt, unwrap and verify what exists"
	default:
		text += " for new keys"
	}
	if r.Source != "" {
		text += " (" + r.Source + ")"
	}
	return text
}

// Suite is a profile with what a domain allows and denies beside it. Denial wins. It
// is not changed once it is made.
type Suite struct {
	Profile     *Profile
	Allow, Deny []Item
	// Module tells that what is not in the validated module of Go is refused,
	// whatever is allowed.
	Module bool
}

// Trivial reports whether everything is allowed.
func (s *Suite) Trivial() bool { return s.Profile.Everything && len(s.Deny) == 0 && !s.Module }

// Check answers a question: nil when all of it is fit.
func (s *Suite) Check(use Use, q Question) *Refusal {
	if s.Module {
		if r := (&Suite{Profile: &module}).Check(use, q); r != nil {
			return r
		}
	}
	if s.Profile.Everything && len(s.Deny) == 0 {
		return nil
	}
	for _, e := range q.elements() {
		if e.listed(s.Deny) {
			return &Refusal{Profile: s.Profile.Name, What: e.String(), Level: Never, Source: "denied by the domain"}
		}
		if e.listed(s.Allow) || s.Profile.Everything {
			continue
		}
		if v := s.Profile.verdict(e, q); v.level < use.needs() {
			return &Refusal{Profile: s.Profile.Name, What: e.String(), Level: v.level, Source: v.source}
		}
	}
	return nil
}

// elements are the parts of a question that are judged.
func (q Question) elements() []Item {
	var list []Item
	switch {
	case q.Algorithm != 0:
		list = append(list, Item{Kind: KindAlgorithm, Value: uint32(q.Algorithm), Bits: effectiveBits(q.Algorithm, q.Bits)})
	case isKey(q.Object):
		list = append(list, Item{Kind: KindAlgorithm})
	}
	if q.Curve != 0 {
		list = append(list, Item{Kind: KindCurve, Value: uint32(q.Curve)})
	}
	if q.Mode != 0 {
		list = append(list, Item{Kind: KindMode, Value: uint32(q.Mode)})
	}
	if q.Padding != 0 {
		list = append(list, Item{Kind: KindPadding, Value: uint32(q.Padding)})
	}
	if q.Hash != 0 {
		list = append(list, Item{Kind: KindHash, Value: uint32(q.Hash)})
	}
	if q.Derivation != 0 {
		list = append(list, Item{Kind: KindDerivation, Value: uint32(q.Derivation)})
	}
	return list
}

// isKey tells the objects whose algorithm must be known. Secret data, opaque objects
// and templates are not judged.
func isKey(t kmip.ObjectType) bool {
	return t == kmip.ObjectTypeSymmetricKey || t == kmip.ObjectTypePrivateKey || t == kmip.ObjectTypePublicKey
}

// effectiveBits leaves out the parity bits of DES and Triple DES.
func effectiveBits(a kmip.CryptographicAlgorithm, bits int32) int32 {
	if a == kmip.CryptographicAlgorithmDES || a == kmip.CryptographicAlgorithmDES3 {
		switch bits {
		case 64, 128, 192:
			return bits / 8 * 7
		}
	}
	return bits
}
