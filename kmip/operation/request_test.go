package operation_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"sync"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
)

// since lists the versions from one on.
func since(first kmip.Version) []kmip.Version {
	var list []kmip.Version
	for _, v := range kmip.Versions {
		if v >= first {
			list = append(list, v)
		}
	}
	return list
}

// inEvery runs a test in each version from one on, on a server of its own.
func inEvery(t *testing.T, first kmip.Version, run func(t *testing.T, s *server, v kmip.Version)) {
	t.Helper()
	for _, v := range since(first) {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			run(t, newServer(t), v)
		})
	}
}

// try sends one item and returns what came of it.
func (s *server) try(v kmip.Version, op kmip.Operation, p any) payload.ResponseItem {
	s.t.Helper()
	return s.send(v, 0, payload.RequestItem{Operation: op, Payload: p}).Items[0]
}

// fails sends one item that must fail for a reason.
func (s *server) fails(v kmip.Version, what string, op kmip.Operation, p any, want kmip.ResultReason) {
	s.t.Helper()
	r := s.try(v, op, p)
	if r.Status != failed || r.Reason != want {
		s.t.Errorf("KMIP %s, %s: %s, reason %s (%s); want %s", v, what, r.Status, r.Reason, r.Message, want)
	}
}

// now is an Activation Date that makes an object Active at once.
func (s *server) now() kmip.Item { return kmip.DateTime(kmip.TagActivationDate, s.svc.Clock.Now()) }

func algorithm(a kmip.CryptographicAlgorithm) kmip.Item {
	return kmip.Enumeration(kmip.TagCryptographicAlgorithm, a)
}

func length(bits int32) kmip.Item { return kmip.Integer(kmip.TagCryptographicLength, bits) }

func mask(m kmip.CryptographicUsageMask) kmip.Item {
	return kmip.Mask(kmip.TagCryptographicUsageMask, m)
}

func link(t kmip.LinkType, target string) kmip.Item {
	return kmip.LinkValue{Type: t, Target: target}.Item()
}

func parameters(items ...kmip.Item) *kmip.Item {
	i := kmip.Structure(kmip.TagCryptographicParameters, items...)
	return &i
}

func ptr[T any](v T) *T { return &v }

// symmetric is a symmetric key as a client registers it.
func symmetric(a kmip.CryptographicAlgorithm, material []byte) *kmip.Object {
	return &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(material), Algorithm: a, LengthBits: int32(len(material)) * 8,
	}}
}

// password is secret data as a client registers it.
func password(value string) *kmip.Object {
	return &kmip.Object{Type: kmip.ObjectTypeSecretData, SecretDataType: kmip.SecretDataTypePassword, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypeRaw, Material: secret.Copy([]byte(value)),
	}}
}

// register registers an object and returns its identifier.
func (s *server) register(v kmip.Version, o *kmip.Object, attrs ...kmip.Item) string {
	s.t.Helper()
	return one[payload.RegisterResponse](s, v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: o.Type, Attributes: template(attrs...), Object: o}).UniqueIdentifier
}

// create makes a symmetric key and returns its identifier.
func (s *server) create(v kmip.Version, attrs ...kmip.Item) string {
	s.t.Helper()
	return one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(attrs...)}).UniqueIdentifier
}

// pair makes a key pair that is Active.
func (s *server) pair(v kmip.Version, a kmip.CryptographicAlgorithm, bits int32, private, public kmip.CryptographicUsageMask, common ...kmip.Item) *payload.CreateKeyPairResponse {
	s.t.Helper()
	return one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes:     template(append([]kmip.Item{s.now(), algorithm(a), length(bits)}, common...)...),
		PrivateKeyAttributes: template(mask(private)), PublicKeyAttributes: template(mask(public)),
	})
}

// rsaKey is one for all tests: making it takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// rsaPair registers an RSA key pair of 2048 bits whose halves link to each other,
// and which is Active.
func (s *server) rsaPair(private, public kmip.CryptographicUsageMask) *payload.CreateKeyPairResponse {
	s.t.Helper()
	half := func(t kmip.ObjectType, der []byte) *kmip.Object {
		o := opaqueKey(t, kmip.KeyFormatTypePKCS1, der)
		o.Key.Algorithm, o.Key.LengthBits = kmip.CryptographicAlgorithmRSA, 2048
		return o
	}
	r := &payload.CreateKeyPairResponse{}
	r.PublicKeyUniqueIdentifier = s.register(kmip.V21, half(kmip.ObjectTypePublicKey, x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), s.now(), mask(public))
	r.PrivateKeyUniqueIdentifier = s.register(kmip.V21, half(kmip.ObjectTypePrivateKey, x509.MarshalPKCS1PrivateKey(rsaKey())), s.now(), mask(private), link(kmip.LinkTypePublicKeyLink, r.PublicKeyUniqueIdentifier))
	one[payload.AddAttributeResponse](s, kmip.V21, kmip.OperationAddAttribute, &payload.AddAttributeRequest{
		UniqueIdentifier: ref(r.PublicKeyUniqueIdentifier), NewAttribute: attribute(link(kmip.LinkTypePrivateKeyLink, r.PrivateKeyUniqueIdentifier)),
	})
	return r
}

// get returns an object; the identifier may be empty for the ID Placeholder.
func (s *server) get(v kmip.Version, uid string) *kmip.Object {
	s.t.Helper()
	return one[payload.GetResponse](s, v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)}).Object
}

// material is the key material of an object that is one byte string.
func (s *server) material(v kmip.Version, uid string) []byte {
	s.t.Helper()
	return s.get(v, uid).Key.Material.Reveal()
}

// links are the targets of the links of an object, as a client of 2.1 sees them.
func (s *server) links(uid string) map[kmip.LinkType][]string {
	s.t.Helper()
	m := map[kmip.LinkType][]string{}
	for _, at := range s.attributes(kmip.V21, uid).Instances(kmip.AttributeID{Tag: kmip.TagLink}) {
		l := kmip.LinkOf(at.Value)
		m[l.Type] = append(m[l.Type], l.Target)
	}
	return m
}

func (s *server) state(uid string) kmip.State {
	s.t.Helper()
	return kmip.State(s.attributes(kmip.V21, uid).Uint32(kmip.TagState))
}

// destroy destroys an object in whatever state it is.
func (s *server) destroy(uid string) {
	s.t.Helper()
	if s.state(uid) == kmip.StateActive {
		one[payload.RevokeResponse](s, kmip.V21, kmip.OperationRevoke, &payload.RevokeRequest{
			UniqueIdentifier: ref(uid), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded},
		})
	}
	one[payload.DestroyResponse](s, kmip.V21, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uid)})
}

func (s *server) archive(uid string) {
	s.t.Helper()
	one[payload.ArchiveResponse](s, kmip.V21, kmip.OperationArchive, &payload.ArchiveRequest{UniqueIdentifier: ref(uid)})
}

// lastRecord is the newest audit entry of a domain.
func (s *server) lastRecord() (operation, object, outcome string) {
	s.t.Helper()
	e := s.recorded()[0]
	return e.Operation, e.UID, e.Outcome
}

// batch is an item of a request.
func batch(op kmip.Operation, p any) payload.RequestItem {
	return payload.RequestItem{Operation: op, Payload: p}
}

// opaqueKey is a key whose material is one byte string.
func opaqueKey(t kmip.ObjectType, format kmip.KeyFormatType, material []byte) *kmip.Object {
	return &kmip.Object{Type: t, Key: &kmip.KeyBlock{Format: format, Material: secret.Copy(material)}}
}

// items are the values of attributes that were put together.
func items(t payload.Template) []kmip.Item {
	var list []kmip.Item
	for _, a := range t.Attributes {
		list = append(list, a.Value)
	}
	return list
}

// in is the same server for a client of another domain, which is new.
func (s *server) in(domain string) *server {
	s.t.Helper()
	if err := s.svc.CreateDomain(context.Background(), s.svc.Administrator(""), domain, ""); err != nil {
		s.t.Fatal(err)
	}
	other := *s
	other.scope = func() *custody.Scope { return s.svc.Client(domain) }
	return &other
}

// client makes a client with a certificate, and returns the server as it sees it,
// with its principal.
func (s *server) client(name string) (*server, custody.Principal) {
	s.t.Helper()
	made, err := s.svc.CreateClient(context.Background(), s.svc.Administrator("default"), name, policy.RoleFull)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := s.svc.AuthenticateClient(context.Background(), made.Issued.Certificate)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.as(p, nil), p
}

// as is the server as a principal sees it, with what a ticket allows.
func (s *server) as(p custody.Principal, grant custody.Grant) *server {
	other := *s
	other.scope = func() *custody.Scope {
		sc := s.svc.Begin(p, p.Domain, "kmip", "127.0.0.1:1", "test")
		sc.Use(grant)
		return sc
	}
	return &other
}
