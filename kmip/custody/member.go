package custody

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
)

// UserTypes are the types of objects that clients make and register; the others
// are system objects.
var UserTypes = []kmip.ObjectType{
	kmip.ObjectTypeCertificate, kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey,
	kmip.ObjectTypeSplitKey, kmip.ObjectTypeTemplate, kmip.ObjectTypeSecretData, kmip.ObjectTypeOpaqueObject,
	kmip.ObjectTypePGPKey, kmip.ObjectTypeCertificateRequest,
}

// SystemTypes are the types of system objects (KMIP 3.0): users, groups and the
// credentials of users.
var SystemTypes = []kmip.ObjectType{
	kmip.ObjectTypeUser, kmip.ObjectTypeGroup, kmip.ObjectTypePasswordCredential, kmip.ObjectTypeDeviceCredential,
	kmip.ObjectTypeOneTimePasswordCredential, kmip.ObjectTypeHashedPasswordCredential,
}

func isSystem(t kmip.ObjectType) bool { return slices.Contains(SystemTypes, t) }

// MakeUser makes a user (KMIP 3.0, Create User), who is known by Name and proves
// itself by the credentials that it links to.
func (s *Service) MakeUser(ctx context.Context, sc *Scope, attrs kmip.Attributes) (string, error) {
	return s.member(ctx, sc, "CreateUser", attrs, &kmip.Object{Type: kmip.ObjectTypeUser}, 0)
}

// MakeGroup makes a group (KMIP 3.0, Create Group), which objects and groups
// belong to by their Group Links.
func (s *Service) MakeGroup(ctx context.Context, sc *Scope, attrs kmip.Attributes) (string, error) {
	return s.member(ctx, sc, "CreateGroup", attrs, &kmip.Object{Type: kmip.ObjectTypeGroup}, 0)
}

// MakeCredential makes a credential of a user (KMIP 3.0, Create Credential). The
// value is the structure of its type, or a Certificate.
func (s *Service) MakeCredential(ctx context.Context, sc *Scope, t kmip.CredentialType, attrs kmip.Attributes, value kmip.Item) (string, error) {
	o, err := newCredential(t, value)
	if err != nil {
		err = s.translate(ctx, err)
		s.Refuse(ctx, sc, "CreateCredential", "", err)
		return "", err
	}
	defer o.Destroy()
	return s.member(ctx, sc, "CreateCredential", attrs, o, t)
}

func (s *Service) member(ctx context.Context, sc *Scope, action string, attrs kmip.Attributes, value *kmip.Object, t kmip.CredentialType) (string, error) {
	var uid string
	err := s.do(ctx, sc, action, func() (outcome, error) {
		var o outcome
		if err := s.authorize(ctx, sc, action, policy.Resource{Type: uint32(value.Type)}); err != nil {
			return o, err
		}
		if err := checkCreation(attrs); err != nil {
			return o, err
		}
		if err := s.checkLinks(ctx, sc, action, attrs); err != nil {
			return o, err
		}
		n := newborn{typ: value.Type, attrs: attrs, value: value, system: true, credential: t}
		m, err := s.make(ctx, sc, n)
		if err != nil {
			return o, err
		}
		uid = m.row.UID
		return outcome{uid: uid, change: s.insert(m)}, nil
	})
	return uid, err
}

// checkLinks refuses Credential Links and Group Links to what is no credential
// and no group.
func (s *Service) checkLinks(ctx context.Context, sc *Scope, action string, attrs kmip.Attributes) error {
	for _, at := range attrs {
		if at.Tag != kmip.TagCredentialLink && at.Tag != kmip.TagGroupLink {
			continue
		}
		m, err := s.load(ctx, sc, action, at.Value.Text())
		if err != nil {
			return err
		}
		t := m.objectType()
		switch {
		case at.Tag == kmip.TagGroupLink && t != kmip.ObjectTypeGroup,
			at.Tag == kmip.TagCredentialLink && !isCredential(m):
			return kmip.Fail(kmip.KindAttributeValue, "%s names a %s", at, t)
		}
	}
	return nil
}

// isCredential reports whether users can prove themselves by an object.
func isCredential(m *managed) bool {
	switch m.objectType() {
	case kmip.ObjectTypePasswordCredential, kmip.ObjectTypeDeviceCredential, kmip.ObjectTypeOneTimePasswordCredential, kmip.ObjectTypeHashedPasswordCredential:
		return true
	}
	return m.objectType() == kmip.ObjectTypeCertificate && m.attrs.Has(kmip.TagCredentialType)
}

// newCredential brings what a client gives into the form that is kept: never a
// password, but its hash.
func newCredential(t kmip.CredentialType, value kmip.Item) (*kmip.Object, error) {
	o := &kmip.Object{}
	wrong := kmip.Fail(kmip.KindMissingField, "a %s credential needs its own structure", t)
	switch {
	case t == kmip.CredentialTypeCertificate && value.Tag == kmip.TagCertificate:
		kind, _ := value.Field(kmip.TagCertificateType)
		der, _ := value.Field(kmip.TagCertificateValue)
		o.Type, o.CertificateType, o.CertificateValue = kmip.ObjectTypeCertificate, kmip.CertificateType(kind.Uint32()), der.Bytes
		if o.CertificateType != kmip.CertificateTypeX509 {
			return nil, kmip.Fail(kmip.KindUnsupportedFeature, "certificates of type %s are no credentials here", o.CertificateType)
		}
		_, err := crypto.InspectCertificate(o.CertificateValue)
		return o, err
	case t == kmip.CredentialTypePassword && value.Tag == kmip.TagPasswordCredential:
		password, ok := value.Field(kmip.TagPassword)
		if !ok || len(password.Bytes) == 0 {
			return nil, kmip.Fail(kmip.KindUnsupportedFeature, "a password that is salted already cannot be verified here; give the password")
		}
		p := secret.Copy(password.Bytes)
		defer p.Destroy()
		kept := kmip.Structure(value.Tag, kmip.Text(kmip.TagPassword, hashPassword(p)))
		o.Type, o.Credential = kmip.ObjectTypePasswordCredential, &kept
	case t == kmip.CredentialTypeDevice && value.Tag == kmip.TagDeviceCredential:
		if len(value.Items) == 0 {
			return nil, kmip.Fail(kmip.KindMissingField, "a device credential needs one of its fields")
		}
		kept := value.Clone()
		o.Type, o.Credential = kmip.ObjectTypeDeviceCredential, &kept
	case t == kmip.CredentialTypeHashedPassword && value.Tag == kmip.TagHashedPasswordCredential:
		for _, tag := range []kmip.Tag{kmip.TagHashedUsernamePassword, kmip.TagHashedPasswordUsername} {
			if f, ok := value.Field(tag); !ok || f.Type != kmip.TypeByteString || len(f.Bytes) == 0 {
				return nil, kmip.Fail(kmip.KindMissingField, "a hashed password credential needs %s", tag.Title())
			}
		}
		kept := value.Clone()
		o.Type, o.Credential = kmip.ObjectTypeHashedPasswordCredential, &kept
	case t == kmip.CredentialTypeOneTimePassword && value.Tag == kmip.TagOTPCredential:
		if _, err := otpOf(value); err != nil {
			return nil, err
		}
		kept := value.Clone()
		o.Type, o.Credential = kmip.ObjectTypeOneTimePasswordCredential, &kept
	case value.Tag == 0:
		return nil, wrong
	default:
		return nil, kmip.Fail(kmip.KindInvalidField, "%s does not belong to a %s credential", value.Tag.Title(), t)
	}
	return o, nil
}

// deviceDigest is the vendor attribute by which a device credential is found.
var deviceDigest = kmip.VendorAttribute(kmip.VendorY, "Device Digest")

// credentialAttributes sets what is told of a credential (KMIP 3.0).
func credentialAttributes(a kmip.Attributes, n newborn) kmip.Attributes {
	if n.credential == 0 {
		return a
	}
	a = a.Set(kmip.Enumeration(kmip.TagCredentialType, n.credential))
	switch n.value.Type {
	case kmip.ObjectTypeDeviceCredential:
		a = a.Add(kmip.Attribute{AttributeID: deviceDigest, Value: kmip.ByteString(kmip.TagAttribute, deviceKey(*n.value.Credential))})
	case kmip.ObjectTypeOneTimePasswordCredential:
		a = a.Set(kmip.LongInteger(kmip.TagOTPCounter, 0))
	}
	return a
}

// deviceKey is what a device is recognised by: all that identifies it, without
// the password.
func deviceKey(value kmip.Item) []byte {
	h := sha256.New()
	for _, tag := range []kmip.Tag{
		kmip.TagDeviceSerialNumber, kmip.TagDeviceIdentifier, kmip.TagNetworkIdentifier, kmip.TagMachineIdentifier, kmip.TagMediaIdentifier,
	} {
		f, _ := value.Field(tag)
		sum := sha256.Sum256(f.Bytes)
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

// credentialKey is what a credential is found by in the store; empty for what is
// none.
func credentialKey(m *managed, at kmip.Attribute) string {
	switch {
	case at.AttributeID == deviceDigest && m.objectType() == kmip.ObjectTypeDeviceCredential:
		return "device:" + hex.EncodeToString(at.Value.Bytes)
	case at.Tag == kmip.TagDigest && m.objectType() == kmip.ObjectTypeCertificate && m.attrs.Has(kmip.TagCredentialType):
		v, _ := at.Value.Field(kmip.TagDigestValue)
		return "certificate:" + hex.EncodeToString(v.Bytes)
	}
	return ""
}
