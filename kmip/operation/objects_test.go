package operation_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/payload"
)

// sample reads what another program made.
func sample(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"..", "crypto", "testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// PGP keys came with KMIP 1.2. The server reads what it can off them, and keeps
// those that it does not understand.
func TestPGPKeys(t *testing.T) {
	inEvery(t, kmip.V12, func(t *testing.T, s *server, v kmip.Version) {
		for _, c := range []struct {
			name      string
			material  []byte
			algorithm kmip.CryptographicAlgorithm
			bits      int32
			signature kmip.DigitalSignatureAlgorithm
		}{
			{"rsa2048.pub", sample(t, "gnupg", "rsa2048.pub"), kmip.CryptographicAlgorithmRSA, 2048, kmip.DigitalSignatureAlgorithmSHA512WithRSAEncryption},
			{"nistp384.pub", sample(t, "gnupg", "nistp384.pub"), kmip.CryptographicAlgorithmECDSA, 384, kmip.DigitalSignatureAlgorithmECDSAWithSHA384},
			{"of no known form", []byte("a key of the year 2100"), 0, 0, 0},
		} {
			o := opaqueKey(kmip.ObjectTypePGPKey, kmip.KeyFormatTypeRaw, c.material)
			o.PGPKeyVersion = 4
			uid := s.register(v, o, name(c.name))
			got := s.get(v, uid)
			if got.Type != kmip.ObjectTypePGPKey || got.PGPKeyVersion != 4 || !bytes.Equal(got.Key.Material.Reveal(), c.material) {
				t.Errorf("%s comes back as %+v", c.name, got)
			}
			a := s.attributes(v, uid)
			if a.Uint32(kmip.TagCryptographicAlgorithm) != uint32(c.algorithm) || a.Int32(kmip.TagCryptographicLength) != c.bits || a.Uint32(kmip.TagDigitalSignatureAlgorithm) != uint32(c.signature) {
				t.Errorf("%s: algorithm %s, %d bits, signature %s", c.name, kmip.CryptographicAlgorithm(a.Uint32(kmip.TagCryptographicAlgorithm)),
					a.Int32(kmip.TagCryptographicLength), kmip.DigitalSignatureAlgorithm(a.Uint32(kmip.TagDigitalSignatureAlgorithm)))
			}
		}
	})
	s := newServer(t)
	o := opaqueKey(kmip.ObjectTypePGPKey, kmip.KeyFormatTypeRaw, []byte("x"))
	o.PGPKeyVersion = 4
	uid := s.register(kmip.V14, o)
	for _, v := range []kmip.Version{kmip.V10, kmip.V11} {
		if r := s.try(v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)}); r.Status != failed {
			t.Errorf("KMIP %s: a PGP key was given away", v)
		}
	}
}

// container registers a private key in the PKCS#12 container of another program.
func (s *server) container(v kmip.Version, attrs ...kmip.Item) *payload.RegisterRequest {
	o := opaqueKey(kmip.ObjectTypePrivateKey, kmip.KeyFormatTypePKCS12, sample(s.t, "openssl", "modern.p12"))
	return &payload.RegisterRequest{ObjectType: kmip.ObjectTypePrivateKey, Attributes: template(attrs...), Object: o}
}

// A private key that was registered in a PKCS#12 container (1.4) is one like any
// other: it signs, and comes back in the container or out of it.
func TestPrivateKeysInContainers(t *testing.T) {
	inEvery(t, kmip.V14, func(t *testing.T, s *server, v kmip.Version) {
		pass := s.register(v, password("secret"), s.now())
		uid := one[payload.RegisterResponse](s, v, kmip.OperationRegister, s.container(v, link(kmip.LinkTypePKCS12PasswordLink, pass), s.now(), mask(kmip.CryptographicUsageMaskSign))).UniqueIdentifier
		a := s.attributes(v, uid)
		if a.Uint32(kmip.TagCryptographicAlgorithm) != uint32(kmip.CryptographicAlgorithmRSA) || a.Int32(kmip.TagCryptographicLength) != 2048 || a.Text(kmip.TagPKCS12FriendlyName) != "array 17" {
			t.Errorf("read off the container: %s", a.Text(kmip.TagPKCS12FriendlyName))
		}
		if got := s.get(v, uid).Key; got.Format != kmip.KeyFormatTypePKCS12 || !bytes.Equal(got.Material.Reveal(), sample(t, "openssl", "modern.p12")) {
			t.Errorf("as it was registered: %s", got.Format)
		}
		p8 := one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid), KeyFormatType: kmip.KeyFormatTypePKCS8}).Object.Key
		if _, err := x509.ParsePKCS8PrivateKey(p8.Material.Reveal()); err != nil || p8.Format != kmip.KeyFormatTypePKCS8 {
			t.Errorf("as PKCS#8: %s, %v", p8.Format, err)
		}
		signed := one[payload.SignResponse](s, v, kmip.OperationSign, &payload.SignRequest{
			UniqueIdentifier: ref(uid), Data: payload.Data{Bytes: []byte("m")},
			CryptographicParameters: parameters(kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS1V15), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256)),
		})
		if len(signed.SignatureData) != 256 {
			t.Errorf("a signature of %d bytes", len(signed.SignatureData))
		}
	})
}

// A key pair with a certificate is given away as a PKCS#12 container, under the
// password that the key links to.
func TestGetOfAContainer(t *testing.T) {
	inEvery(t, kmip.V14, func(t *testing.T, s *server, v kmip.Version) {
		pass := s.register(v, password("open sesame"), s.now())
		pair := s.rsaPair(kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
		private := pair.PrivateKeyUniqueIdentifier
		certificate := one[payload.CertifyResponse](s, v, kmip.OperationCertify, &payload.CertifyRequest{UniqueIdentifier: ref(pair.PublicKeyUniqueIdentifier)}).UniqueIdentifier
		asked := &payload.GetRequest{UniqueIdentifier: ref(private), KeyFormatType: kmip.KeyFormatTypePKCS12}
		if r := s.try(v, kmip.OperationGet, asked); r.Status != failed {
			t.Error("a container without a password was given away")
		}
		for _, i := range []kmip.Item{link(kmip.LinkTypePKCS12PasswordLink, pass), kmip.Text(kmip.TagPKCS12FriendlyName, "door")} {
			one[payload.AddAttributeResponse](s, v, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(private), NewAttribute: attribute(i)})
		}
		got := one[payload.GetResponse](s, v, kmip.OperationGet, asked)
		opened, err := crypto.DecodePKCS12(got.Object.Key.Material.Reveal(), "open sesame")
		if err != nil {
			t.Fatal(err)
		}
		if want := s.certificateOf(v, certificate); opened.FriendlyName != "door" || len(opened.Chain) != 1 || !bytes.Equal(opened.Chain[0], want.Raw) {
			t.Errorf("container of %q with %d certificates", opened.FriendlyName, len(opened.Chain))
		}
		p8 := one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(private), KeyFormatType: kmip.KeyFormatTypePKCS8}).Object.Key
		if !opened.Private.Bytes.Equal(p8.Material) {
			t.Error("the key in the container is another one")
		}
		if v < kmip.V20 {
			return
		}
		// From 2.0 the certificate may be named in the place of the key.
		one[payload.AddAttributeResponse](s, v, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(certificate), NewAttribute: attribute(link(kmip.LinkTypePKCS12PasswordLink, pass))})
		asked.UniqueIdentifier = ref(certificate)
		got = one[payload.GetResponse](s, v, kmip.OperationGet, asked)
		if opened, err := crypto.DecodePKCS12(got.Object.Key.Material.Reveal(), "open sesame"); err != nil || len(opened.Chain) != 1 || opened.FriendlyName != "alias" {
			t.Errorf("container of a certificate: %q, %v", opened.FriendlyName, err)
		}
	})
}

// What a container cannot be registered with.
func TestContainersThatAreRefused(t *testing.T) {
	s := newServer(t)
	active, idle := s.register(kmip.V14, password("secret"), s.now()), s.register(kmip.V14, password("secret"))
	wrong := s.register(kmip.V14, password("Secret"), s.now())
	seed := password("secret")
	seed.SecretDataType = kmip.SecretDataTypeSeed
	notPassword := s.register(kmip.V14, seed, s.now())
	key := s.create(kmip.V14, items(aes(s.now()))...)
	destroyed := s.register(kmip.V14, password("secret"))
	s.destroy(destroyed)
	archived := s.register(kmip.V14, password("secret"), s.now())
	s.archive(archived)
	pkcs12 := func(uid string) kmip.Item { return link(kmip.LinkTypePKCS12PasswordLink, uid) }
	const invalid, bad = kmip.ResultReasonInvalidField, kmip.ResultReasonBadPassword
	for _, c := range []struct {
		name               string
		links              []kmip.Item
		v14, v20, v21, v30 kmip.ResultReason
	}{
		{"no password link", nil, invalid, bad, bad, bad},
		{"two password links", []kmip.Item{pkcs12(active), pkcs12(idle)}, invalid, bad, bad, bad},
		{"a link to nothing", []kmip.Item{pkcs12("nothing")}, invalid, bad, bad, bad},
		{"a link to a key", []kmip.Item{pkcs12(key)}, invalid, bad, bad, bad},
		{"a link to secret data that is no password", []kmip.Item{pkcs12(notPassword)}, invalid, bad, bad, bad},
		{"the wrong password", []kmip.Item{pkcs12(wrong)}, invalid, bad, bad, bad},
		{"a password that is not Active", []kmip.Item{pkcs12(idle)}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState, kmip.ResultReasonWrongKeyLifecycleState, kmip.ResultReasonWrongKeyLifecycleState},
		{"a password that is destroyed", []kmip.Item{pkcs12(destroyed)}, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState, kmip.ResultReasonWrongKeyLifecycleState, kmip.ResultReasonWrongKeyLifecycleState},
		{"a password that is archived", []kmip.Item{pkcs12(archived)}, kmip.ResultReasonObjectArchived, kmip.ResultReasonObjectArchived, kmip.ResultReasonObjectArchived, kmip.ResultReasonObjectArchived},
	} {
		for v, want := range map[kmip.Version]kmip.ResultReason{kmip.V14: c.v14, kmip.V20: c.v20, kmip.V21: c.v21, kmip.V30: c.v30} {
			s.fails(v, c.name, kmip.OperationRegister, s.container(v, c.links...), want)
		}
	}
}

// A certificate request can be found and read in any encoding that it came in.
func TestCertificateRequestsAreObjects(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "meter")
		encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: h.request})
		uid := s.register(v, &kmip.Object{Type: kmip.ObjectTypeCertificateRequest, RequestType: kmip.CertificateRequestTypePEM, RequestValue: encoded}, name("r"))
		if got := s.get(v, uid); got.RequestType != kmip.CertificateRequestTypePEM || !bytes.Equal(got.RequestValue, encoded) {
			t.Errorf("%+v", got)
		}
		c := s.certificateOf(v, one[payload.CertifyResponse](s, v, kmip.OperationCertify, &payload.CertifyRequest{UniqueIdentifier: ref(uid)}).UniqueIdentifier)
		if c.Subject.CommonName != "meter" || c.NotAfter.Before(s.svc.Clock.Now().Add(24*time.Hour)) {
			t.Errorf("%s until %s", c.Subject, c.NotAfter)
		}
		s.fails(v, "a request that is none", kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeCertificateRequest, Object: &kmip.Object{
			Type: kmip.ObjectTypeCertificateRequest, RequestType: kmip.CertificateRequestTypePKCS10, RequestValue: []byte("no"),
		}}, kmip.ResultReasonInvalidCSR)
	})
}
