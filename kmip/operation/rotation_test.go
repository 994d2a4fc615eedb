package operation_test

import (
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func rotating(interval time.Duration, extra ...kmip.Item) []kmip.Item {
	return append([]kmip.Item{
		kmip.Boolean(kmip.TagRotateAutomatic, true), kmip.Interval(kmip.TagRotateInterval, interval),
	}, extra...)
}

func linkTo(a kmip.Attributes, t kmip.LinkType) string {
	for _, at := range a.Instances(kmip.AttributeID{Tag: kmip.TagLink}) {
		if l := kmip.LinkOf(at.Value); l.Type == t {
			return l.Target
		}
	}
	return ""
}

func (s *server) rotateDue() {
	s.t.Helper()
	if err := s.svc.RotateDue(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func TestTheServerRotatesWhatIsDue(t *testing.T) {
	s := newServer(t)
	now := s.svc.Clock.Now()
	uid := one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(rotating(
		time.Hour, name("disk"), kmip.Interval(kmip.TagRotateOffset, 0), kmip.DateTime(kmip.TagActivationDate, now), kmip.DateTime(kmip.TagDeactivationDate, now.Add(100*time.Hour)),
	)...)}).UniqueIdentifier
	pair := one[payload.CreateKeyPairResponse](s, kmip.V21, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes: template(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmECDSA), kmip.Integer(kmip.TagCryptographicLength, 256)),
		PrivateKeyAttributes: template(rotating(
			time.Hour, kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskSign),
		)...),
		PublicKeyAttributes: template(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskVerify)),
	})
	manual := one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(kmip.Interval(kmip.TagRotateInterval, time.Hour))}).UniqueIdentifier

	s.svc.Clock.Advance(59 * time.Minute)
	s.rotateDue()
	if linkTo(s.attributes(kmip.V21, uid), kmip.LinkTypeReplacementObjectLink) != "" {
		t.Fatal("rotated before the Rotate Interval was over")
	}
	s.svc.Clock.Advance(time.Minute)
	s.rotateDue()

	old := s.attributes(kmip.V21, uid)
	fresh := linkTo(old, kmip.LinkTypeReplacementObjectLink)
	if fresh == "" {
		t.Fatal("the key was not rotated")
	}
	got := s.attributes(kmip.V21, fresh)
	if kmip.State(got.Uint32(kmip.TagState)) != kmip.StateActive || got.Int32(kmip.TagRotateGeneration) != 1 || !got.Bool(kmip.TagRotateLatest) || !got.Bool(kmip.TagRotateAutomatic) {
		t.Errorf("the new key has %v", got)
	}
	if len(got.Instances(kmip.AttributeID{Tag: kmip.TagName})) != 1 || old.Has(kmip.TagName) || old.Bool(kmip.TagRotateLatest) || !old.Has(kmip.TagRotateDate) {
		t.Errorf("the old key has %v", old)
	}
	if linkTo(s.attributes(kmip.V21, pair.PrivateKeyUniqueIdentifier), kmip.LinkTypeReplacementObjectLink) == "" || linkTo(s.attributes(kmip.V21, pair.PublicKeyUniqueIdentifier), kmip.LinkTypeReplacementObjectLink) == "" {
		t.Error("the key pair was not rotated")
	}
	if linkTo(s.attributes(kmip.V21, manual), kmip.LinkTypeReplacementObjectLink) != "" {
		t.Error("a key without Rotate Automatic was rotated")
	}

	s.rotateDue()
	if linkTo(s.attributes(kmip.V21, fresh), kmip.LinkTypeReplacementObjectLink) != "" {
		t.Error("rotated again at once")
	}
	s.svc.Clock.Advance(time.Hour)
	s.rotateDue()
	if linkTo(s.attributes(kmip.V21, fresh), kmip.LinkTypeReplacementObjectLink) == "" {
		t.Error("the new key is not rotated in its turn")
	}
	if linkTo(s.attributes(kmip.V21, uid), kmip.LinkTypeReplacementObjectLink) != fresh {
		t.Error("the old key was rotated twice")
	}
}

// The objects that are due are the oldest, and there may be many that are not.
func TestRotationLooksAtEveryObject(t *testing.T) {
	s := newServer(t)
	make := func(interval time.Duration) string {
		return one[payload.CreateResponse](s, kmip.V21, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(rotating(interval)...)}).UniqueIdentifier
	}
	oldest := make(time.Hour)
	for range 600 {
		make(1000 * time.Hour)
	}
	s.svc.Clock.Advance(time.Hour)
	s.rotateDue()
	if linkTo(s.attributes(kmip.V21, oldest), kmip.LinkTypeReplacementObjectLink) == "" {
		t.Error("the oldest object was not rotated")
	}
}

func TestTheServerRotatesCertificates(t *testing.T) {
	s := newServer(t)
	h := newHolder(t, "gauge 9")
	public := s.public(kmip.V21, h, mask(kmip.CryptographicUsageMaskVerify))
	uid := one[payload.CertifyResponse](s, kmip.V21, kmip.OperationCertify, certifying(kmip.V21, h, public, rotating(time.Hour, name("gauge 9"), s.now())...)).UniqueIdentifier
	s.svc.Clock.Advance(time.Hour)
	s.rotateDue()
	old := s.attributes(kmip.V21, uid)
	fresh := linkTo(old, kmip.LinkTypeReplacementObjectLink)
	if fresh == "" {
		t.Fatalf("the certificate was not rotated: %v", old)
	}
	if c := s.certificateOf(kmip.V21, fresh); !h.key.PublicKey.Equal(c.PublicKey) {
		t.Error("the new certificate is of another key")
	}
	if got := linkTo(s.attributes(kmip.V21, public), kmip.LinkTypeCertificateLink); got != fresh {
		t.Errorf("the public key links to %s, want %s", got, fresh)
	}
}
