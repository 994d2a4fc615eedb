package custody

import (
	"context"
	"slices"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/lifecycle"
	"github.com/claviger/claviger/kmip/secret"
)

// defaultAlias is the friendly name in a PKCS#12 container of a key that has
// none (1.4 §3.45).
const defaultAlias = "alias"

// maxChain bounds the certificates that go with a private key.
const maxChain = 16

// containerOf replaces a private key, or a certificate of one, by a PKCS#12
// container of the key and its certificate chain (§6.1.19), under the password
// that its PKCS#12 Password Link names.
func (s *Service) containerOf(ctx context.Context, sc *Scope, action string, m *managed, value *kmip.Object) error {
	password, err := s.containerPassword(ctx, sc, action, m.attrs, false)
	if err != nil {
		return err
	}
	defer password.Destroy()
	private, key := m, value
	if value.Type == kmip.ObjectTypeCertificate {
		if private, err = s.privateKeyOf(ctx, sc, action, m); err != nil {
			return err
		}
		if key, err = s.give(ctx, sc, action, private, GetOptions{Format: kmip.KeyFormatTypePKCS8}); err != nil {
			return err
		}
		defer key.Destroy()
	}
	if key.Type != kmip.ObjectTypePrivateKey {
		return kmip.Fail(kmip.KindKeyFormat, "a %s has no Key Format Type PKCS#12", key.Type)
	}
	chain, err := s.chainOf(ctx, sc, action, private)
	if err != nil {
		return err
	}
	alias := m.attrs.Text(kmip.TagPKCS12FriendlyName)
	if alias == "" {
		alias = defaultAlias
	}
	container, err := crypto.EncodePKCS12(crypto.KeyInput{
		Algorithm: kmip.CryptographicAlgorithm(private.row.Algorithm), Format: key.Key.Format, Material: key.Key.Material, Transparent: key.Key.Transparent,
	}, chain, string(password.Reveal()), alias)
	if err != nil {
		return err
	}
	value.Destroy()
	value.Type, value.CertificateType, value.CertificateValue = kmip.ObjectTypePrivateKey, 0, nil
	value.Key = &kmip.KeyBlock{
		Format: kmip.KeyFormatTypePKCS12, Material: container,
		Algorithm: kmip.CryptographicAlgorithm(private.row.Algorithm), LengthBits: private.row.LengthBits,
	}
	return nil
}

// openContainer replaces a PKCS#12 container, as it was registered, by the
// private key in it as PKCS#8.
func (s *Service) openContainer(ctx context.Context, sc *Scope, action string, m *managed, value *kmip.Object) error {
	password, err := s.containerPassword(ctx, sc, action, m.attrs, false)
	if err != nil {
		return err
	}
	defer password.Destroy()
	opened, err := crypto.DecodePKCS12(value.Key.Material.Reveal(), string(password.Reveal()))
	if err != nil {
		return kmip.FailFrom(err, kmip.KindPKCS12Password, "the PKCS#12 container cannot be opened with the linked password")
	}
	value.Key.Material.Destroy()
	value.Key.Format, value.Key.Material = kmip.KeyFormatTypePKCS8, opened.Private.Bytes
	return nil
}

// inspectContainer opens the container of a key that is being registered and
// tells what is in it. The linked password must be Active.
func (s *Service) inspectContainer(ctx context.Context, sc *Scope, n *newborn, k *kmip.KeyBlock) error {
	if k.Material == nil {
		return kmip.Fail(kmip.KindInvalidField, "a PKCS#12 container is a byte string")
	}
	password, err := s.containerPassword(ctx, sc, "Register", n.attrs, true)
	if err != nil {
		return err
	}
	defer password.Destroy()
	opened, err := crypto.DecodePKCS12(k.Material.Reveal(), string(password.Reveal()))
	if err != nil {
		return kmip.FailFrom(err, kmip.KindPKCS12Password, "the PKCS#12 container cannot be opened with the linked password")
	}
	defer opened.Private.Bytes.Destroy()
	if n.algorithm != 0 && n.algorithm != opened.Algorithm {
		return kmip.Fail(kmip.KindAttributeValue, "Cryptographic Algorithm and the key in the container differ")
	}
	n.algorithm = opened.Algorithm
	if n.length == 0 {
		n.length = opened.Private.LengthBits
	}
	if asked := n.attrs.Text(kmip.TagPKCS12FriendlyName); asked == "" && opened.FriendlyName != "" {
		n.attrs = append(slices.Clone(n.attrs), kmip.NewAttribute(kmip.Text(kmip.TagPKCS12FriendlyName, opened.FriendlyName)))
	}
	return nil
}

// containerPassword reads the password that a PKCS#12 Password Link names.
func (s *Service) containerPassword(ctx context.Context, sc *Scope, action string, attrs kmip.Attributes, active bool) (*secret.Bytes, error) {
	targets := linked(attrs, kmip.LinkTypePKCS12PasswordLink)
	if len(targets) != 1 {
		return nil, kmip.Fail(kmip.KindPKCS12Password, "the key needs exactly one PKCS#12 Password Link; it has %d", len(targets))
	}
	m, err := s.load(ctx, sc, action, targets[0])
	if err != nil {
		if kmip.KindOf(err) == kmip.KindObjectNotFound {
			return nil, kmip.Fail(kmip.KindPKCS12Password, "the PKCS#12 Password Link names no object")
		}
		return nil, err
	}
	if m.objectType() != kmip.ObjectTypeSecretData {
		return nil, kmip.Fail(kmip.KindPKCS12Password, "the PKCS#12 Password Link names a %s, not secret data", m.objectType())
	}
	if active {
		if err := lifecycle.MayProtect(m.state, m.attrs.Dates(), sc.Now); err != nil {
			return nil, err
		}
	}
	value, err := s.reveal(ctx, m)
	if err != nil {
		return nil, err
	}
	defer value.Destroy()
	if value.SecretDataType != kmip.SecretDataTypePassword || value.Key == nil || value.Key.Material == nil || value.Key.Wrapping != nil {
		return nil, kmip.Fail(kmip.KindPKCS12Password, "the PKCS#12 Password Link names no password")
	}
	return value.Key.Material.Clone(), nil
}

// linked lists the targets of the Links of a type.
func linked(attrs kmip.Attributes, t kmip.LinkType) []string {
	var targets []string
	for _, at := range attrs {
		if at.Tag != kmip.TagLink {
			continue
		}
		if l := kmip.LinkOf(at.Value); l.Type == t {
			targets = append(targets, l.Target)
		}
	}
	return targets
}

// privateKeyOf finds the private key that a certificate is of.
func (s *Service) privateKeyOf(ctx context.Context, sc *Scope, action string, certificate *managed) (*managed, error) {
	targets := linked(certificate.attrs, kmip.LinkTypePrivateKeyLink)
	for _, uid := range linked(certificate.attrs, kmip.LinkTypePublicKeyLink) {
		public, err := s.load(ctx, sc, action, uid)
		if err != nil {
			return nil, err
		}
		targets = append(targets, linked(public.attrs, kmip.LinkTypePrivateKeyLink)...)
	}
	if len(targets) == 0 {
		return nil, kmip.Fail(kmip.KindKeyFormat, "the certificate has no links to a private key")
	}
	m, err := s.load(ctx, sc, action, targets[0])
	if err != nil {
		return nil, err
	}
	if m.objectType() != kmip.ObjectTypePrivateKey {
		return nil, kmip.Fail(kmip.KindKeyFormat, "the certificate links to no private key")
	}
	return m, nil
}

// chainOf collects the certificates of a private key: from its public key, or
// from itself, to the first, and from each certificate to the next. More than
// one chain is an error.
func (s *Service) chainOf(ctx context.Context, sc *Scope, action string, private *managed) ([][]byte, error) {
	holders := []*managed{private}
	for _, uid := range linked(private.attrs, kmip.LinkTypePublicKeyLink) {
		public, err := s.load(ctx, sc, action, uid)
		if err != nil {
			return nil, err
		}
		holders = append(holders, public)
	}
	var first []string
	for _, t := range []kmip.LinkType{kmip.LinkTypePKCS12CertificateLink, kmip.LinkTypeCertificateLink} {
		for _, h := range holders {
			for _, uid := range linked(h.attrs, t) {
				if !slices.Contains(first, uid) {
					first = append(first, uid)
				}
			}
		}
		if len(first) > 0 {
			break
		}
	}
	var chain [][]byte
	var seen []string
	for next := first; len(next) > 0; {
		if len(next) > 1 {
			return nil, kmip.Fail(kmip.KindKeyFormat, "the key has more than one certificate chain")
		}
		uid := next[0]
		if slices.Contains(seen, uid) || len(seen) == maxChain {
			break // a self-signed certificate may link to itself
		}
		seen = append(seen, uid)
		c, err := s.load(ctx, sc, action, uid)
		if err != nil {
			return nil, err
		}
		value, err := s.reveal(ctx, c)
		if err != nil {
			return nil, err
		}
		if value.Type != kmip.ObjectTypeCertificate {
			return nil, kmip.Fail(kmip.KindKeyFormat, "the certificate chain leads to a %s", value.Type)
		}
		chain = append(chain, value.CertificateValue)
		next = linked(c.attrs, kmip.LinkTypeCertificateLink)
	}
	return chain, nil
}
