package operation_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/dialect"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/kmip/wire"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// reasons are the Result Reasons of one failure: in KMIP 1.x, 2.0, 2.1 and 3.0.
type reasons struct{ v1, v20, v21, v30 kmip.ResultReason }

// in is the reason of a version.
func (r reasons) in(v kmip.Version) kmip.ResultReason {
	switch {
	case v < kmip.V20:
		return r.v1
	case v == kmip.V20:
		return r.v20
	case v == kmip.V21:
		return r.v21
	}
	return r.v30
}

// always, since2 and since21 are reasons that never changed, that KMIP 2.0 changed,
// and that 2.1 changed.
func always(r kmip.ResultReason) reasons        { return reasons{r, r, r, r} }
func since2(one, two kmip.ResultReason) reasons { return reasons{one, two, two, two} }
func since21(before, after kmip.ResultReason) reasons {
	return reasons{before, before, after, after}
}

// Reasons that many failures have (1.4 §11, 2.1 §6.1, §11.46).
var (
	notThere     = since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound)
	archivedNow  = always(kmip.ResultReasonObjectArchived)
	wrongState   = since21(kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState)
	wrongMask    = since2(kmip.ResultReasonPermissionDenied, kmip.ResultReasonIncompatibleCryptographicUsageMask)
	wrongType    = since2(kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidObjectType)
	wrongMessage = always(kmip.ResultReasonInvalidMessage)
	wrongField   = always(kmip.ResultReasonInvalidField)
	wrongCrypto  = always(kmip.ResultReasonCryptographicFailure)
	wrongValue   = since2(kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttributeValue)
	noValue      = reasons{kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonKeyValueNotPresent}
	taken        = since2(kmip.ResultReasonInvalidField, kmip.ResultReasonNonUniqueNameAttribute)
	tooMany      = since2(kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonServerLimitExceeded)
	readOnlyMade = since21(kmip.ResultReasonPermissionDenied, kmip.ResultReasonAttributeReadOnly)
	noTemplate   = reasons{v1: kmip.ResultReasonItemNotFound}
)

// refusal is a request that fails, and why.
type refusal struct {
	op      kmip.Operation
	name    string
	request func(f *fixture) any
	want    reasons
	// since and until bound the versions that can say it; 0: all that have the
	// operation.
	since, until kmip.Version
	// late tells that only the version of the response cannot say the answer: what
	// was asked for has been done, and is recorded so.
	late bool
	// edit changes the request payload, to say what no client of ours would.
	edit func(p *kmip.Item)
}

// fixture are the objects that requests fail on.
type fixture struct {
	*server
	v         kmip.Version // of the request that is being made
	preActive string       // has the Name "taken"
	active    string       // may encrypt and decrypt
	revoked   string       // Deactivated
	destroyed string
	archived  string
	sensitive string
	fixed     string // not extractable
	valueless string // registered without Key Value
	limited   string // may protect one byte
	noMask    string // Active, may do nothing
	hmac      string // Active, may make and verify codes
	private   string // RSA, Active, may sign and decrypt
	public    string // may verify, encrypt
	idle      string // a private key that is Pre-Active
	idlePub   string
	secret    string // secret data
	opaque    string
	cert      string // a certificate that is not ours
	issued    string // a certificate of public
	request   string // a certificate request
	template  string
	closed    string // the Name of a template that is archived
	parts     []string
	others    []string // parts of another split
	wrapped   string   // a key that was registered wrapped
	kek       string
	kekIdle   string
	kekGone   string
	kekStored string // archived
	deriveKey string
	grouped   string // has as many groups as an object may have
	period    string // has a Protection Period that is almost the longest
	holder    holder
	alice     custody.Principal // who delegates
	// Those of moreObjects.
	stored         string   // a private key that is archived
	emptyPrivate   string   // a private key without Key Value
	held           string   // a certificate of the holder
	storedPart     string   // a part that is archived
	foreign        []string // parts of a method that nobody has
	cmac           string   // an AES key that may make and verify codes
	limitedPrivate string   // a private key that may sign one byte
	garbage        string   // a public key that is none
	kekBound       string   // a wrapping key of Triple DES
	transparent    string   // a key in a transparent format
}

func newFixture(t *testing.T) *fixture {
	s := newServer(t)
	f := &fixture{server: s, holder: newHolder(t, "holder")}
	key := func(attrs ...kmip.Item) string { return s.create(kmip.V21, items(aes(attrs...))...) }
	f.preActive, f.active, f.revoked, f.destroyed, f.archived = key(name("taken")), key(s.now(), name("active")), key(s.now()), key(), key(s.now())
	one[payload.RevokeResponse](s, kmip.V21, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref(f.revoked), RevocationReason: superseded()})
	s.destroy(f.destroyed)
	s.archive(f.archived)
	f.sensitive, f.fixed = key(kmip.Boolean(kmip.TagSensitive, true)), key(kmip.Boolean(kmip.TagExtractable, false))
	f.limited = key(s.now(), kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 1), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte)))
	all := kmip.CryptographicUsageMaskEncrypt | kmip.CryptographicUsageMaskDecrypt | kmip.CryptographicUsageMaskMACGenerate | kmip.CryptographicUsageMaskMACVerify |
		kmip.CryptographicUsageMaskSign | kmip.CryptographicUsageMaskVerify | kmip.CryptographicUsageMaskWrapKey | kmip.CryptographicUsageMaskDeriveKey
	empty := &kmip.Object{Type: kmip.ObjectTypeSymmetricKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 256}}
	f.valueless = s.register(kmip.V21, empty, s.now(), mask(all))
	f.noMask = s.create(kmip.V21, s.now(), mask(kmip.CryptographicUsageMaskCRLSign))
	f.hmac = s.register(kmip.V21, symmetric(kmip.CryptographicAlgorithmHMACSHA256, macMaterial), s.now(), mask(kmip.CryptographicUsageMaskMACGenerate|kmip.CryptographicUsageMaskMACVerify))
	pair := s.rsaPair(kmip.CryptographicUsageMaskSign|kmip.CryptographicUsageMaskDecrypt, kmip.CryptographicUsageMaskVerify|kmip.CryptographicUsageMaskEncrypt)
	f.private, f.public = pair.PrivateKeyUniqueIdentifier, pair.PublicKeyUniqueIdentifier
	asleep := one[payload.CreateKeyPairResponse](s, kmip.V21, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
		CommonAttributes: template(algorithm(kmip.CryptographicAlgorithmEC), length(256)), PrivateKeyAttributes: template(mask(kmip.CryptographicUsageMaskSign)), PublicKeyAttributes: template(mask(kmip.CryptographicUsageMaskVerify)),
	})
	f.idle, f.idlePub = asleep.PrivateKeyUniqueIdentifier, asleep.PublicKeyUniqueIdentifier
	f.secret = s.register(kmip.V21, password("pw"), s.now(), mask(all))
	f.opaque = s.register(kmip.V21, &kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: secret.Copy([]byte("blob"))}, s.now())
	root, _ := chain(t, s.svc.Clock.Now(), s.svc.Clock.Now().Add(time.Hour))
	f.cert = s.register(kmip.V21, &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: root}, s.now())
	f.issued = one[payload.CertifyResponse](s, kmip.V21, kmip.OperationCertify, &payload.CertifyRequest{UniqueIdentifier: ref(f.public)}).UniqueIdentifier
	f.request = s.register(kmip.V21, &kmip.Object{Type: kmip.ObjectTypeCertificateRequest, RequestType: kmip.CertificateRequestTypePKCS10, RequestValue: f.holder.request})
	f.template = s.named(kmip.V14, "template", length(256))
	f.closed = "closed"
	s.archive(s.named(kmip.V14, f.closed, length(128)))
	f.parts = s.split(kmip.V21, splitting(kmip.SplitKeyMethodPolynomialSharingGF28, "", 3, 2))
	f.others = s.split(kmip.V21, splitting(kmip.SplitKeyMethodPolynomialSharingGF28, "", 3, 2))
	kek := func(attrs ...kmip.Item) string {
		return s.register(kmip.V21, symmetric(kmip.CryptographicAlgorithmAES, kekMaterial), append(attrs, mask(kmip.CryptographicUsageMaskWrapKey|kmip.CryptographicUsageMaskUnwrapKey))...)
	}
	f.kek, f.kekIdle, f.kekGone, f.kekStored = kek(s.now()), kek(), kek(s.now()), kek(s.now())
	s.destroy(f.kekGone)
	s.archive(f.kekStored)
	f.wrapped = s.register(kmip.V21, s.getWrapped(kmip.V21, f.preActive, wrapSpec(kmip.WrappingMethodEncrypt, information(kmip.TagEncryptionKeyInformation, f.kek))), s.now(), mask(all))
	f.deriveKey = s.derivable(kmip.V21, kmip.CryptographicAlgorithmHMACSHA256)
	var groups []kmip.Item
	for i := range 1024 {
		groups = append(groups, kmip.Text(kmip.TagObjectGroup, "group "+strconv.Itoa(i)))
	}
	f.grouped = key(append(groups, s.now())...)
	f.moreObjects()
	f.period = key(kmip.Interval(kmip.TagProtectionPeriod, (1<<32-2)*time.Second))
	return f
}

func superseded() *payload.RevocationReason {
	return &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeSuperseded}
}

// operationsOf are the operations that a version has, as Query tells.
func (s *server) operationsOf(v kmip.Version) []kmip.Operation {
	s.t.Helper()
	return one[payload.QueryResponse](s, v, kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryOperations}}).Operation
}

// refuse runs requests that fail, in every version that can say them.
func refuse(t *testing.T, list []refusal) {
	t.Helper()
	var f *fixture
	refuseOn(t, &f, list)
}

// refuseOn is refuse for requests that ask which version they are of.
func refuseOn(t *testing.T, at **fixture, list []refusal) {
	t.Helper()
	f := newFixture(t)
	*at = f
	for _, v := range kmip.Versions {
		f.v = v
		has := f.operationsOf(v)
		for _, r := range list {
			if v < r.since || r.until != 0 && v > r.until || !slices.Contains(has, r.op) {
				continue
			}
			request := r.request(f)
			before := f.newest()
			got := f.edited(v, r, request)
			if e := f.newest(); got.Status == failed && !r.late && (e.Counter != before.Counter+1 || e.Outcome != audit.Failure || e.Operation != r.op.String() && e.Operation != "message") {
				t.Errorf("KMIP %s, %s, %s: recorded as %s, %s, after %d entries", v, r.op, r.name, e.Operation, e.Outcome, e.Counter-before.Counter)
			}
			if want := r.want.in(v); got.Status != failed || got.Reason != want {
				t.Errorf("KMIP %s, %s, %s: %s, reason %s (%s); want %s", v, r.op, r.name, got.Status, got.Reason, got.Message, want)
			}
			if got.Status == ok { // it has changed what the others fail on
				f = newFixture(t)
				f.v, *at = v, f
			}
			if got.Status == failed && (got.Message == "" || got.Payload != nil) {
				t.Errorf("KMIP %s, %s, %s: message %q, payload %v", v, r.op, r.name, got.Message, got.Payload)
			}
		}
	}
}

// newest is the last entry of the audit.
func (f *fixture) newest() audit.Entry {
	f.t.Helper()
	list, err := f.svc.Store.Audit(context.Background(), store.AuditQuery{Domain: "default", Limit: 1})
	if err != nil || len(list) == 0 {
		f.t.Fatalf("audit: %v", err)
	}
	return list[0]
}

// edited sends one request whose payload has been edited.
func (f *fixture) edited(v kmip.Version, r refusal, request any) payload.ResponseItem {
	f.t.Helper()
	message := dialect.EncodeRequest(&payload.Request{Version: v, Items: []payload.RequestItem{{Operation: r.op, Payload: request}}})
	if r.edit != nil {
		b := message.Items[1].Clone()
		for i := range b.Items {
			if b.Items[i].Tag == kmip.TagRequestPayload {
				r.edit(&b.Items[i])
			}
		}
		message.Items[1] = b
	}
	return f.raw(wire.Append(nil, message)).Items[0]
}

// setField gives a field of a payload another value, or adds it.
func setField(value kmip.Item) func(*kmip.Item) {
	return func(p *kmip.Item) {
		for i := range p.Items {
			if p.Items[i].Tag == value.Tag {
				p.Items[i] = value
				return
			}
		}
		p.Items = append(p.Items, value)
	}
}

// dropField takes a field out of a payload.
func dropField(tags ...kmip.Tag) func(*kmip.Item) {
	return func(p *kmip.Item) {
		p.Items = slices.DeleteFunc(p.Items, func(i kmip.Item) bool { return slices.Contains(tags, i.Tag) })
	}
}

// withoutIdentifier is a request that leaves the object to the ID Placeholder,
// which is empty.
func withoutIdentifier(op kmip.Operation, request any) refusal {
	return refusal{op: op, name: "no identifier and no ID Placeholder", request: func(*fixture) any { return request }, want: notThere}
}
