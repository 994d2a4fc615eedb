package crypto

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
)

// gnupg reads a file that GnuPG made: testdata/gnupg/make.sh.
func gnupg(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "gnupg", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInspectPGPOfGnuPG(t *testing.T) {
	for _, c := range []struct {
		file string
		want PGPInfo
	}{
		{"rsa2048.pub", PGPInfo{kmip.CryptographicAlgorithmRSA, 2048, []kmip.DigitalSignatureAlgorithm{kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption}, false, []string{"rsa2048 <rsa2048@example.net>"}}},
		{"rsa2048.asc", PGPInfo{kmip.CryptographicAlgorithmRSA, 2048, []kmip.DigitalSignatureAlgorithm{kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption}, true, []string{"rsa2048 <rsa2048@example.net>"}}},
		{"dsa2048.pub", PGPInfo{kmip.CryptographicAlgorithmDSA, 2048, []kmip.DigitalSignatureAlgorithm{kmip.DigitalSignatureAlgorithmDSAWithSHA256}, false, []string{"dsa2048 <dsa2048@example.net>"}}},
		{"nistp384.pub", PGPInfo{kmip.CryptographicAlgorithmECDSA, 384, []kmip.DigitalSignatureAlgorithm{kmip.DigitalSignatureAlgorithmECDSAWithSHA384}, false, []string{"nistp384 <nistp384@example.net>"}}},
		{"ed25519.pub", PGPInfo{kmip.CryptographicAlgorithmEd25519, 256, nil, false, []string{"ed25519 <ed25519@example.net>"}}},
	} {
		got, err := InspectPGP(gnupg(t, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.file, diff)
		}
	}
}

func TestInspectPGPOfOtherAlgorithms(t *testing.T) {
	for _, c := range []struct {
		name   string
		config packet.Config
		alg    kmip.CryptographicAlgorithm
		bits   int32
	}{
		{"Ed448", packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve448}, kmip.CryptographicAlgorithmEd448, 448},
		{"version 6", packet.Config{Algorithm: packet.PubKeyAlgoEd25519, V6Keys: true}, kmip.CryptographicAlgorithmEd25519, 256},
		{"secp256k1", packet.Config{Algorithm: packet.PubKeyAlgoECDSA, Curve: packet.CurveSecP256k1}, kmip.CryptographicAlgorithmECDSA, 256},
	} {
		entity, err := openpgp.NewEntity("Array 17", "", "a@example.net", &c.config)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := entity.SerializePrivate(&b, &c.config); err != nil {
			t.Fatal(err)
		}
		got, err := InspectPGP(b.Bytes())
		if err != nil || got.Algorithm != c.alg || got.Bits != c.bits || !got.Private || len(got.UserIDs) != 1 {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestInspectPGPRefuses(t *testing.T) {
	rsa, ed := gnupg(t, "rsa2048.pub"), gnupg(t, "ed25519.pub")
	var message bytes.Buffer
	w, _ := armor.Encode(&message, openpgp.MessageType, nil)
	_, _ = w.Write(rsa)
	_ = w.Close()
	v3 := append([]byte{0x99, 0, 10, 3}, make([]byte, 9)...)
	subkeys := rsa[bytes.Index(rsa, []byte("example.net>")):]
	for name, material := range map[string][]byte{
		"nothing":                  nil,
		"a text":                   []byte("no key"),
		"no packet":                {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a key of version 3":       v3,
		"the middle of a key":      subkeys,
		"half a key":               rsa[:100],
		"armor around a message":   message.Bytes(),
		"two keys":                 append(bytes.Clone(rsa), ed...),
		"too large":                make([]byte, maxPGPBytes+1),
		"armor that does not end":  gnupg(t, "rsa2048.asc")[:300],
		"a user without a key":     {0xb4, 1, 'a'},
		"more packets than a key":  append(bytes.Clone(ed), bytes.Repeat([]byte{0xb4, 1, 'a'}, maxPGPPackets)...),
		"a literal message behind": append(bytes.Clone(ed), 0xcb, 7, 'b', 0, 0, 0, 0, 0, 'x'),
	} {
		if _, err := InspectPGP(material); err == nil || kmip.KindOf(err) != kmip.KindInvalidField {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzInspectPGP(f *testing.F) {
	for _, name := range []string{"rsa2048.asc", "dsa2048.pub", "nistp384.pub", "ed25519.pub"} {
		f.Add(gnupg(f, name))
	}
	f.Fuzz(func(_ *testing.T, material []byte) { _, _ = InspectPGP(material) })
}
