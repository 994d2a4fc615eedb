package crypto

import (
	"crypto"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"

	"github.com/claviger/claviger/kmip"
)

const (
	oidDHPKCS3 = "1.2.840.113549.1.3.1" // dhKeyAgreement (PKCS #3 §9)
	oidDHX942  = "1.2.840.10046.2.1"    // dhpublicnumber (RFC 3279 §2.3.3)
)

// dhGroup are the domain parameters of Diffie-Hellman; Q and J may be nil.
type dhGroup struct{ P, Q, G, J *big.Int }

// dhPrivate and dhPublic are keys of Diffie-Hellman. No library has them: a
// power is all there is to them, and that is computed by bigmod, in constant
// time.
type (
	dhPrivate struct {
		dhGroup
		X, Y *big.Int
	}
	dhPublic struct {
		dhGroup
		Y *big.Int
	}
)

type (
	// dhPKCS3 is DHParameter (PKCS #3 §9).
	dhPKCS3 struct {
		P, G          *big.Int
		PrivateLength int `asn1:"optional"`
	}
	// dhX942 is DomainParameters (RFC 3279 §2.3.3) without J and ValidationParms.
	dhX942 struct{ P, G, Q *big.Int }
	// dhX942J is the same with J.
	dhX942J struct{ P, G, Q, J *big.Int }
)

var errDH = errors.New("not a key of Diffie-Hellman")

// check refuses numbers that are no group, as far as that is seen soon.
func (g dhGroup) check() error {
	if !isKeyNumber(g.P) || !isBetween(g.G, 1, new(big.Int).Sub(g.P, big.NewInt(1))) {
		return errDH
	}
	if g.Q == nil {
		return nil
	}
	one := big.NewInt(1)
	if !isBetween(g.Q, 1, g.P) || new(big.Int).Mod(new(big.Int).Sub(g.P, one), g.Q).Sign() != 0 {
		return errDH
	}
	return nil
}

// checkElement refuses a public number that is outside of the group (SP 800-56A
// §5.6.2.3.1, or §5.6.2.3.2 when Q is not known).
func (g dhGroup) checkElement(y *big.Int) error {
	one := big.NewInt(1)
	if !isBetween(y, 1, new(big.Int).Sub(g.P, one)) {
		return errDH
	}
	if g.Q != nil && new(big.Int).Exp(y, g.Q, g.P).Cmp(one) != 0 {
		return errDH
	}
	return nil
}

func newDHPublic(g dhGroup, y *big.Int) (otherKey, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := g.checkElement(y); err != nil {
		return nil, err
	}
	return dhPublic{g, y}, nil
}

func newDHPrivate(g dhGroup, x *big.Int) (otherPrivate, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	order := g.Q
	if order == nil {
		order = new(big.Int).Sub(g.P, big.NewInt(1))
	}
	if !isBetween(x, 0, order) {
		return nil, errDH
	}
	y, err := modExp(g.G, x, g.P)
	if err != nil {
		return nil, err
	}
	return dhPrivate{g, x, new(big.Int).SetBytes(y)}, nil
}

func parsePKCS3(der []byte) (dhGroup, error) {
	var p dhPKCS3
	err := unmarshal(der, &p)
	return dhGroup{P: p.P, G: p.G}, err
}

func parseX942(der []byte) (dhGroup, error) {
	var fields []asn1.RawValue // P, G, Q; J is an INTEGER, ValidationParms a SEQUENCE
	if err := unmarshal(der, &fields); err != nil || len(fields) < 3 || len(fields) > 5 {
		return dhGroup{}, errDH
	}
	g := dhGroup{P: integer(fields[0].FullBytes), G: integer(fields[1].FullBytes), Q: integer(fields[2].FullBytes)}
	if g.Q == nil {
		return dhGroup{}, errDH
	}
	if len(fields) > 3 {
		g.J = integer(fields[3].FullBytes)
	}
	return g, nil
}

func parseDHPrivate(group func([]byte) (dhGroup, error)) func(parameters, key []byte) (otherPrivate, error) {
	return func(parameters, key []byte) (otherPrivate, error) {
		g, err := group(parameters)
		if err != nil {
			return nil, err
		}
		return newDHPrivate(g, integer(key))
	}
}

func parseDHPublic(group func([]byte) (dhGroup, error)) func(parameters, key []byte) (otherKey, error) {
	return func(parameters, key []byte) (otherKey, error) {
		g, err := group(parameters)
		if err != nil {
			return nil, err
		}
		return newDHPublic(g, integer(key))
	}
}

func transparentGroup(t *kmip.Item) dhGroup {
	return dhGroup{P: number(t, kmip.TagP), Q: number(t, kmip.TagQ), G: number(t, kmip.TagG), J: number(t, kmip.TagJ)}
}

// parseTransparentDHPrivate reads KMIP 2.1 §3.9.
func parseTransparentDHPrivate(t *kmip.Item) (otherPrivate, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	return newDHPrivate(transparentGroup(t), number(t, kmip.TagX))
}

// parseTransparentDHPublic reads KMIP 2.1 §3.10.
func parseTransparentDHPublic(t *kmip.Item) (otherKey, error) {
	if t == nil {
		return nil, errMissing(kmip.TagKeyMaterial)
	}
	return newDHPublic(transparentGroup(t), number(t, kmip.TagY))
}

func (dhPrivate) algorithm() kmip.CryptographicAlgorithm { return kmip.CryptographicAlgorithmDH }
func (dhPublic) algorithm() kmip.CryptographicAlgorithm  { return kmip.CryptographicAlgorithmDH }
func (k dhPrivate) lengthBits() int32                    { return bitLength(k.P) }
func (k dhPublic) lengthBits() int32                     { return bitLength(k.P) }

// Public returns the other half.
func (k dhPrivate) Public() crypto.PublicKey { return dhPublic{k.dhGroup, k.Y} }

// der is the object identifier and the parameters: X9.42 if Q is known, which
// PKCS #3 cannot say.
func (g dhGroup) der() (oid string, parameters []byte) {
	switch {
	case g.Q == nil:
		return oidDHPKCS3, marshal(struct{ P, G *big.Int }{g.P, g.G})
	case g.J == nil:
		return oidDHX942, marshal(dhX942{g.P, g.G, g.Q})
	default:
		return oidDHX942, marshal(dhX942J{g.P, g.G, g.Q, g.J})
	}
}

// fields are those of the transparent formats, and one more.
func (g dhGroup) fields(tag kmip.Tag, n *big.Int) *kmip.Item {
	return transparent(bigInteger(kmip.TagP, g.P), optional(kmip.TagQ, g.Q), bigInteger(kmip.TagG, g.G), optional(kmip.TagJ, g.J), bigInteger(tag, n))
}

func (k dhPrivate) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	switch f {
	case kmip.KeyFormatTypePKCS8:
		oid, parameters := k.der()
		return marshalPKCS8(oid, parameters, marshal(k.X)), nil
	case kmip.KeyFormatTypeTransparentDHPrivateKey:
		return nil, k.fields(kmip.TagX, k.X)
	}
	return nil, nil
}

func (k dhPublic) encode(f kmip.KeyFormatType) ([]byte, *kmip.Item) {
	switch f {
	case kmip.KeyFormatTypeX509:
		oid, parameters := k.der()
		return marshalSPKI(oid, parameters, marshal(k.Y)), nil
	case kmip.KeyFormatTypeTransparentDHPublicKey:
		return nil, k.fields(kmip.TagY, k.Y)
	}
	return nil, nil
}

// agree computes the shared secret of SP 800-56A §5.7.1.1, as long as P. A Q
// that only one side knows is no difference.
func (k dhPrivate) agree(public any) ([]byte, error) {
	other, ok := public.(dhPublic)
	if !ok || other.P.Cmp(k.P) != 0 || other.G.Cmp(k.G) != 0 || k.Q != nil && other.Q != nil && k.Q.Cmp(other.Q) != 0 {
		return nil, errDH
	}
	if err := k.checkElement(other.Y); err != nil {
		return nil, err
	}
	z, err := modExp(other.Y, k.X, k.P)
	if err != nil {
		return nil, err
	}
	if n := new(big.Int).SetBytes(z); !isBetween(n, 1, new(big.Int).Sub(k.P, big.NewInt(1))) {
		return nil, errDH
	}
	return z, nil
}

// dhExponentBits is the length of secret exponents in groups of safe primes:
// more than twice the strength of the largest of them (RFC 7919 Appendix A).
const dhExponentBits = 512

// generateDH makes a key: without a length of Q in a group of RFC 7919, with
// one in a group of its own, as for DSA (FIPS 186-4 Appendix A.1).
func generateDH(lengthBits, qBits int32, random io.Reader) (otherPrivate, error) {
	var g dhGroup
	limit := new(big.Int).Lsh(big.NewInt(1), dhExponentBits)
	if group, ok := safePrimeGroup(lengthBits); ok && (qBits == 0 || qBits == lengthBits-1) {
		g = group
	} else {
		if qBits == 0 {
			return nil, errKeyLength(kmip.CryptographicAlgorithmDH, lengthBits)
		}
		p, err := generateGroup(kmip.CryptographicAlgorithmDH, lengthBits, qBits)
		if err != nil {
			return nil, err
		}
		g = dhGroup{P: p.P, Q: p.Q, G: p.G}
		limit = g.Q
	}
	x, err := rand.Int(random, new(big.Int).Sub(limit, big.NewInt(1)))
	if err != nil {
		return nil, errGenerate(err)
	}
	k, err := newDHPrivate(g, x.Add(x, big.NewInt(1)))
	if err != nil {
		return nil, errGenerate(err)
	}
	return k, nil
}
