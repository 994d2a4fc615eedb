package custody

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/crypto"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// ReProvision replaces the certificate by which the calling client is known
// (§6.1.48): by one for a certificate request, by another one that this server's
// authority issued to it, or by one for a new key. It returns the Unique
// Identifier of the certificate, or of the new private key. The old certificate
// admits nobody any more.
func (s *Service) ReProvision(ctx context.Context, sc *Scope, requestType kmip.CertificateRequestType, request, certificate []byte) (string, error) {
	var uid string
	err := s.do(ctx, sc, "ReProvision", func() (outcome, error) {
		var o outcome
		if err := s.authorizeNone(ctx, sc, "ReProvision"); err != nil {
			return o, err
		}
		if sc.undoable() {
			return o, kmip.Fail(kmip.KindBatchRefused, "Re-Provision cannot be undone")
		}
		if sc.Principal.Kind != policy.KindClient {
			return o, kmip.Fail(kmip.KindPermissionDenied, "only a client that is known by its certificate alone can replace it")
		}
		old, err := hex.DecodeString(sc.Principal.Fingerprint)
		if err != nil {
			return o, err
		}
		client, current, err := s.store.ClientByFingerprint(ctx, old)
		if err != nil {
			return o, err
		}
		if !client.Revoked.IsZero() || !current.Revoked.IsZero() {
			return o, kmip.Fail(kmip.KindNotAuthenticated, "the client or its certificate is revoked")
		}
		o, uid, err = s.reprovision(ctx, sc, client, requestType, request, certificate)
		if err != nil {
			return o, err
		}
		current.Revoked = sc.Now.Truncate(time.Microsecond)
		o.uid = uid
		o.change.UpdateCerts = append(o.change.UpdateCerts, current)
		return o, nil
	})
	s.identities.forget(sc.Principal.Fingerprint)
	return uid, err
}

// reprovision plans the new certificate of a client, and its objects.
func (s *Service) reprovision(ctx context.Context, sc *Scope, client store.Client, requestType kmip.CertificateRequestType, request, certificate []byte) (outcome, string, error) {
	var o outcome
	authority, err := s.Authority(ctx)
	if err != nil {
		return o, "", err
	}
	unit := []string{client.Domain}
	switch {
	case request != nil:
		info, err := readRequest(requestType, request)
		if err != nil {
			return o, "", err
		}
		defer destroyMaterial(&info.PublicKey)
		key, err := x509.ParsePKIXPublicKey(info.PublicKey.Bytes.Reveal())
		if err != nil {
			return o, "", kmip.FailFrom(err, kmip.KindCSR, "the key of the certificate request cannot be used for TLS")
		}
		cert, err := authority.IssueClientFor(key, client.Name, unit, s.now())
		if err != nil {
			return o, "", kmip.FailFrom(err, kmip.KindCryptographicFailure, "the certificate cannot be issued")
		}
		return s.provisioned(ctx, sc, client, cert, nil, true)
	case certificate != nil:
		cert, err := x509.ParseCertificate(certificate)
		if err != nil {
			return o, "", kmip.FailFrom(err, kmip.KindInvalidField, "the certificate is not X.509")
		}
		if err := cert.CheckSignatureFrom(authority.Certificate); err != nil {
			return o, "", kmip.FailFrom(err, kmip.KindCryptographicFailure, "the certificate was not issued by the authority of this server, which admits no other")
		}
		owner, known, err := s.store.ClientByFingerprint(ctx, pki.Fingerprint(cert))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return o, "", err
		}
		if err != nil || owner.Domain != client.Domain || owner.Name != client.Name || !known.Revoked.IsZero() {
			return o, "", kmip.Fail(kmip.KindPermissionDenied, "the certificate was not issued to this client")
		}
		return s.provisioned(ctx, sc, client, cert, nil, false)
	}
	issued, err := authority.IssueClient(client.Name, unit, s.now())
	if err != nil {
		return o, "", err
	}
	return s.provisioned(ctx, sc, client, issued.Certificate, issued, true)
}

// provisioned plans the records of a new certificate; of a key that the server
// made, its private key too.
func (s *Service) provisioned(ctx context.Context, sc *Scope, client store.Client, cert *x509.Certificate, issued *pki.Issued, fresh bool) (outcome, string, error) {
	var o outcome
	value := &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: cert.Raw}
	n, err := s.inspect(ctx, sc, kmip.ObjectTypeCertificate, nil, value)
	if err != nil {
		return o, "", err
	}
	objects := make([]*managed, 0, 2)
	uid := ""
	if issued != nil {
		key, err := s.provisionedKey(ctx, sc, issued)
		if err != nil {
			return o, "", err
		}
		uid = key.row.UID
		n.attrs = append(n.attrs, kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypePrivateKeyLink, Target: uid}.Item()))
		objects = append(objects, key)
	}
	m, err := s.make(ctx, sc, n)
	if err != nil {
		return o, "", err
	}
	if uid == "" {
		uid = m.row.UID
	} else {
		key := objects[0]
		key.attrs = key.attrs.Add(kmip.NewAttribute(kmip.LinkValue{Type: kmip.LinkTypeCertificateLink, Target: m.row.UID}.Item()))
		if err := s.write(ctx, key); err != nil {
			return o, "", err
		}
	}
	o.change = s.insert(append(objects, m)...)
	if fresh {
		made := &NewClient{Client: client, Issued: &pki.Issued{Certificate: cert}}
		o.change.AddCertificates = []store.Certificate{made.certificate(sc)}
	}
	return o, uid, nil
}

func (s *Service) provisionedKey(ctx context.Context, sc *Scope, issued *pki.Issued) (*managed, error) {
	der, err := x509.MarshalPKCS8PrivateKey(issued.Key)
	if err != nil {
		return nil, err
	}
	value := &kmip.Object{Type: kmip.ObjectTypePrivateKey, Key: &kmip.KeyBlock{
		Format: kmip.KeyFormatTypePKCS8, Material: secret.New(der), Algorithm: kmip.CryptographicAlgorithmECDSA,
		LengthBits: crypto.Length(issued.Key),
	}}
	defer value.Destroy()
	return s.make(ctx, sc, newborn{
		typ: kmip.ObjectTypePrivateKey, value: value, algorithm: value.Key.Algorithm, length: value.Key.LengthBits,
		format: kmip.KeyFormatTypePKCS8, generated: true,
	})
}
