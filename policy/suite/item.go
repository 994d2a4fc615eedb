package suite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/claviger/claviger/kmip"
)

// Kind is what an Item is.
type Kind uint8

// The kinds, in the order in which a name is looked for.
const (
	KindAlgorithm Kind = iota
	KindCurve
	KindMode
	KindHash
	KindPadding
	KindDerivation
)

var kindNames = [...]string{"algorithm", "curve", "mode", "hash", "padding", "derivation"}

var kindTags = [...]kmip.Tag{
	kmip.TagCryptographicAlgorithm, kmip.TagRecommendedCurve, kmip.TagBlockCipherMode,
	kmip.TagHashingAlgorithm, kmip.TagPaddingMethod, kmip.TagDerivationMethod,
}

// Item is an algorithm (of one length, or of any), a curve, a mode, a hash, a padding
// or a derivation method. An algorithm of value 0 is one that is not known.
type Item struct {
	Kind  Kind
	Value uint32
	Bits  int32 // of an algorithm; 0: any
}

// name is that of the value in the tables of KMIP.
func (i Item) name() string {
	switch i.Kind {
	case KindAlgorithm:
		return kmip.CryptographicAlgorithm(i.Value).String()
	case KindCurve:
		return kmip.RecommendedCurve(i.Value).String()
	case KindMode:
		return kmip.BlockCipherMode(i.Value).String()
	case KindHash:
		return kmip.HashingAlgorithm(i.Value).String()
	case KindPadding:
		return kmip.PaddingMethod(i.Value).String()
	default:
		return kmip.DerivationMethod(i.Value).String()
	}
}

// String writes an item for people.
func (i Item) String() string {
	switch {
	case i.Kind == KindAlgorithm && i.Value == 0:
		return "a key whose Cryptographic Algorithm is not known"
	case i.Kind == KindAlgorithm && i.Bits != 0:
		return fmt.Sprintf("%s with %d bits", i.name(), i.Bits)
	case i.Kind == KindAlgorithm:
		return i.name()
	}
	return "the " + kindNames[i.Kind] + " " + i.name()
}

// Text writes an item as ParseItem reads it.
func (i Item) Text() string {
	t := kindNames[i.Kind] + "=" + i.name()
	if i.Kind == KindAlgorithm && i.Bits != 0 {
		t += ":" + strconv.Itoa(int(i.Bits))
	}
	return t
}

// listed reports whether an item is in a list; one of any length stands for all.
func (i Item) listed(list []Item) bool {
	return slices.ContainsFunc(list, func(o Item) bool {
		return o.Kind == i.Kind && o.Value == i.Value && (o.Bits == 0 || o.Bits == i.Bits)
	})
}

// ParseItem reads an item: a name of KMIP, such as AES, AES:128, P-256, CBC or SHA-1,
// with its kind in front where the name alone could be several things: hash=SHA3-256.
// Case, dashes and underscores do not count.
func ParseItem(text string) (Item, error) {
	kind, name, given := strings.Cut(text, "=")
	if !given {
		name = text
	}
	name, length, withBits := strings.Cut(name, ":")
	bits := 0
	if withBits {
		n, err := strconv.Atoi(length)
		if err != nil || n < 1 || n > 1<<16 {
			return Item{}, fmt.Errorf("%q: a length is a number of bits, such as AES:128", text)
		}
		bits = n
	}
	for k, kindName := range kindNames {
		if given && kind != kindName || withBits && Kind(k) != KindAlgorithm {
			continue
		}
		if v, ok := lookUp(kindTags[k], name); ok {
			i := Item{Kind: Kind(k), Value: v}
			if withBits {
				i.Bits = effectiveBits(kmip.CryptographicAlgorithm(v), int32(bits))
			}
			return i, nil
		}
	}
	if given && !slices.Contains(kindNames[:], kind) {
		return Item{}, fmt.Errorf("%q: there are %s", text, strings.Join(kindNames[:], ", "))
	}
	return Item{}, fmt.Errorf("%q is no algorithm[:bits], curve, mode, hash, padding or derivation that KMIP names", text)
}

// lookUp finds a value by its name, without regard to case, dashes and underscores.
func lookUp(tag kmip.Tag, name string) (uint32, bool) {
	want := plain(name)
	if want == "" {
		return 0, false
	}
	for _, v := range kmip.EnumValues(tag) {
		if plain(valueName(tag, v)) == want {
			return v, true
		}
	}
	if want == "tdea" || want == "des3" || want == "3des" || want == "tripledes" {
		return uint32(kmip.CryptographicAlgorithmDES3), tag == kmip.TagCryptographicAlgorithm
	}
	return 0, false
}

func valueName(tag kmip.Tag, v uint32) string {
	for k, t := range kindTags {
		if t == tag {
			return Item{Kind: Kind(k), Value: v}.name()
		}
	}
	return ""
}

func plain(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "", "/", "").Replace(name))
}
