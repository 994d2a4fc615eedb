package crypto

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"unicode/utf16"
)

// The library makes and opens containers. It writes no name at the key: that is
// done here.

// The types of RFC 7292 §4, Appendix D.
type (
	pfx struct {
		Version int
		Safe    pfxContent
		MAC     pfxMAC `asn1:"optional"`
	}
	pfxContent struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	pfxMAC struct {
		Digest struct {
			Algorithm pkix.AlgorithmIdentifier
			Value     []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	safeBag struct {
		Type       asn1.ObjectIdentifier
		Value      asn1.RawValue  `asn1:"explicit,tag:0"`
		Attributes []bagAttribute `asn1:"set,optional"`
	}
	bagAttribute struct {
		Type   asn1.ObjectIdentifier
		Values asn1.RawValue
	}
	// encryptedBag is EncryptedPrivateKeyInfo (RFC 5958 §3).
	encryptedBag struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	// encryptedContent is EncryptedData (RFC 5652 §8).
	encryptedContent struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Data      asn1.RawValue `asn1:"optional"`
		}
	}
	// pbes2 is PBES2-params, and PBMAC1-params (RFC 8018 Appendix A).
	pbes2 struct {
		Derivation, Scheme pkix.AlgorithmIdentifier
	}
	pbkdf2Parameters struct {
		Salt       asn1.RawValue
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	pbeParameters struct {
		Salt       []byte
		Iterations int
	}
)

var (
	oidPFXData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidPFXEncrypted  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidFriendlyName  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidSHA256Digest  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidPBKDF2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBES2         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBMAC1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	errNotFormat     = errors.New("not the structure of RFC 7292")
	errWithoutMAC    = errors.New("no MAC")
	errBMPString     = errors.New("not a BMPString")
	errNoShroudedKey = errors.New("no encrypted key")
)

// openPFX reads the outside of a container: its frame, and the contents.
func openPFX(der []byte) (frame pfx, contents []pfxContent, err error) {
	var safe []byte
	if err := unmarshal(der, &frame); err != nil {
		return frame, nil, err
	}
	if frame.Version != 3 || !frame.Safe.Type.Equal(oidPFXData) {
		return frame, nil, errNotFormat
	}
	if err := errors.Join(unmarshal(frame.Safe.Content.Bytes, &safe), unmarshal(safe, &contents)); err != nil {
		return frame, nil, err
	}
	return frame, contents, nil
}

// bags reads the content of a container that is not encrypted.
func (c pfxContent) bags() ([]safeBag, error) {
	var data []byte
	var bags []safeBag
	err := errors.Join(unmarshal(c.Content.Bytes, &data), unmarshal(data, &bags))
	return bags, err
}

func dataContent(bags []safeBag) (c pfxContent, err error) {
	der, err := asn1.Marshal(bags)
	if err != nil {
		return c, err
	}
	octets, err := asn1.Marshal(der)
	c = pfxContent{Type: oidPFXData, Content: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: octets}}
	return c, err
}

// sealPFX makes a container of contents, with a MAC.
func sealPFX(contents []pfxContent, password string, iterations int) ([]byte, error) {
	safe, err := asn1.Marshal(contents)
	if err != nil {
		return nil, err
	}
	octets, err := asn1.Marshal(safe)
	if err != nil {
		return nil, err
	}
	var frame pfx
	frame.Version = 3
	frame.Safe = pfxContent{Type: oidPFXData, Content: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: octets}}
	frame.MAC.Salt = make([]byte, 16)
	frame.MAC.Iterations = iterations
	frame.MAC.Digest.Algorithm = pkix.AlgorithmIdentifier{Algorithm: oidSHA256Digest, Parameters: asn1.NullRawValue}
	if _, err := rand.Read(frame.MAC.Salt); err != nil {
		return nil, err
	}
	key, err := macKey(password, frame.MAC.Salt, iterations)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(safe) // never fails
	frame.MAC.Digest.Value = mac.Sum(nil)
	return asn1.Marshal(frame)
}

// macKey derives the key of the MAC by RFC 7292 Appendix B.2 with SHA-256: of
// its output, the first block is all that is needed, which is hashing again and
// again.
func macKey(password string, salt []byte, iterations int) ([]byte, error) {
	const block, purpose = sha256.BlockSize, 3 // B.3: MAC keys
	bmp, err := bmpString(password)
	if err != nil {
		return nil, err
	}
	bmp = append(bmp, 0, 0)
	defer clear(bmp)
	input := make([]byte, block, 4*block)
	for i := range input {
		input[i] = purpose
	}
	for _, part := range [][]byte{salt, bmp} {
		for i := range (len(part) + block - 1) / block * block {
			input = append(input, part[i%len(part)])
		}
	}
	defer clear(input)
	sum := sha256.Sum256(input)
	for range iterations - 1 {
		sum = sha256.Sum256(sum[:])
	}
	return sum[:], nil
}

// withFriendlyName gives the key in a container a name.
func withFriendlyName(der []byte, name, password string) ([]byte, error) {
	if name == "" {
		return der, nil
	}
	_, contents, err := openPFX(der)
	if err != nil {
		return nil, err
	}
	attribute, err := friendlyName(name)
	if err != nil {
		return nil, err
	}
	for i, content := range contents {
		if !content.Type.Equal(oidPFXData) {
			continue
		}
		bags, err := content.bags()
		if err != nil {
			return nil, err
		}
		for n := range bags {
			if bags[n].Type.Equal(oidShroudedBag) {
				bags[n].Attributes = append(bags[n].Attributes, attribute)
				if contents[i], err = dataContent(bags); err != nil {
					return nil, err
				}
				return sealPFX(contents, password, pkcs12Iterations)
			}
		}
	}
	return nil, errNoShroudedKey
}

func friendlyName(name string) (bagAttribute, error) {
	bmp, err := bmpString(name)
	if err != nil {
		return bagAttribute{}, err
	}
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagBMPString, Bytes: bmp})
	if err != nil {
		return bagAttribute{}, err
	}
	return bagAttribute{oidFriendlyName, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: value}}, nil
}

// friendlyName reads the name of a bag; empty if it has none.
func (b safeBag) friendlyName() string {
	for _, a := range b.Attributes {
		var v asn1.RawValue
		if !a.Type.Equal(oidFriendlyName) || unmarshal(a.Values.Bytes, &v) != nil || v.Tag != asn1.TagBMPString || len(v.Bytes)%2 != 0 {
			continue
		}
		units := make([]uint16, 0, len(v.Bytes)/2)
		for i := 0; i < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
		return string(utf16.Decode(units))
	}
	return ""
}

// bmpString writes a text in UCS-2, which lacks what Unicode has beyond 16 bits.
func bmpString(text string) ([]byte, error) {
	b := make([]byte, 0, 2*len(text)+2)
	for _, r := range text {
		if r > 0xffff {
			return nil, errBMPString
		}
		b = append(b, byte(r>>8), byte(r)) //nolint:gosec // the halves of 16 bits
	}
	return b, nil
}
