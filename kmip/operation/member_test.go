package operation_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
)

func reference(tag kmip.Tag, target string) kmip.Item {
	return kmip.Item{Tag: tag, Type: kmip.TypeReference, Bytes: []byte(target)}
}

// credential makes a credential of KMIP 3.0.
func (s *server) credential(r *payload.CreateCredentialRequest) string {
	s.t.Helper()
	return one[payload.CreateCredentialResponse](s, kmip.V30, kmip.OperationCreateCredential, r).UniqueIdentifier
}

// user makes a user of KMIP 3.0 with credentials.
func (s *server) user(n string, credentials ...string) string {
	s.t.Helper()
	attrs := []kmip.Item{name(n)}
	for _, c := range credentials {
		attrs = append(attrs, reference(kmip.TagCredentialLink, c))
	}
	return one[payload.CreateUserResponse](s, kmip.V30, kmip.OperationCreateUser, &payload.CreateUserRequest{Attributes: template(attrs...)}).UniqueIdentifier
}

func passwordCredential(pass string, attrs ...kmip.Item) *payload.CreateCredentialRequest {
	i := kmip.Structure(kmip.TagPasswordCredential, kmip.Text(kmip.TagPassword, pass))
	return &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypePassword, Attributes: template(attrs...), PasswordCredential: &i}
}

func otpCredential(fields ...kmip.Item) *payload.CreateCredentialRequest {
	i := kmip.Structure(kmip.TagOTPCredential, fields...)
	return &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeOneTimePassword, OTPCredential: &i}
}

// admitted tells whom a credential admits, beside the certificate of a client.
func admitted(t *testing.T, what string, p custody.Principal, err error, name string) {
	t.Helper()
	switch {
	case name == "" && kmip.KindOf(err) != kmip.KindNotAuthenticated:
		t.Errorf("%s: %q, %v; want to be refused", what, p.Name, err)
	case name != "" && (err != nil || p.Name != name || p.Kind != policy.KindUser || p.Beside == nil):
		t.Errorf("%s: %+v, %v; want the user %q", what, p, err, name)
	}
}

// Users, groups and credentials are objects of KMIP 3.0: the server makes them,
// they have attributes and a life, and their values never leave.
func TestUsersGroupsAndCredentialsAreObjects(t *testing.T) {
	s := newServer(t)
	c := s.credential(passwordCredential("pw", name("password of alice")))
	r := s.send(kmip.V30, 0, batch(kmip.OperationCreateGroup, &payload.CreateGroupRequest{Attributes: template(name("keepers"))}),
		batch(kmip.OperationGetAttributes, &payload.GetAttributesRequest{}))
	if !equal(statuses(r), []kmip.ResultStatus{ok, ok}) {
		t.Fatalf("%+v", r.Items)
	}
	group := r.Items[0].Payload.(*payload.CreateGroupResponse).UniqueIdentifier
	if got := r.Items[1].Payload.(*payload.GetAttributesResponse).UniqueIdentifier; got != group {
		t.Errorf("the ID Placeholder is %s, want %s", got, group)
	}
	u := s.user("alice", c)
	for uid, want := range map[string]kmip.ObjectType{c: kmip.ObjectTypePasswordCredential, group: kmip.ObjectTypeGroup, u: kmip.ObjectTypeUser} {
		a := s.attributes(kmip.V30, uid)
		if a.Uint32(kmip.TagObjectType) != uint32(want) || a.Uint32(kmip.TagObjectClass) != uint32(kmip.ObjectClassSystem) {
			t.Errorf("%s: type %s, class %s", want, kmip.ObjectType(a.Uint32(kmip.TagObjectType)), kmip.ObjectClass(a.Uint32(kmip.TagObjectClass)))
		}
		if r := s.try(kmip.V30, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)}); r.Status != failed || r.Reason != kmip.ResultReasonInvalidObjectType {
			t.Errorf("Get of a %s: %s %s", want, r.Status, r.Reason)
		}
		if r := s.try(kmip.V30, kmip.OperationExport, &payload.ExportRequest{UniqueIdentifier: ref(uid)}); r.Status != failed {
			t.Errorf("a %s was exported", want)
		}
		one[payload.AddAttributeResponse](s, kmip.V30, kmip.OperationAddAttribute, &payload.AddAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(kmip.Text(kmip.TagDescription, "d"))})
		for _, v := range []kmip.Version{kmip.V14, kmip.V21} { // what they cannot say is left out
			one[payload.GetAttributesResponse](s, v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)})
		}
	}
	if got := s.attributes(kmip.V30, c).Uint32(kmip.TagCredentialType); got != uint32(kmip.CredentialTypePassword) {
		t.Errorf("Credential Type %d", got)
	}
	member := s.create(kmip.V30, append(items(aes()), reference(kmip.TagGroupLink, group))...)
	if got := s.attributes(kmip.V30, member).Text(kmip.TagGroupLink); got != group {
		t.Errorf("Group Link %q, want %s", got, group)
	}
	r = s.send(kmip.V30, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationCreateUser, &payload.CreateUserRequest{Attributes: template(name("bob"))}), getItem("nothing"))
	if !equal(statuses(r), []kmip.ResultStatus{undone, failed}) {
		t.Fatalf("%+v", r.Items)
	}
	s.user("bob") // the name is free
	if op, object, outcome := s.lastRecord(); op != "CreateUser" || object == "" || outcome != "success" {
		t.Errorf("recorded %s of %q: %s", op, object, outcome)
	}
	for _, v := range []kmip.Version{kmip.V14, kmip.V21} {
		s.fails(v, "Create User", kmip.OperationCreateUser, &payload.CreateUserRequest{}, kmip.ResultReasonOperationNotSupported)
	}
	if got := one[payload.QueryResponse](s, kmip.V30, kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryCredentialInformation}}); got.CredentialInformation == nil || len(got.CredentialInformation.CredentialType) == 0 {
		t.Error("Query does not tell which credentials are accepted")
	}
}

func TestPasswordsOfUsers(t *testing.T) {
	s := newServer(t)
	_, client := s.client("array")
	ctx := context.Background()
	first, second := s.credential(passwordCredential("one")), s.credential(passwordCredential("two"))
	u := s.user("alice", first, second)
	try := func(what, name, pass, want string) {
		t.Helper()
		p, err := s.svc.AuthenticateUser(ctx, client, name, []byte(pass))
		admitted(t, what, p, err, want)
	}
	try("the first password", "alice", "one", "alice")
	try("the second password", "alice", "two", "alice")
	try("a wrong password", "alice", "three", "")
	try("no such user", "bob", "one", "")
	try("no name", "", "one", "")
	one[payload.RevokeResponse](s, kmip.V30, kmip.OperationRevoke, &payload.RevokeRequest{UniqueIdentifier: ref(first), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeKeyCompromise}})
	try("a password that was revoked", "alice", "one", "")
	try("the other one", "alice", "two", "alice")
	one[payload.DeleteAttributeResponse](s, kmip.V30, kmip.OperationDeleteAttribute, &payload.DeleteAttributeRequest{UniqueIdentifier: ref(u), AttributeReference: []kmip.AttributeID{{Tag: kmip.TagCredentialLink}}})
	try("a password that is linked no more", "alice", "two", "")
	other := s.in("other")
	p, err := s.svc.AuthenticateUser(ctx, custody.Principal{Principal: policy.Principal{Kind: policy.KindClient, Domain: "other", Name: "x"}}, "alice", []byte("two"))
	admitted(t, "a user of another domain", p, err, "")
	_ = other
}

func TestDevices(t *testing.T) {
	s := newServer(t)
	_, client := s.client("array")
	device := func(tag kmip.Tag, fields ...kmip.Item) kmip.Item { return kmip.Structure(tag, fields...) }
	serial, pass := kmip.Text(kmip.TagDeviceSerialNumber, "SN-77"), kmip.Text(kmip.TagPassword, "pw")
	value := device(kmip.TagDeviceCredential, serial, pass, kmip.Text(kmip.TagNetworkIdentifier, "00:11:22"))
	s.user("shelf", s.credential(&payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeDevice, DeviceCredential: &value}))
	for what, c := range map[string]struct {
		value kmip.Item
		want  string
	}{
		"all of it":         {device(kmip.TagCredentialValue, serial, pass, kmip.Text(kmip.TagNetworkIdentifier, "00:11:22")), "shelf"},
		"in another order":  {device(kmip.TagCredentialValue, kmip.Text(kmip.TagNetworkIdentifier, "00:11:22"), pass, serial), "shelf"},
		"a wrong password":  {device(kmip.TagCredentialValue, serial, kmip.Text(kmip.TagPassword, "px"), kmip.Text(kmip.TagNetworkIdentifier, "00:11:22")), ""},
		"no password":       {device(kmip.TagCredentialValue, serial, kmip.Text(kmip.TagNetworkIdentifier, "00:11:22")), ""},
		"less of it":        {device(kmip.TagCredentialValue, serial, pass), ""},
		"another serial":    {device(kmip.TagCredentialValue, kmip.Text(kmip.TagDeviceSerialNumber, "SN-78"), pass, kmip.Text(kmip.TagNetworkIdentifier, "00:11:22")), ""},
		"something besides": {device(kmip.TagCredentialValue, serial, pass, kmip.Text(kmip.TagNetworkIdentifier, "00:11:22"), kmip.Text(kmip.TagMediaIdentifier, "m")), ""},
		"nothing":           {device(kmip.TagCredentialValue), ""},
	} {
		p, err := s.svc.AuthenticateDevice(context.Background(), client, c.value)
		admitted(t, what, p, err, c.want)
	}
}

// HOTP of RFC 4226, appendix D: each code once, and codes that were left out are
// passed over.
func TestCounterOneTimePasswords(t *testing.T) {
	s := newServer(t)
	_, client := s.client("array")
	codes := []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"}
	s.user("alice", s.credential(otpCredential(kmip.Enumeration(kmip.TagOTPAlgorithm, kmip.OTPAlgorithmHOTP), kmip.ByteString(kmip.TagOTPSeed, []byte("12345678901234567890")))), s.credential(passwordCredential("pw")))
	try := func(what, code, want string) {
		t.Helper()
		p, err := s.svc.AuthenticateOneTimePassword(context.Background(), client, "alice", nil, false, code)
		admitted(t, what, p, err, want)
	}
	for i, code := range codes[:4] {
		try(fmt.Sprintf("code %d", i), code, "alice")
		try(fmt.Sprintf("code %d once more", i), code, "")
	}
	try("code 6, two were left out", codes[6], "alice")
	try("code 5, which was left out", codes[5], "")
	try("a code of nobody", "000000", "")
	try("an empty code", "", "")
	p, err := s.svc.AuthenticateOneTimePassword(context.Background(), client, "alice", []byte("px"), true, codes[7])
	admitted(t, "a wrong password beside the code", p, err, "")
	p, err = s.svc.AuthenticateOneTimePassword(context.Background(), client, "alice", []byte("pw"), true, codes[7])
	admitted(t, "the password beside the code", p, err, "alice")
	p, err = s.svc.AuthenticateOneTimePassword(context.Background(), client, "bob", nil, false, codes[8])
	admitted(t, "no such user", p, err, "")
}

// A client that guesses has to wait, and longer each time; other clients do not.
func TestGuessesAtOneTimePasswordsAreSlowedDown(t *testing.T) {
	s := newServer(t)
	_, client := s.client("array")
	_, other := s.client("other")
	s.user("alice", s.credential(otpCredential(kmip.Enumeration(kmip.TagOTPAlgorithm, kmip.OTPAlgorithmHOTP), kmip.ByteString(kmip.TagOTPSeed, []byte("12345678901234567890")))))
	try := func(what string, by custody.Principal, code, want string) {
		t.Helper()
		p, err := s.svc.AuthenticateOneTimePassword(context.Background(), by, "alice", nil, false, code)
		admitted(t, what, p, err, want)
	}
	for range 10 {
		try("a guess", client, "000000", "")
	}
	try("the right code too early", client, "755224", "")
	try("the right code of another client", other, "755224", "alice")
	s.svc.Clock.Advance(time.Second)
	try("one more guess", client, "000000", "")
	s.svc.Clock.Advance(time.Second)
	try("the right code a second later", client, "287082", "")
	s.svc.Clock.Advance(time.Second)
	try("the right code two seconds later", client, "287082", "alice")
	try("the count has begun anew", client, "000000", "")
	try("the next code", client, "359152", "alice")
}

// TOTP of RFC 6238, appendix B, with each hash: each code in its time, and once.
func TestTimeOneTimePasswords(t *testing.T) {
	times := []int64{59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000}
	for _, c := range []struct {
		hash  kmip.HashingAlgorithm
		seed  string
		codes []string
	}{
		{kmip.HashingAlgorithmSHA1, "12345678901234567890", []string{"94287082", "07081804", "14050471", "89005924", "69279037", "65353130"}},
		{kmip.HashingAlgorithmSHA256, "12345678901234567890123456789012", []string{"46119246", "68084774", "67062674", "91819424", "90698825", "77737706"}},
		{kmip.HashingAlgorithmSHA512, "1234567890123456789012345678901234567890123456789012345678901234", []string{"90693936", "25091201", "99943326", "93441116", "38618901", "47863826"}},
	} {
		s := newServer(t)
		_, client := s.client("array")
		s.user("alice", s.credential(otpCredential(kmip.Enumeration(kmip.TagOTPAlgorithm, kmip.OTPAlgorithmTOTP), kmip.Enumeration(kmip.TagOTPDigest, c.hash),
			kmip.ByteString(kmip.TagOTPSeed, []byte(c.seed)), kmip.Interval(kmip.TagOTPInterval, 30*time.Second), kmip.Integer(kmip.TagOTPDigits, 8))))
		try := func(what, code, want string) {
			t.Helper()
			p, err := s.svc.AuthenticateOneTimePassword(context.Background(), client, "alice", nil, false, code)
			admitted(t, fmt.Sprintf("%s, %s", c.hash, what), p, err, want)
		}
		at := func(when int64) { s.svc.Clock.Advance(time.Unix(when, 0).Sub(s.svc.Clock.Now())) }
		for i, when := range times {
			at(when + 120)
			try(fmt.Sprintf("code of %d, two minutes late", when), c.codes[i], "")
			at(when)
			try(fmt.Sprintf("code of %d", when), c.codes[i], "alice")
			try(fmt.Sprintf("code of %d once more", when), c.codes[i], "")
		}
	}
}

// hashedCredential computes what §9.4 says: Hash(S1 ‖ Timestamp) ‖ S2, and what
// the server answers: Hash(Timestamp ‖ S1 ‖ Hash(S2)).
func hashedCredential(sum func(...[]byte) []byte, user, pass string, at time.Time) (hashed, proof []byte) {
	stamp := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	s1, s2 := sum([]byte(user), []byte(pass)), sum([]byte(pass), []byte(user))
	return append(sum(s1, stamp), s2...), sum(stamp, s1, sum(s2))
}

func sum256(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func sum512(parts ...[]byte) []byte {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// A hashed password admits once, with a time stamp that is later than all before
// it; the server proves that it knows the password too.
func TestHashedPasswords(t *testing.T) {
	s := newServer(t)
	_, client := s.client("array")
	ctx := context.Background()
	if err := s.svc.CreateUser(ctx, s.svc.Administrator("default"), "carol", policy.RoleFull, secret.Copy([]byte("pw"))); err != nil {
		t.Fatal(err)
	}
	value := kmip.Structure(kmip.TagHashedPasswordCredential, kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA512),
		kmip.ByteString(kmip.TagHashedUsernamePassword, sum512([]byte("alice"), []byte("pw"))), kmip.ByteString(kmip.TagHashedPasswordUsername, sum512([]byte("pw"), []byte("alice"))))
	s.user("alice", s.credential(&payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeHashedPassword, HashedPasswordCredential: &value}))
	now := s.svc.Clock.Now()
	for _, c := range []struct {
		user string
		alg  kmip.HashingAlgorithm
		sum  func(...[]byte) []byte
	}{{"carol", 0, sum256}, {"carol", kmip.HashingAlgorithmSHA512, sum512}, {"alice", kmip.HashingAlgorithmSHA512, sum512}} {
		now = now.Add(time.Second)
		try := func(what string, stamp time.Time, pass, want string) {
			t.Helper()
			hashed, proof := hashedCredential(c.sum, c.user, pass, stamp)
			p, got, err := s.svc.AuthenticateHashed(ctx, client, c.user, stamp, c.alg, hashed)
			admitted(t, c.user+": "+what, p, err, want)
			if want != "" && string(got) != string(proof) || want == "" && got != nil {
				t.Errorf("%s: %s: the server proves with %x, want %x", c.user, what, got, proof)
			}
		}
		try("a wrong password", now, "px", "")
		try("the password", now, "pw", c.user)
		try("the same once more", now, "pw", "")
		try("an earlier time", now.Add(-time.Microsecond), "pw", "")
		try("a microsecond later", now.Add(time.Microsecond), "pw", c.user)
		try("tomorrow", now.Add(24*time.Hour), "pw", "")
	}
	hashed, _ := hashedCredential(sum256, "nobody", "pw", now)
	p, _, err := s.svc.AuthenticateHashed(ctx, client, "nobody", now, 0, hashed)
	admitted(t, "no such user", p, err, "")
	p, _, err = s.svc.AuthenticateHashed(ctx, client, "carol", now.Add(time.Minute), kmip.HashingAlgorithmMD5, hashed)
	admitted(t, "a hash that is not kept", p, err, "")
}

// The certificate of a client that is the credential of a user makes the client
// that user.
func TestCertificatesOfUsers(t *testing.T) {
	s := newServer(t)
	ctx := context.Background()
	made, err := s.svc.CreateClient(ctx, s.svc.Administrator("default"), "laptop", policy.RoleFull)
	if err != nil {
		t.Fatal(err)
	}
	i := certificateItem(made.Issued.Certificate.Raw)
	c := s.credential(&payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeCertificate, Certificate: &i})
	p, err := s.svc.AuthenticateClient(ctx, made.Issued.Certificate)
	if err != nil || p.Kind != policy.KindClient {
		t.Errorf("a certificate that no user links to: %+v, %v", p, err)
	}
	u := s.user("dave", c)
	s.svc.Clock.Advance(2 * time.Second)
	p, err = s.svc.AuthenticateClient(ctx, made.Issued.Certificate)
	admitted(t, "the certificate", p, err, "dave")
	one[payload.DestroyResponse](s, kmip.V30, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(u)})
	s.svc.Clock.Advance(2 * time.Second)
	p, err = s.svc.AuthenticateClient(ctx, made.Issued.Certificate)
	if err != nil || p.Kind != policy.KindClient {
		t.Errorf("the certificate of a user who is gone: %+v, %v", p, err)
	}
}

// Nothing is configured that an attestation could be compared with.
func TestAttestationConvincesNobody(t *testing.T) {
	s := newServer(t)
	_, client := s.client("array")
	if err := s.svc.AuthenticateAttestation(context.Background(), client, kmip.Structure(kmip.TagCredentialValue)); kmip.KindOf(err) != kmip.KindAttestationFailed {
		t.Errorf("%v", err)
	}
}

// What users, groups and credentials cannot be made with (KMIP 3.0).
func TestMembersThatAreRefused(t *testing.T) {
	s := newServer(t)
	key := s.create(kmip.V30, items(aes())...)
	s.user("alice")
	empty := func(tag kmip.Tag) *kmip.Item { i := kmip.Structure(tag); return &i }
	seed := kmip.ByteString(kmip.TagOTPSeed, make([]byte, 20))
	hotp := kmip.Enumeration(kmip.TagOTPAlgorithm, kmip.OTPAlgorithmHOTP)
	certificate := kmip.Structure(kmip.TagCertificate, kmip.Enumeration(kmip.TagCertificateType, kmip.CertificateTypeX509), kmip.ByteString(kmip.TagCertificateValue, []byte("no")))
	for _, c := range []struct {
		name    string
		op      kmip.Operation
		payload any
		want    kmip.ResultReason
	}{
		{"a user with a taken Name", kmip.OperationCreateUser, &payload.CreateUserRequest{Attributes: template(name("alice"))}, kmip.ResultReasonNonUniqueNameAttribute},
		{"a user with a State", kmip.OperationCreateUser, &payload.CreateUserRequest{Attributes: template(kmip.Enumeration(kmip.TagState, kmip.StateActive))}, kmip.ResultReasonAttributeReadOnly},
		{"a user with a Credential Link to a key", kmip.OperationCreateUser, &payload.CreateUserRequest{Attributes: template(reference(kmip.TagCredentialLink, key))}, kmip.ResultReasonInvalidAttributeValue},
		{"a user with a Credential Link to nothing", kmip.OperationCreateUser, &payload.CreateUserRequest{Attributes: template(reference(kmip.TagCredentialLink, "nothing"))}, kmip.ResultReasonObjectNotFound},
		{"a group in what is no group", kmip.OperationCreateGroup, &payload.CreateGroupRequest{Attributes: template(reference(kmip.TagGroupLink, key))}, kmip.ResultReasonInvalidAttributeValue},
		{"a credential without its structure", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypePassword}, kmip.ResultReasonInvalidMessage},
		{"a credential with another structure", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeDevice, PasswordCredential: passwordCredential("x").PasswordCredential}, kmip.ResultReasonInvalidField},
		{"a credential with two structures", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypePassword, PasswordCredential: passwordCredential("x").PasswordCredential, DeviceCredential: empty(kmip.TagDeviceCredential)}, kmip.ResultReasonInvalidField},
		{"a password without a password", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypePassword, PasswordCredential: empty(kmip.TagPasswordCredential)}, kmip.ResultReasonFeatureNotSupported},
		{"a device without a field", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeDevice, DeviceCredential: empty(kmip.TagDeviceCredential)}, kmip.ResultReasonInvalidMessage},
		{"a hashed password without its hashes", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeHashedPassword, HashedPasswordCredential: empty(kmip.TagHashedPasswordCredential)}, kmip.ResultReasonInvalidMessage},
		{"one-time passwords without a seed", kmip.OperationCreateCredential, otpCredential(hotp), kmip.ResultReasonInvalidField},
		{"one-time passwords of ten digits", kmip.OperationCreateCredential, otpCredential(hotp, seed, kmip.Integer(kmip.TagOTPDigits, 10)), kmip.ResultReasonInvalidField},
		{"one-time passwords with MD5", kmip.OperationCreateCredential, otpCredential(hotp, kmip.Enumeration(kmip.TagOTPDigest, kmip.HashingAlgorithmMD5), seed), kmip.ResultReasonInvalidField},
		{"one-time passwords of a day", kmip.OperationCreateCredential, otpCredential(hotp, seed, kmip.Interval(kmip.TagOTPInterval, 24*time.Hour)), kmip.ResultReasonInvalidField},
		{"a certificate that is none", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeCertificate, Certificate: &certificate}, kmip.ResultReasonInvalidField},
		{"a ticket", kmip.OperationCreateCredential, &payload.CreateCredentialRequest{CredentialType: kmip.CredentialTypeTicket, PasswordCredential: passwordCredential("x").PasswordCredential}, kmip.ResultReasonInvalidField},
	} {
		s.fails(kmip.V30, c.name, c.op, c.payload, c.want)
	}
}
