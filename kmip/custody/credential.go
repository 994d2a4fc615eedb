package custody

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// refusedCredential is the one answer to a credential that is wrong.
func refusedCredential() error {
	return kmip.Fail(kmip.KindNotAuthenticated, "the credential is wrong")
}

// beside is the principal of a user whose credential came beside the certificate
// of a client.
func beside(client Principal, name, role string) Principal {
	return Principal{
		Principal:   policy.Principal{Kind: policy.KindUser, Domain: client.Domain, Name: name, Role: role},
		Beside:      &client.Principal,
		Fingerprint: client.Fingerprint,
		Key:         client.Key,
	}
}

// user reads a user that an administrator made; one that was altered in the database
// has no credential.
func (s *Service) user(ctx context.Context, domain, name string) (store.User, error) {
	u, err := s.store.User(ctx, domain, name)
	if errors.Is(err, errAltered) {
		err = refusedCredential()
	}
	return u, err
}

// besideMember is beside for a user that a client made. A user of the same name
// that an administrator made goes before it: nobody takes that one's name in the
// audit.
func (s *Service) besideMember(ctx context.Context, client Principal, name string) (Principal, error) {
	_, err := s.user(ctx, client.Domain, name)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrInvalid):
		return beside(client, name, policy.RoleFull), nil
	case err != nil:
		return Principal{}, s.translate(ctx, err)
	}
	return Principal{}, refusedCredential()
}

// internal is a frame for reading what authentication needs.
func (s *Service) internal(domain string) *Scope {
	return s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "authentication"}}, domain, "system", "", "")
}

// memberObject reads a system object that authentication needs; nil when it is not
// there, or no longer good.
func (s *Service) memberObject(ctx context.Context, sc *Scope, uid string) (*managed, error) {
	row, err := sc.reader.Object(ctx, uid)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // documented
	}
	if err != nil {
		return nil, err
	}
	m, err := s.authenticate(ctx, sc, row)
	if err != nil {
		return nil, err
	}
	if m.destroyed() || m.archived() || m.state == kmip.StateDeactivated || m.state == kmip.StateCompromised {
		return nil, nil //nolint:nilnil // documented
	}
	return m, nil
}

// userByName reads the user object with a Name; nil when there is none.
func (s *Service) userByName(ctx context.Context, sc *Scope, name string) (*managed, error) {
	if name == "" || len(name) > maxNameBytes {
		return nil, nil //nolint:nilnil // documented
	}
	found, err := sc.reader.Find(ctx, store.Query{Names: []string{name}, Types: []uint32{uint32(kmip.ObjectTypeUser)}, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return s.memberObject(ctx, sc, found[0].UID)
}

// userOf reads the user that links to a credential; nil when there is none.
func (s *Service) userOf(ctx context.Context, sc *Scope, credential string) (*managed, error) {
	found, err := sc.reader.Find(ctx, store.Query{
		Types: []uint32{uint32(kmip.ObjectTypeUser)}, Sides: []store.Side{{Kind: store.SideLink, Value: credential}}, Limit: 1,
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return s.memberObject(ctx, sc, found[0].UID)
}

// credentials reads the credentials of a type that a user links to, with their
// values, which the caller destroys.
func (s *Service) credentials(ctx context.Context, sc *Scope, user *managed, t kmip.ObjectType) ([]*managed, []*kmip.Object, error) {
	var list []*managed
	var values []*kmip.Object
	for _, at := range user.attrs.Instances(kmip.AttributeID{Tag: kmip.TagCredentialLink}) {
		m, err := s.memberObject(ctx, sc, at.Value.Text())
		if err != nil {
			return nil, nil, err
		}
		if m == nil || m.objectType() != t {
			continue
		}
		value, err := s.reveal(ctx, m)
		if err != nil {
			return nil, nil, err
		}
		list, values = append(list, m), append(values, value)
	}
	return list, values, nil
}

// nameOfUser is how a user object is called in policy and audit.
func nameOfUser(m *managed) string {
	if names := m.attrs.Names(); len(names) > 0 {
		return printable(names[0])
	}
	return m.row.UID
}

// passwordsOf are the hashes of the passwords of a user, whether an administrator
// or a client made it, with its role.
func (s *Service) passwordsOf(ctx context.Context, domain, name string) (hashes []string, role string, err error) {
	u, err := s.user(ctx, domain, name)
	if err == nil {
		if !u.Disabled.IsZero() {
			return nil, "", nil
		}
		return []string{u.Password}, u.Role, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, "", err
	}
	sc := s.internal(domain)
	user, err := s.userByName(ctx, sc, name)
	if err != nil || user == nil {
		return nil, "", err
	}
	_, values, err := s.credentials(ctx, sc, user, kmip.ObjectTypePasswordCredential)
	if err != nil {
		return nil, "", err
	}
	for _, v := range values {
		p, _ := v.Credential.Field(kmip.TagPassword)
		hashes = append(hashes, p.Text())
		v.Destroy()
	}
	return hashes, policy.RoleFull, nil
}

// AuthenticateUser checks a Username and Password credential that came beside the
// certificate of a client (§9.4): the user belongs to the client's domain, and
// may do what both may.
func (s *Service) AuthenticateUser(ctx context.Context, client Principal, name string, password []byte) (Principal, error) {
	hashes, role, err := s.passwordsOf(ctx, client.Domain, name)
	if err != nil && !errors.Is(err, store.ErrInvalid) {
		return Principal{}, s.translate(ctx, err)
	}
	right := false
	if len(hashes) == 0 {
		hashes = []string{absentUser} // the same work for a user that does not exist
	}
	for _, h := range hashes {
		ok, err := s.passwords.verify(ctx, h, password, s.now())
		if err != nil {
			return Principal{}, s.translate(ctx, err)
		}
		right = right || ok && role != ""
	}
	if !right {
		return Principal{}, kmip.Fail(kmip.KindNotAuthenticated, "user or password is wrong")
	}
	return beside(client, name, role), nil
}

// AuthenticateDevice checks a Device credential (§9.4): the device is one that a
// credential of a user of the client's domain describes.
func (s *Service) AuthenticateDevice(ctx context.Context, client Principal, value kmip.Item) (Principal, error) {
	sc := s.internal(client.Domain)
	found, err := s.store.Find(ctx, client.Domain, store.Query{
		Types: []uint32{uint32(kmip.ObjectTypeDeviceCredential)}, Limit: 10,
		Sides: []store.Side{{Kind: store.SideCredential, Value: "device:" + hex.EncodeToString(deviceKey(value))}},
	})
	if err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	given, _ := value.Field(kmip.TagPassword)
	for _, row := range found {
		m, err := s.memberObject(ctx, sc, row.UID)
		if err != nil || m == nil {
			return Principal{}, errors.Join(refusedCredential(), err)
		}
		kept, err := s.reveal(ctx, m)
		if err != nil {
			return Principal{}, s.translate(ctx, err)
		}
		password, _ := kept.Credential.Field(kmip.TagPassword)
		same := subtle.ConstantTimeCompare(password.Bytes, given.Bytes) == 1
		kept.Destroy()
		if !same {
			continue
		}
		user, err := s.userOf(ctx, sc, row.UID)
		if err != nil {
			return Principal{}, s.translate(ctx, err)
		}
		if user != nil {
			return s.besideMember(ctx, client, nameOfUser(user))
		}
	}
	return Principal{}, refusedCredential()
}

// AuthenticateOneTimePassword checks a One Time Password credential (§9.4), and
// the password beside it if there is one. No code is accepted twice.
func (s *Service) AuthenticateOneTimePassword(ctx context.Context, client Principal, name string, password []byte, hasPassword bool, code string) (Principal, error) {
	if hasPassword {
		if _, err := s.AuthenticateUser(ctx, client, name, password); err != nil {
			return Principal{}, err
		}
	}
	sc := s.internal(client.Domain)
	user, err := s.userByName(ctx, sc, name)
	if err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	if user == nil {
		return Principal{}, refusedCredential()
	}
	list, values, err := s.credentials(ctx, sc, user, kmip.ObjectTypeOneTimePasswordCredential)
	if err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	if len(list) == 0 {
		return Principal{}, refusedCredential()
	}
	for _, v := range values {
		defer v.Destroy()
	}
	who := guessing{client.Domain, client.Name, name}
	if err := s.guesses.check(who, s.now()); err != nil {
		return Principal{}, err
	}
	for i, m := range list {
		o, err := otpOf(*values[i].Credential)
		if err != nil {
			return Principal{}, s.translate(ctx, err)
		}
		counter, _ := m.attrs.Get(kmip.TagOTPCounter)
		after, ok := o.verify(code, counter.Int, s.now())
		if !ok {
			continue
		}
		m.attrs = m.attrs.Set(kmip.LongInteger(kmip.TagOTPCounter, after))
		row, err := s.update(ctx, sc, m, false)
		if err == nil {
			err = s.store.Commit(ctx, store.Change{Update: []store.Object{row}})
		}
		if errors.Is(err, store.ErrConflict) {
			return Principal{}, refusedCredential() // somebody else was faster with it
		}
		if err != nil {
			return Principal{}, s.translate(ctx, err)
		}
		s.guesses.count(who, true, s.now())
		return s.besideMember(ctx, client, name)
	}
	s.guesses.count(who, false, s.now())
	return Principal{}, refusedCredential()
}

// hashedLogin is what Hashed Password credentials of a user are verified by, and
// when the last was.
type hashedLogin struct {
	Last    int64                                  `json:"last,omitempty"` // microseconds; time stamps only grow
	Secrets map[kmip.HashingAlgorithm]hashedSecret `json:"secrets,omitempty"`
}

// hashedSecret are S1 and S2 of §9.4.
type hashedSecret struct {
	S1 []byte `json:"s1"` // Hash(Username ‖ Password)
	S2 []byte `json:"s2"` // Hash(Password ‖ Username)
}

// hashedAlgorithms are those that are kept for users that an administrator makes.
var hashedAlgorithms = []kmip.HashingAlgorithm{kmip.HashingAlgorithmSHA256, kmip.HashingAlgorithmSHA384, kmip.HashingAlgorithmSHA512}

// hashedSecrets computes what Hashed Password credentials are verified by.
func hashedSecrets(name string, password *secret.Bytes) (hashedLogin, error) {
	l := hashedLogin{Secrets: map[kmip.HashingAlgorithm]hashedSecret{}}
	for _, a := range hashedAlgorithms {
		s1, err := crypto.Digest(a, append([]byte(name), password.Reveal()...))
		if err != nil {
			return l, err
		}
		s2, err := crypto.Digest(a, append(append([]byte(nil), password.Reveal()...), name...))
		if err != nil {
			return l, err
		}
		l.Secrets[a] = hashedSecret{s1, s2}
	}
	return l, nil
}

// maxClockAhead bounds how far in the future the time stamp of a Hashed Password
// may lie: one that is too far would lock the user out.
const maxClockAhead = time.Hour

// AuthenticateHashed checks a Hashed Password credential (§9.4), and returns with
// the principal what proves to the client that the server knows the password too.
func (s *Service) AuthenticateHashed(ctx context.Context, client Principal, name string, stamp time.Time, alg kmip.HashingAlgorithm, hashed []byte) (Principal, []byte, error) {
	if alg == 0 {
		alg = kmip.HashingAlgorithmSHA256
	}
	secrets, role, err := s.hashedSecretsOf(ctx, client.Domain, name, alg)
	if err != nil {
		return Principal{}, nil, s.translate(ctx, err)
	}
	for _, h := range secrets {
		want, proof, err := hashedPassword(alg, h, stamp)
		if err != nil {
			return Principal{}, nil, s.translate(ctx, err)
		}
		if subtle.ConstantTimeCompare(want, hashed) != 1 {
			continue
		}
		if err := s.stampHashed(ctx, client.Domain, name, stamp); err != nil {
			return Principal{}, nil, s.translate(ctx, err)
		}
		return beside(client, name, role), proof, nil
	}
	return Principal{}, nil, refusedCredential()
}

// hashedPassword computes Hash(S1 ‖ Timestamp) ‖ S2, and the proof of the server:
// Hash(Timestamp ‖ S1 ‖ Hash(S2)). The time stamp is a Date-Time Extended.
func hashedPassword(alg kmip.HashingAlgorithm, h hashedSecret, stamp time.Time) (hashed, proof []byte, err error) {
	at := kmip.AppendItem(nil, kmip.Item{Type: kmip.TypeDateTimeExtended, Int: stamp.UnixMicro()})[5:]
	first, err := crypto.Digest(alg, append(append([]byte(nil), h.S1...), at...))
	if err != nil {
		return nil, nil, err
	}
	inner, err := crypto.Digest(alg, h.S2)
	if err != nil {
		return nil, nil, err
	}
	proof, err = crypto.Digest(alg, append(append(append([]byte(nil), at...), h.S1...), inner...))
	return append(first, h.S2...), proof, err
}

// hashedSecretsOf reads S1 and S2 of a user.
func (s *Service) hashedSecretsOf(ctx context.Context, domain, name string, alg kmip.HashingAlgorithm) ([]hashedSecret, string, error) {
	u, err := s.user(ctx, domain, name)
	if err == nil {
		l, _, err := s.readHashed(ctx, domain, name)
		if h, ok := l.Secrets[alg]; ok && u.Disabled.IsZero() {
			return []hashedSecret{h}, u.Role, err
		}
		return nil, "", err
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, "", err
	}
	sc := s.internal(domain)
	user, err := s.userByName(ctx, sc, name)
	if err != nil || user == nil {
		return nil, "", err
	}
	_, values, err := s.credentials(ctx, sc, user, kmip.ObjectTypeHashedPasswordCredential)
	var list []hashedSecret
	for _, v := range values {
		a := kmip.HashingAlgorithmSHA256
		if f, ok := v.Credential.Field(kmip.TagHashingAlgorithm); ok {
			a = kmip.HashingAlgorithm(f.Uint32())
		}
		s1, _ := v.Credential.Field(kmip.TagHashedUsernamePassword)
		s2, _ := v.Credential.Field(kmip.TagHashedPasswordUsername)
		if a == alg {
			list = append(list, hashedSecret{append([]byte(nil), s1.Bytes...), append([]byte(nil), s2.Bytes...)})
		}
		v.Destroy()
	}
	return list, policy.RoleFull, err
}

func (s *Service) readHashed(ctx context.Context, domain, name string) (hashedLogin, store.Record, error) {
	var l hashedLogin
	r, err := s.store.Record(ctx, domain, recordHashed, name)
	if errors.Is(err, store.ErrNotFound) {
		return l, store.Record{Domain: domain, Kind: recordHashed, Key: name}, nil
	}
	if err != nil {
		return l, r, err
	}
	return l, r, s.openRecord(ctx, r, &l)
}

// stampHashed takes the time stamp of a credential: later than all before it.
func (s *Service) stampHashed(ctx context.Context, domain, name string, stamp time.Time) error {
	l, r, err := s.readHashed(ctx, domain, name)
	if err != nil {
		return err
	}
	if stamp.UnixMicro() <= l.Last || stamp.After(s.now().Add(maxClockAhead)) {
		return refusedCredential()
	}
	l.Last = stamp.UnixMicro()
	var c store.Change
	if err := s.putSingle(ctx, &c, r, s.now(), l); err != nil {
		return err
	}
	err = s.store.Commit(ctx, c)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) {
		return refusedCredential() // somebody else was faster with it
	}
	return err
}

// AuthenticateAttestation checks an Attestation credential (§9.4). Nothing that
// could be attested to this server is configured, so none convinces.
func (s *Service) AuthenticateAttestation(context.Context, Principal, kmip.Item) error {
	return kmip.Fail(kmip.KindAttestationFailed, "this server has no reference that an attestation could be compared with")
}

// Now is a principal that was authenticated before as it is now: with the roles that
// its client and user have today. It fails when they would not be admitted any more.
func (s *Service) Now(ctx context.Context, p Principal) (Principal, error) {
	client, err := s.clientNow(ctx, p)
	if err != nil {
		return Principal{}, err
	}
	if p.Kind != policy.KindUser {
		p.Principal = client
		return p, nil
	}
	p.Beside = &client
	u, err := s.user(ctx, p.Domain, p.Name)
	if err == nil {
		if !u.Disabled.IsZero() {
			return Principal{}, refusedCredential()
		}
		p.Role = u.Role
		return p, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return Principal{}, err
	}
	m, err := s.userByName(ctx, s.internal(p.Domain), p.Name)
	if err == nil && m == nil {
		err = refusedCredential()
	}
	return p, err
}
