package custody

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// CertifyArgs are the arguments of Certify and ReCertify.
type CertifyArgs struct {
	// UID names the public key or Certificate Request, or for ReCertify the
	// certificate that is renewed.
	UID string
	// RequestUID names a managed Certificate Request (ReCertify).
	RequestUID  string
	RequestType kmip.CertificateRequestType
	Request     []byte         // nil when there is none
	Offset      *time.Duration // ReCertify
	Attrs       kmip.Attributes
}

// Certify makes a certificate of a public key (§6.1.6) and returns its Unique
// Identifier. The authority of the domain issues it.
func (s *Service) Certify(ctx context.Context, sc *Scope, a CertifyArgs) (string, error) {
	var uid string
	err := s.do(ctx, sc, "Certify", func() (outcome, error) {
		o := outcome{uid: a.UID}
		if err := s.authorize(ctx, sc, "Certify", policy.Resource{UID: a.UID, Type: uint32(kmip.ObjectTypeCertificate)}); err != nil {
			return o, err
		}
		subject, err := s.certified(ctx, sc, a)
		if err != nil {
			return o, err
		}
		defer destroyMaterial(&subject.key)
		m, err := s.issue(ctx, sc, "Certify", subject, a.Attrs, kmip.Dates{})
		if err != nil {
			return o, err
		}
		uid = m.row.UID
		o.uid, o.change = uid, s.insert(m)
		if subject.public == nil {
			return o, nil
		}
		return o, s.linkBack(ctx, sc, &o.change, []*managed{subject.public}, kmip.LinkTypeCertificateLink, uid)
	})
	return uid, err
}

// subject is what a certificate is made of.
type subject struct {
	key       crypto.KeyMaterial // public key
	algorithm kmip.CryptographicAlgorithm
	name      []byte   // distinguished name, DER; nil when no request says it
	public    *managed // the managed public key; nil when there is none
	request   string   // Unique Identifier of the managed Certificate Request
}

// certified finds the public key that Certify is about: a managed one, that of a
// managed Certificate Request, or that of the request in the message.
func (s *Service) certified(ctx context.Context, sc *Scope, a CertifyArgs) (subject, error) {
	var sub subject
	var m *managed
	if a.UID != "" {
		var err error
		if m, err = s.load(ctx, sc, "Certify", a.UID); err != nil {
			return sub, err
		}
		if m.destroyed() {
			return sub, kmip.Fail(kmip.KindObjectDestroyed, "the object is destroyed")
		}
	}
	if a.Request != nil {
		info, err := readRequest(a.RequestType, a.Request)
		if err != nil {
			return sub, err
		}
		sub.key, sub.algorithm, sub.name = info.PublicKey, info.Algorithm, info.Subject
		if m != nil && m.objectType() == kmip.ObjectTypePublicKey {
			sub.public = m
			return sub, s.sameKey(ctx, sc, m, sub)
		}
		return sub, nil
	}
	if m == nil {
		return sub, kmip.Fail(kmip.KindNoPlaceholder, "Certify needs a public key or a certificate request")
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return sub, err
	}
	defer value.Destroy()
	switch m.objectType() {
	case kmip.ObjectTypeCertificateRequest:
		info, err := readRequest(value.RequestType, value.RequestValue)
		sub.key, sub.algorithm, sub.name, sub.request = info.PublicKey, info.Algorithm, info.Subject, m.row.UID
		return sub, err
	case kmip.ObjectTypePublicKey:
		if sub.key, err = s.publicKey(ctx, sc, "Certify", value); err != nil {
			return sub, err
		}
		sub.algorithm, sub.public = kmip.CryptographicAlgorithm(m.row.Algorithm), m
		return sub, nil
	}
	return sub, kmip.Fail(kmip.KindObjectType, "a %s cannot be certified", m.objectType())
}

func readRequest(t kmip.CertificateRequestType, value []byte) (crypto.RequestInfo, error) {
	if t == 0 {
		return crypto.RequestInfo{}, kmip.Fail(kmip.KindMissingField, "a certificate request has a Certificate Request Type")
	}
	info, err := crypto.ParseRequest(t, value)
	if err != nil {
		return info, kmip.FailFrom(err, kmip.KindCSR, "the certificate request cannot be used")
	}
	return info, nil
}

// publicKey is a public key as a SubjectPublicKeyInfo; the caller destroys it.
func (s *Service) publicKey(ctx context.Context, sc *Scope, action string, value *kmip.Object) (crypto.KeyMaterial, error) {
	if err := s.unwrapForUse(ctx, sc, action, value); err != nil {
		return crypto.KeyMaterial{}, err
	}
	if value.Key.Format == kmip.KeyFormatTypeX509 {
		return crypto.KeyMaterial{Format: value.Key.Format, Bytes: value.Key.Material.Clone(), LengthBits: value.Key.LengthBits}, nil
	}
	return crypto.Convert(value.Type, value.Key, kmip.KeyFormatTypeX509)
}

// sameKey refuses a request that is for another key than the one that is named.
func (s *Service) sameKey(ctx context.Context, sc *Scope, m *managed, sub subject) error {
	value, err := s.reveal(ctx, m)
	if err != nil {
		return err
	}
	defer value.Destroy()
	key, err := s.publicKey(ctx, sc, "Certify", value)
	if err != nil {
		return err
	}
	defer destroyMaterial(&key)
	if !key.Bytes.Equal(sub.key.Bytes) {
		return kmip.Fail(kmip.KindCSR, "the certificate request is for another key")
	}
	return nil
}

// nameTags are the parts of a subject that a client may give where no request
// says it, with their names in a distinguished name.
var nameTags = []struct {
	tag  kmip.Tag
	name string
}{
	{kmip.TagCertificateSubjectCN, "CN"},
	{kmip.TagCertificateSubjectO, "O"},
	{kmip.TagCertificateSubjectOU, "OU"},
	{kmip.TagCertificateSubjectC, "C"},
	{kmip.TagCertificateSubjectST, "ST"},
	{kmip.TagCertificateSubjectL, "L"},
}

// subjectName separates the name of the subject from the other attributes. Where
// no attribute says it, it is the Name of the key, or its identifier.
func subjectName(sub subject, attrs kmip.Attributes) (string, kmip.Attributes) {
	var parts []string
	rest := slices.Clone(attrs)
	for _, t := range nameTags {
		for _, at := range attrs.Instances(kmip.AttributeID{Tag: t.tag}) {
			parts = append(parts, t.name+"="+escapeName(at.Value.Text()))
		}
		rest = rest.Remove(t.tag)
	}
	if v, ok := attrs.Get(kmip.TagCertificateSubject); ok { // KMIP 1.x
		if dn, ok := v.Field(kmip.TagCertificateSubjectDistinguishedName); ok && len(parts) == 0 {
			parts = append(parts, dn.Text())
		}
		rest = rest.Remove(kmip.TagCertificateSubject)
	}
	if len(parts) == 0 {
		name := "unnamed"
		if sub.public != nil {
			name = sub.public.row.UID
			if names := sub.public.attrs.Names(); len(names) > 0 {
				name = names[0]
			}
		}
		parts = append(parts, "CN="+escapeName(name))
	}
	return strings.Join(parts, ","), rest
}

// escapeName writes a value of a distinguished name (RFC 4514).
func escapeName(v string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, "+", `\+`, `"`, `\"`, "<", `\<`, ">", `\>`, ";", `\;`, "=", `\=`).Replace(v)
}

// issue makes a certificate and its record. dates are those of the certificate
// that it replaces.
func (s *Service) issue(ctx context.Context, sc *Scope, action string, sub subject, attrs kmip.Attributes, dates kmip.Dates) (*managed, error) {
	if t := kmip.CertificateType(attrs.Uint32(kmip.TagCertificateType)); t != 0 && t != kmip.CertificateTypeX509 {
		return nil, kmip.Fail(kmip.KindUnsupportedFeature, "certificates of type %s cannot be issued here", t)
	}
	if err := noKeyFormat(attrs); err != nil {
		return nil, err
	}
	name, attrs := subjectName(sub, attrs)
	attrs, err := s.withDefaults(ctx, sc, kmip.ObjectTypeCertificate, attrs)
	if err != nil {
		return nil, err
	}
	if err := checkGiven(attrs); err != nil {
		return nil, err
	}
	authority, err := s.domainAuthority(ctx, sc)
	if err != nil {
		return nil, err
	}
	mask := kmip.CryptographicUsageMask(attrs.Uint32(kmip.TagCryptographicUsageMask))
	if mask == 0 && sub.public != nil {
		mask = kmip.CryptographicUsageMask(sub.public.row.UsageMask)
	}
	from, until := validity(attrs.Dates(), authority, sc.Now)
	der, err := crypto.IssueCertificate(crypto.IssueRequest{
		PublicKey:  crypto.KeyInput{Algorithm: sub.algorithm, Format: sub.key.Format, Material: sub.key.Bytes, Transparent: sub.key.Transparent},
		SubjectDER: sub.name, SubjectText: name, NotBefore: from, NotAfter: until, Usage: mask,
		IssuerCert: authority.Certificate.Raw, IssuerKey: authority.Signer(),
	})
	if err != nil {
		return nil, err
	}
	attrs = slices.Clip(attrs)
	if sub.public != nil {
		attrs = append(attrs, kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypePublicKeyLink, Target: sub.public.row.UID}.Item()))
	}
	if sub.request != "" {
		attrs = append(attrs, reference(kmip.TagCertificateRequestLink, sub.request))
	}
	value := &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: der}
	n, err := s.inspect(ctx, sc, kmip.ObjectTypeCertificate, attrs, value)
	if err != nil {
		return nil, err
	}
	n.dates = dates
	return s.make(ctx, sc, n)
}

// validity is how long a certificate is good: from its Activation Date, or now,
// to its Deactivation Date, or as long as certificates usually are; never longer
// than its authority.
func validity(d kmip.Dates, authority *pki.Authority, now time.Time) (from, until time.Time) {
	from, until = now, d.Deactivation
	if !d.Activation.IsZero() {
		from = d.Activation
	}
	if until.IsZero() {
		until = from.Add(pki.LeafLifetime)
	}
	if end := authority.Certificate.NotAfter; until.After(end) {
		until = end
	}
	return from, until
}

// ReCertify renews a certificate for the same key (§6.1.45) and returns the
// Unique Identifier of the new one, which takes over the Names. The old one
// points to it.
func (s *Service) ReCertify(ctx context.Context, sc *Scope, a CertifyArgs) (string, error) {
	return s.recertify(ctx, sc, a, nil)
}

// recertify is ReCertify if guard, which may be nil, agrees with the old
// certificate.
func (s *Service) recertify(ctx context.Context, sc *Scope, a CertifyArgs, guard func(*managed) error) (string, error) {
	var uid string
	err := s.do(ctx, sc, "ReCertify", func() (outcome, error) {
		o := outcome{uid: a.UID}
		old, err := s.load(ctx, sc, "ReCertify", a.UID)
		if err != nil {
			return o, err
		}
		switch {
		case old.objectType() != kmip.ObjectTypeCertificate:
			return o, kmip.Fail(kmip.KindObjectType, "Re-certify renews certificates; this is a %s", old.objectType())
		case old.destroyed():
			return o, kmip.Fail(kmip.KindObjectDestroyed, "the certificate is destroyed")
		}
		if guard != nil {
			if err := guard(old); err != nil {
				return o, err
			}
		}
		sub, err := s.recertified(ctx, sc, a, old)
		if err != nil {
			return o, err
		}
		defer destroyMaterial(&sub.key)
		_, given := subjectName(sub, a.Attrs)
		if err := checkGiven(given); err != nil {
			return o, err
		}
		attrs, err := inheritCertificate(old, a, sc.Now)
		if err != nil {
			return o, err
		}
		m, err := s.issue(ctx, sc, "ReCertify", sub, attrs, old.attrs.Dates())
		if err != nil {
			return o, err
		}
		uid = m.row.UID
		o.uid = uid
		if o.change, err = s.replace(ctx, sc, old, m); err != nil || sub.public == nil {
			return o, err
		}
		return o, s.relink(ctx, sc, &o.change, sub.public, old.row.UID, uid)
	})
	return uid, err
}

// recertified finds the key of the certificate that is renewed.
func (s *Service) recertified(ctx context.Context, sc *Scope, a CertifyArgs, old *managed) (subject, error) {
	value, err := s.reveal(ctx, old)
	if err != nil {
		return subject{}, err
	}
	info, err := crypto.InspectCertificate(value.CertificateValue)
	if err != nil {
		return subject{}, kmip.Fail(kmip.KindObjectType, "the certificate is not X.509 and cannot be renewed here")
	}
	key, err := crypto.CertificateKey(value.CertificateValue)
	if err != nil {
		return subject{}, err
	}
	sub := subject{key: key, algorithm: info.PublicKeyAlgorithm, name: info.Subject}
	for _, uid := range linked(old.attrs, kmip.LinkTypePublicKeyLink) {
		if sub.public, err = s.load(ctx, sc, "ReCertify", uid); err != nil {
			return sub, err
		}
	}
	request, kind := a.Request, a.RequestType
	if a.RequestUID != "" {
		m, err := s.load(ctx, sc, "ReCertify", a.RequestUID)
		if err != nil {
			return sub, err
		}
		if m.objectType() != kmip.ObjectTypeCertificateRequest {
			return sub, kmip.Fail(kmip.KindObjectType, "a %s is no certificate request", m.objectType())
		}
		object, err := s.reveal(ctx, m)
		if err != nil {
			return sub, err
		}
		request, kind, sub.request = object.RequestValue, object.RequestType, a.RequestUID
	}
	if request == nil {
		return sub, nil
	}
	asked, err := readRequest(kind, request)
	if err != nil {
		return sub, err
	}
	defer destroyMaterial(&asked.PublicKey)
	if !asked.PublicKey.Bytes.Equal(sub.key.Bytes) {
		return sub, kmip.Fail(kmip.KindCSR, "the certificate request is for another key than that of the certificate")
	}
	sub.name = asked.Subject
	return sub, nil
}

// inheritCertificate joins the attributes of the old certificate with those of
// the request; what the certificate itself says is computed anew.
func inheritCertificate(old *managed, a CertifyArgs, now time.Time) (kmip.Attributes, error) {
	all, err := inherit(old, a.Attrs, a.Offset, now)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(at kmip.Attribute) bool {
		rule, _ := kmip.RuleOf(at.AttributeID)
		_, given := a.Attrs.Get(at.Tag)
		return !rule.Create && !given || at.Tag == kmip.TagCryptographicAlgorithm || at.Tag == kmip.TagCryptographicLength ||
			at.Tag == kmip.TagLink && kmip.LinkOf(at.Value).Type == kmip.LinkTypeCertificateLink
	})
	return append(all, kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeReplacedObjectLink, Target: old.row.UID}.Item())), nil
}

// relink plans that the Certificate Link of a public key names the new
// certificate.
func (s *Service) relink(ctx context.Context, sc *Scope, c *store.Change, public *managed, from, to string) error {
	before := &managed{row: public.row, attrs: slices.Clone(public.attrs)}
	public.attrs = slices.DeleteFunc(public.attrs, func(at kmip.Attribute) bool {
		return at.Tag == kmip.TagLink && kmip.LinkOf(at.Value) == kmip.LinkValue{Type: kmip.LinkTypeCertificateLink, Target: from}
	})
	public.attrs = public.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeCertificateLink, Target: to}.Item()))
	row, err := s.update(ctx, sc, public, false)
	if err != nil {
		return err
	}
	c.Update = append(c.Update, row)
	diff(c, before, public)
	return nil
}
