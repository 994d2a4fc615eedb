package crypto

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/claviger/claviger/kmip"
)

// PGPInfo is what an OpenPGP key says that becomes attributes of its object.
type PGPInfo struct {
	// Algorithm and Bits are those of the primary key; 0 where KMIP has no
	// value for them.
	Algorithm kmip.CryptographicAlgorithm
	Bits      int32
	// Signatures are the algorithms of the signatures in the key, each once;
	// without those that KMIP has no value for.
	Signatures []kmip.DigitalSignatureAlgorithm
	Private    bool // there is a private half
	UserIDs    []string
}

// Bounds of an OpenPGP key.
const (
	maxPGPBytes   = 1 << 20
	maxPGPPackets = 4096
	maxPGPBlocks  = 8 // public and private key are two blocks of armor
)

// InspectPGP reads an OpenPGP transferable key (RFC 9580 §10.1, §10.2) of
// version 4, 5 or 6, binary or armored, as PGP Key objects hold (KMIP 2.1 §2.4).
// A public and a private key block may stand one behind the other. Signatures
// are named, not verified: the object is the client's.
//
// Returns KindInvalidField if it is no such key; a key of version 3, which the
// library does not read, is none.
func InspectPGP(material []byte) (info PGPInfo, err error) {
	defer func() {
		if recover() != nil { // the library reads what a client sent
			info, err = PGPInfo{}, errPGP(nil)
		}
	}()
	if len(material) > maxPGPBytes {
		return PGPInfo{}, errPGP(nil)
	}
	blocks := []io.Reader{bytes.NewReader(material)}
	if len(material) > 0 && material[0] < 0x80 { // a packet begins with that bit
		if blocks, err = unarmor(material); err != nil {
			return PGPInfo{}, err
		}
	}
	var primary *packet.PublicKey
	for _, block := range blocks {
		if err := info.read(packet.NewReader(block), &primary); err != nil {
			return PGPInfo{}, err
		}
	}
	if primary == nil {
		return PGPInfo{}, errPGP(nil)
	}
	info.Algorithm, info.Bits = pgpKey(primary)
	return info, nil
}

// unarmor finds the key blocks in a text.
func unarmor(text []byte) ([]io.Reader, error) {
	var blocks []io.Reader
	rest := bytes.NewReader(text)
	for len(blocks) < maxPGPBlocks {
		start := bytes.Index(text[len(text)-rest.Len():], []byte("-----BEGIN PGP "))
		if start < 0 {
			break
		}
		if _, err := rest.Seek(int64(start), io.SeekCurrent); err != nil {
			return nil, errPGP(err)
		}
		own := text[len(text)-rest.Len():]
		if next := bytes.Index(own[1:], []byte("-----BEGIN PGP ")); next >= 0 {
			own = own[:1+next]
		}
		block, err := armor.Decode(bytes.NewReader(own))
		if err != nil || block.Type != openpgp.PublicKeyType && block.Type != openpgp.PrivateKeyType {
			return nil, errPGP(err)
		}
		body, err := io.ReadAll(block.Body)
		if err != nil {
			return nil, errPGP(err)
		}
		blocks = append(blocks, bytes.NewReader(body))
		if _, err := rest.Seek(int64(len(own)), io.SeekCurrent); err != nil {
			return nil, errPGP(err)
		}
	}
	return blocks, nil
}

// read goes through the packets of a block. A second primary key must be the
// first one again.
func (info *PGPInfo) read(packets *packet.Reader, primary **packet.PublicKey) error {
	for range maxPGPPackets {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errPGP(err)
		}
		var key *packet.PublicKey
		switch p := p.(type) {
		case *packet.PublicKey:
			key = p
		case *packet.PrivateKey:
			key = &p.PublicKey
			info.Private = true
		case *packet.UserId:
			if !slices.Contains(info.UserIDs, p.Id) {
				info.UserIDs = append(info.UserIDs, p.Id)
			}
		case *packet.Signature:
			if a := pgpSignature(p); a != 0 && !slices.Contains(info.Signatures, a) {
				info.Signatures = append(info.Signatures, a)
			}
		case *packet.UserAttribute, packet.Padding:
		default:
			return errPGP(nil) // a message, not a key
		}
		switch {
		case key == nil && *primary == nil, key != nil && key.IsSubkey && *primary == nil:
			return errPGP(nil)
		case key == nil || key.IsSubkey:
		case *primary == nil:
			*primary = key
		case !bytes.Equal((*primary).Fingerprint, key.Fingerprint):
			return kmip.Fail(kmip.KindInvalidField, "the Key Material holds more than one OpenPGP key")
		}
	}
	return errPGP(nil)
}

// pgpKey is the algorithm and length of a key.
func pgpKey(k *packet.PublicKey) (kmip.CryptographicAlgorithm, int32) {
	bits, err := k.BitLength()
	if err != nil {
		bits = 0
	}
	curve := int32(0)
	if name, err := k.Curve(); err == nil {
		curve = pgpCurves[name]
	}
	switch k.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		return kmip.CryptographicAlgorithmRSA, int32(bits)
	case packet.PubKeyAlgoDSA:
		return kmip.CryptographicAlgorithmDSA, int32(bits)
	case packet.PubKeyAlgoECDSA:
		return kmip.CryptographicAlgorithmECDSA, curve
	case packet.PubKeyAlgoECDH, packet.PubKeyAlgoX25519, packet.PubKeyAlgoX448:
		return kmip.CryptographicAlgorithmECDH, curve
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		if curve == 448 {
			return kmip.CryptographicAlgorithmEd448, curve
		}
		return kmip.CryptographicAlgorithmEd25519, curve
	}
	return 0, 0
}

// pgpCurves are the lengths of keys on the curves of OpenPGP.
var pgpCurves = map[packet.Curve]int32{
	packet.Curve25519: 256, packet.Curve448: 448, packet.CurveNistP256: 256, packet.CurveNistP384: 384, packet.CurveNistP521: 521,
	packet.CurveSecP256k1: 256, packet.CurveBrainpoolP256: 256, packet.CurveBrainpoolP384: 384, packet.CurveBrainpoolP512: 512,
}

// pgpSignature is the algorithm of a signature; 0 where KMIP has no value.
func pgpSignature(s *packet.Signature) kmip.DigitalSignatureAlgorithm {
	want := kmip.CryptographicParameters{}
	switch s.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		want.CryptographicAlgorithm = kmip.CryptographicAlgorithmRSA
	case packet.PubKeyAlgoDSA:
		want.CryptographicAlgorithm = kmip.CryptographicAlgorithmDSA
	case packet.PubKeyAlgoECDSA:
		want.CryptographicAlgorithm = kmip.CryptographicAlgorithmECDSA
	default:
		return 0
	}
	for name, h := range hashes {
		if h == s.Hash && h != crypto.Hash(0) {
			want.HashingAlgorithm = name
		}
	}
	for a, scheme := range schemes {
		if scheme.algorithm == want.CryptographicAlgorithm && scheme.hash == want.HashingAlgorithm && scheme.hash != 0 {
			return a
		}
	}
	return 0
}

func errPGP(cause error) error {
	return kmip.FailFrom(cause, kmip.KindInvalidField, "the Key Material is not an OpenPGP key that can be read")
}
