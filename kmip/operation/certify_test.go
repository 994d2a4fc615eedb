package operation_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// holder is a client that has a key of its own and asks for certificates of it.
type holder struct {
	key     *ecdsa.PrivateKey
	request []byte // PKCS#10
}

func newHolder(t *testing.T, commonName string) holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: commonName, Organization: []string{"Example Works"}}, DNSNames: []string{"unit.example.net"},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return holder{key, request}
}

// public registers the public key of a holder.
func (s *server) public(v kmip.Version, h holder, attrs ...kmip.Item) string {
	s.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(h.key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	o := opaqueKey(kmip.ObjectTypePublicKey, kmip.KeyFormatTypeX509, der)
	o.Key.Algorithm, o.Key.LengthBits = kmip.CryptographicAlgorithmECDSA, 256
	return s.register(v, o, attrs...)
}

// certificateOf gets a certificate and reads it.
func (s *server) certificateOf(v kmip.Version, uid string) *x509.Certificate {
	s.t.Helper()
	o := s.get(v, uid)
	if o.Type != kmip.ObjectTypeCertificate || o.CertificateType != kmip.CertificateTypeX509 {
		s.t.Fatalf("%+v is no certificate", o)
	}
	c, err := x509.ParseCertificate(o.CertificateValue)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) validity(v kmip.Version, r *payload.ValidateRequest) kmip.ValidityIndicator {
	s.t.Helper()
	return one[payload.ValidateResponse](s, v, kmip.OperationValidate, r).ValidityIndicator
}

// certifying asks for a certificate of a public key; KMIP 1.0 demands a request
// with it.
func certifying(v kmip.Version, h holder, uid string, attrs ...kmip.Item) *payload.CertifyRequest {
	r := &payload.CertifyRequest{Attributes: template(attrs...)}
	if uid != "" {
		r.UniqueIdentifier = ref(uid)
	}
	if v < kmip.V11 {
		r.CertificateRequestType, r.CertificateRequestValue = kmip.CertificateRequestTypePKCS10, h.request
	}
	return r
}

func TestCertifyAPublicKey(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "gauge 7")
		public := s.public(v, h, name("gauge 7"), mask(kmip.CryptographicUsageMaskVerify))
		until := s.svc.Clock.Now().Add(30 * 24 * time.Hour)
		r := s.send(v, 0,
			batch(kmip.OperationCertify, certifying(v, h, public, name("certificate of gauge 7"), s.now(), kmip.DateTime(kmip.TagDeactivationDate, until))),
			getItem(""), batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{}))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		uid := r.Items[0].Payload.(*payload.CertifyResponse).UniqueIdentifier
		if got := r.Items[1].Payload.(*payload.GetResponse); got.UniqueIdentifier != uid {
			t.Errorf("the ID Placeholder is %s, want %s", got.UniqueIdentifier, uid)
		}
		c := s.certificateOf(v, uid)
		if c.Subject.CommonName != "gauge 7" || !h.key.PublicKey.Equal(c.PublicKey) || !c.NotAfter.Equal(until) || c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			t.Errorf("subject %s, until %s (want %s), usage %b", c.Subject, c.NotAfter, until, c.KeyUsage)
		}
		if got := s.links(uid)[kmip.LinkTypePublicKeyLink]; len(got) != 1 || got[0] != public {
			t.Errorf("public keys of the certificate: %v", got)
		}
		if got := s.links(public)[kmip.LinkTypeCertificateLink]; len(got) != 1 || got[0] != uid {
			t.Errorf("certificates of the public key: %v", got)
		}
		a := s.attributes(kmip.V21, uid)
		for tag, want := range map[kmip.Tag]uint32{
			kmip.TagCertificateType: uint32(kmip.CertificateTypeX509), kmip.TagCertificateLength: uint32(len(c.Raw)),
			kmip.TagCryptographicAlgorithm: uint32(kmip.CryptographicAlgorithmECDSA), kmip.TagCryptographicLength: 256, kmip.TagState: uint32(kmip.StateActive),
		} {
			if got := a.Uint32(tag); got != want {
				t.Errorf("%s is %d, want %d", tag, got, want)
			}
		}
		if got := s.validity(v, &payload.ValidateRequest{UniqueIdentifier: []kmip.Reference{ref(uid)}}); got != kmip.ValidityIndicatorValid {
			t.Errorf("its own certificate is %s", got)
		}
		if op, object, outcome := s.lastRecord(); op != "Validate" || object != uid || outcome != "success" {
			t.Errorf("recorded %s of %s: %s", op, object, outcome)
		}
	})
}

// A certificate request stands for itself, with the subject that it says, however
// it is encoded; what attributes say of the subject yields.
func TestCertifyARequest(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "pump 3")
		for kind, value := range map[kmip.CertificateRequestType][]byte{
			kmip.CertificateRequestTypePKCS10: h.request,
			kmip.CertificateRequestTypePEM:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: h.request}),
		} {
			r := &payload.CertifyRequest{CertificateRequestType: kind, CertificateRequestValue: value}
			if v >= kmip.V20 {
				r.Attributes = template(kmip.Text(kmip.TagCertificateSubjectCN, "somebody else"))
			}
			c := s.certificateOf(v, one[payload.CertifyResponse](s, v, kmip.OperationCertify, r).UniqueIdentifier)
			if c.Subject.CommonName != "pump 3" || len(c.Subject.Organization) != 1 || !h.key.PublicKey.Equal(c.PublicKey) {
				t.Errorf("%s: subject %s", kind, c.Subject)
			}
		}
	})
}

// From KMIP 2.0 certificate requests are objects.
func TestCertifyAManagedRequest(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "valve 12")
		request := s.register(v, &kmip.Object{Type: kmip.ObjectTypeCertificateRequest, RequestType: kmip.CertificateRequestTypePKCS10, RequestValue: h.request}, name("request"))
		if got := s.get(v, request); got.RequestType != kmip.CertificateRequestTypePKCS10 || string(got.RequestValue) != string(h.request) {
			t.Errorf("the request that was registered comes back as %+v", got)
		}
		a := s.attributes(v, request)
		if a.Uint32(kmip.TagKeyFormatType) != uint32(kmip.KeyFormatTypePKCS10) || a.Int32(kmip.TagCryptographicLength) != 256 {
			t.Errorf("attributes of a request: %v", a)
		}
		r := s.send(v, 0, batch(kmip.OperationLocate, &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: template(name("request")).Attributes}}),
			batch(kmip.OperationCertify, &payload.CertifyRequest{}))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		uid := r.Items[1].Payload.(*payload.CertifyResponse).UniqueIdentifier
		if c := s.certificateOf(v, uid); c.Subject.CommonName != "valve 12" {
			t.Errorf("subject %s", c.Subject)
		}
		if got := s.attributes(kmip.V30, uid).Text(kmip.TagCertificateRequestLink); got != request {
			t.Errorf("Certificate Request Link %q, want %s", got, request)
		}
	})
}

// Where no request says it, attributes of the request name the subject.
func TestSubjectFromAttributes(t *testing.T) {
	inEvery(t, kmip.V11, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "")
		public := s.public(v, h)
		subject := []kmip.Item{kmip.Structure(kmip.TagCertificateSubject, kmip.Text(kmip.TagCertificateSubjectDistinguishedName, "CN=dam 4,O=Example Works"))}
		if v >= kmip.V20 {
			subject = []kmip.Item{kmip.Text(kmip.TagCertificateSubjectCN, "dam 4"), kmip.Text(kmip.TagCertificateSubjectO, "Example Works")}
		}
		c := s.certificateOf(v, one[payload.CertifyResponse](s, v, kmip.OperationCertify, certifying(v, h, public, subject...)).UniqueIdentifier)
		if c.Subject.CommonName != "dam 4" || len(c.Subject.Organization) != 1 || c.Subject.Organization[0] != "Example Works" {
			t.Errorf("subject %s", c.Subject)
		}
	})
}

// recertifying asks for the renewal of a certificate.
func recertifying(v kmip.Version, h holder, uid string, attrs ...kmip.Item) *payload.ReCertifyRequest {
	r := &payload.ReCertifyRequest{Attributes: template(attrs...)}
	if uid != "" {
		r.UniqueIdentifier = ref(uid)
	}
	if v < kmip.V11 {
		r.CertificateRequestType, r.CertificateRequestValue = kmip.CertificateRequestTypePKCS10, h.request
	}
	return r
}

// The renewed certificate takes over the Names and what the client had set, and
// the public key points to it; the old one keeps its state.
func TestReCertify(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "lock 9")
		public := s.public(v, h)
		start := s.svc.Clock.Now()
		old := one[payload.CertifyResponse](s, v, kmip.OperationCertify, certifying(v, h, public, name("lock 9"), name("north lock"), kmip.Text(kmip.TagContactInformation, "keeper"),
			s.now(), kmip.DateTime(kmip.TagDeactivationDate, start.Add(48*time.Hour)))).UniqueIdentifier
		s.svc.Clock.Advance(time.Hour)
		request := recertifying(v, h, "", name("lock 9 again"))
		request.Offset = ptr(2 * time.Hour)
		r := s.send(v, 0, batch(kmip.OperationLocate, &payload.LocateRequest{Attributes: payload.AttributeList{Attributes: template(name("lock 9")).Attributes}}),
			batch(kmip.OperationReCertify, request), getItem(""))
		if !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok}) {
			t.Fatalf("%+v", r.Items)
		}
		uid := r.Items[1].Payload.(*payload.ReCertifyResponse).UniqueIdentifier
		if got := r.Items[2].Payload.(*payload.GetResponse); got.UniqueIdentifier != uid {
			t.Errorf("the ID Placeholder is %s, want %s", got.UniqueIdentifier, uid)
		}
		a, before := s.attributes(kmip.V21, uid), s.attributes(kmip.V21, old)
		if got := a.Names(); len(got) != 3 || got[0] != "lock 9" || got[1] != "north lock" || got[2] != "lock 9 again" {
			t.Errorf("names of the new certificate: %q", got)
		}
		if got := before.Names(); len(got) != 0 {
			t.Errorf("names of the old certificate: %q", got)
		}
		if a.Text(kmip.TagContactInformation) != "keeper" || !a.Time(kmip.TagInitialDate).Equal(start.Add(time.Hour)) ||
			!a.Time(kmip.TagActivationDate).Equal(start.Add(3*time.Hour)) || !a.Time(kmip.TagDeactivationDate).Equal(start.Add(51*time.Hour)) {
			t.Errorf("attributes of the new certificate: %s, %s, %s", a.Time(kmip.TagInitialDate), a.Time(kmip.TagActivationDate), a.Time(kmip.TagDeactivationDate))
		}
		if s.state(old) != kmip.StateActive || s.state(uid) != kmip.StatePreActive {
			t.Errorf("states %s and %s, want Active and Pre-Active", s.state(old), s.state(uid))
		}
		c := s.certificateOf(v, uid)
		if !h.key.PublicKey.Equal(c.PublicKey) || !c.NotAfter.Equal(start.Add(51*time.Hour)) {
			t.Errorf("new certificate: %s until %s", c.Subject, c.NotAfter)
		}
		if got := s.links(old)[kmip.LinkTypeReplacementObjectLink]; len(got) != 1 || got[0] != uid {
			t.Errorf("replacements of the old certificate: %v", got)
		}
		links := s.links(uid)
		if got := links[kmip.LinkTypeReplacedObjectLink]; len(got) != 1 || got[0] != old {
			t.Errorf("replaced by the new certificate: %v", got)
		}
		if got := links[kmip.LinkTypePublicKeyLink]; len(got) != 1 || got[0] != public {
			t.Errorf("public keys of the new certificate: %v", got)
		}
		if got := s.links(public)[kmip.LinkTypeCertificateLink]; len(got) != 1 || got[0] != uid {
			t.Errorf("certificates of the public key: %v", got)
		}
	})
}

func TestReCertifyWithoutOffsetCopiesTheDates(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "bridge")
		public := s.public(v, h)
		until := s.svc.Clock.Now().Add(48 * time.Hour)
		old := one[payload.CertifyResponse](s, v, kmip.OperationCertify, certifying(v, h, public, s.now(), kmip.DateTime(kmip.TagDeactivationDate, until))).UniqueIdentifier
		start := s.svc.Clock.Now()
		s.svc.Clock.Advance(time.Hour)
		uid := one[payload.ReCertifyResponse](s, v, kmip.OperationReCertify, recertifying(v, h, old)).UniqueIdentifier
		a := s.attributes(kmip.V21, uid)
		if !a.Time(kmip.TagActivationDate).Equal(start) || !a.Time(kmip.TagDeactivationDate).Equal(until) || s.state(uid) != kmip.StateActive {
			t.Errorf("dates %s, %s, state %s", a.Time(kmip.TagActivationDate), a.Time(kmip.TagDeactivationDate), s.state(uid))
		}
		if v < kmip.V20 {
			return
		}
		request := s.register(v, &kmip.Object{Type: kmip.ObjectTypeCertificateRequest, RequestType: kmip.CertificateRequestTypePKCS10, RequestValue: newRequest(t, h.key, "bridge, east")})
		renew := recertifying(v, h, uid)
		renew.CertificateRequestUniqueIdentifier = ref(request)
		again := one[payload.ReCertifyResponse](s, v, kmip.OperationReCertify, renew).UniqueIdentifier
		if c := s.certificateOf(v, again); c.Subject.CommonName != "bridge, east" {
			t.Errorf("subject %s, another was requested", c.Subject)
		}
	})
}

func newRequest(t *testing.T, key crypto.Signer, commonName string) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: commonName}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestUndoTakesCertificatesAndTheirLinksBack(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		h := newHolder(t, "crane")
		public := s.public(v, h)
		old := one[payload.CertifyResponse](s, v, kmip.OperationCertify, certifying(v, h, public, name("crane"))).UniqueIdentifier
		r := s.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationReCertify, recertifying(v, h, old)), batch(kmip.OperationCertify, certifying(v, h, public)), getItem("nothing"))
		if !equal(statuses(r), []kmip.ResultStatus{undone, undone, failed}) {
			t.Fatalf("%+v", r.Items)
		}
		if got := s.links(public)[kmip.LinkTypeCertificateLink]; len(got) != 1 || got[0] != old {
			t.Errorf("certificates of the public key: %v, want %s", got, old)
		}
		if got := s.attributes(v, old).Names(); len(got) != 1 || len(s.links(old)[kmip.LinkTypeReplacementObjectLink]) != 0 {
			t.Errorf("the old certificate has the names %q and the links %v", got, s.links(old))
		}
	})
}

// chain makes certificates: of an authority, and of a leaf that it issued.
func chain(t *testing.T, from, until time.Time) (root, leaf []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of a test"}, NotBefore: from, NotAfter: until.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if root, err = x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key); err != nil {
		t.Fatal(err)
	}
	end := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature}
	if leaf, err = x509.CreateCertificate(rand.Reader, end, ca, key.Public(), key); err != nil {
		t.Fatal(err)
	}
	return root, leaf
}

func certificateItem(der []byte) kmip.Item {
	return kmip.Structure(kmip.TagCertificate, kmip.Enumeration(kmip.TagCertificateType, kmip.CertificateTypeX509), kmip.ByteString(kmip.TagCertificateValue, der))
}

// Certificates that are given and certificates that are managed make one chain.
func TestValidate(t *testing.T) {
	inEvery(t, kmip.V10, func(t *testing.T, s *server, v kmip.Version) {
		now := s.svc.Clock.Now()
		root, leaf := chain(t, now.Add(-time.Hour), now.Add(time.Hour))
		managed := s.register(v, &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: leaf}, s.now())
		for what, c := range map[string]struct {
			request payload.ValidateRequest
			want    kmip.ValidityIndicator
		}{
			"both given":           {payload.ValidateRequest{Certificate: []kmip.Item{certificateItem(root), certificateItem(leaf)}}, kmip.ValidityIndicatorValid},
			"one given, one here":  {payload.ValidateRequest{Certificate: []kmip.Item{certificateItem(root)}, UniqueIdentifier: []kmip.Reference{ref(managed)}}, kmip.ValidityIndicatorValid},
			"the issuer is absent": {payload.ValidateRequest{UniqueIdentifier: []kmip.Reference{ref(managed)}}, kmip.ValidityIndicatorUnknown},
			"later": {payload.ValidateRequest{
				Certificate: []kmip.Item{certificateItem(root), certificateItem(leaf)}, ValidityDate: now.Add(2 * time.Hour),
			}, kmip.ValidityIndicatorInvalid},
		} {
			if got := s.validity(v, &c.request); got != c.want {
				t.Errorf("%s: %s, want %s", what, got, c.want)
			}
		}
		one[payload.RevokeResponse](s, v, kmip.OperationRevoke, &payload.RevokeRequest{
			UniqueIdentifier: ref(managed), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded},
		})
		if got := s.validity(v, &payload.ValidateRequest{Certificate: []kmip.Item{certificateItem(root)}, UniqueIdentifier: []kmip.Reference{ref(managed)}}); got != kmip.ValidityIndicatorInvalid {
			t.Errorf("a certificate that was revoked is %s", got)
		}
	})
}
