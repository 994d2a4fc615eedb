package custody_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// request makes a certificate request that claims to be somebody else.
func request(t testing.TB) ([]byte, crypto.PublicKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "somebody else"}, DNSNames: []string{"kms.example.net"}, EmailAddresses: []string{"root@example.net"},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der, key.Public()
}

func token(t testing.TB, s *service.Service, name string) []byte {
	t.Helper()
	made, err := s.CreateClientToEnrol(context.Background(), s.Administrator("default"), name, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Value.Destroy()
	return slices.Clone(made.Value.Reveal())
}

func enrol(s *service.Service, value, csr []byte) (custody.Enrolled, error) {
	return s.Enrol(context.Background(), "192.0.2.1:1", "test", secret.Copy(value), csr)
}

func TestATokenGivesOneCertificate(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		value := token(t, s, "array")
		if random, err := base64.RawURLEncoding.DecodeString(string(value)); err != nil || len(random) != 32 {
			t.Errorf("token %q: %d bytes, %v", value, len(random), err)
		}
		_, err := enrol(s, value, []byte("no request"))
		refuses(t, "no request", err, kmip.KindInvalidField)
		csr, key := request(t)
		e, err := enrol(s, value, csr)
		if err != nil {
			t.Fatal(err)
		}
		c := e.Certificate
		if c.Subject.CommonName != "array" || len(c.DNSNames)+len(c.EmailAddresses) > 0 || !slices.Equal(c.Subject.OrganizationalUnit, []string{"default"}) ||
			!slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) || !key.(*ecdsa.PublicKey).Equal(c.PublicKey) {
			t.Errorf("certificate of %s with %v, %v", c.Subject, c.DNSNames, c.EmailAddresses)
		}
		if p, err := s.AuthenticateClient(t.Context(), c); err != nil || p.Name != "array" || p.Role != policy.RoleFull {
			t.Errorf("%+v, %v", p, err)
		}
		_, err = enrol(s, value, csr)
		refuses(t, "the same token again", err, kmip.KindNotAuthenticated)
		records, err := s.Store.Records(t.Context(), store.RecordQuery{Domain: custody.SystemDomain, Kind: "client.token", Limit: 10})
		if err != nil || len(records) != 0 {
			t.Errorf("%d tokens are left, %v", len(records), err)
		}
	})
}

func TestOneOfManyWhoUseATokenAtOnceGetsTheCertificate(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		value := token(t, s, "array")
		nodes := []*service.Service{s, s.Another(t)}
		csr, _ := request(t)
		const racers = 8
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() { _, errs[i] = enrol(nodes[i%2], value, csr) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				refuses(t, "who came late", err, kmip.KindNotAuthenticated)
			}
		}
		list, err := s.Store.Certificates(t.Context(), "default", "array")
		if won != 1 || err != nil || len(list) != 1 {
			t.Errorf("%d of %d have %d certificates, %v", won, racers, len(list), err)
		}
	})
}

func TestTokensThatAreNoLongerGood(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx, csr := t.Context(), func() []byte { der, _ := request(t); return der }()
		admin := func() *custody.Scope { return s.Administrator("default") }
		expired := token(t, s, "late")
		s.Clock.Advance(24 * time.Hour)
		_, err := enrol(s, expired, csr)
		refuses(t, "after a day", err, kmip.KindNotAuthenticated)

		revoked := token(t, s, "revoked")
		if err := s.RevokeClient(ctx, admin(), "revoked"); err != nil {
			t.Fatal(err)
		}
		_, err = enrol(s, revoked, csr)
		refuses(t, "of a revoked client", err, kmip.KindNotAuthenticated)
		_, err = s.MakeToken(ctx, admin(), "revoked", 0)
		refuses(t, "one more for it", err, kmip.KindWrongState)

		disabled := token(t, s, "disabled")
		if _, err := s.SetClient(ctx, admin(), "disabled", custody.ClientChange{Disabled: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		_, err = enrol(s, disabled, csr)
		refuses(t, "of a disabled client", err, kmip.KindNotAuthenticated)
		networks := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
		if _, err := s.SetClient(ctx, admin(), "disabled", custody.ClientChange{Disabled: ptr(false), Sources: &networks}); err != nil {
			t.Fatal(err)
		}
		_, err = enrol(s, disabled, csr)
		refuses(t, "from another address", err, kmip.KindPermissionDenied)
		if _, err := s.Enrol(ctx, "198.51.100.1:1", "test", secret.Copy(disabled), csr); err != nil {
			t.Errorf("from the right one: %v", err)
		}
		token(t, s, "other")
		cancelled, err := s.MakeToken(ctx, admin(), "disabled", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.CancelTokens(ctx, admin(), "disabled"); err != nil || n != 1 {
			t.Errorf("%d tokens cancelled, %v", n, err)
		}
		_, err = s.Enrol(ctx, "198.51.100.1:1", "test", cancelled.Value, csr)
		refuses(t, "a token that was cancelled", err, kmip.KindNotAuthenticated)
		_, err = s.MakeToken(ctx, administrator(s, policy.RoleOfficer), "disabled", 0)
		refuses(t, "by who may not make clients", err, kmip.KindPermissionDenied)
		_, err = s.CreateClientToEnrol(ctx, admin(), "late", "", 0)
		refuses(t, "for a name that is taken", err, kmip.KindObjectExists)
	})
}

func TestWrongTokensAreBounded(t *testing.T) {
	s := service.New(t)
	csr, _ := request(t)
	value := token(t, s, "array")
	kinds := map[kmip.Kind]int{}
	for range 100 {
		_, err := enrol(s, []byte("wrong"), csr)
		kinds[kmip.KindOf(err)]++
	}
	if kinds[kmip.KindNotAuthenticated] != 20 || kinds[kmip.KindUnavailable] != 80 {
		t.Errorf("100 wrong tokens: %v", kinds)
	}
	list, err := s.Store.Audit(t.Context(), store.AuditQuery{Operation: "client.enroll", Limit: 100})
	if err != nil || len(list) != 1 || list[0].Detail != "token" {
		t.Errorf("entries of 100 wrong tokens: %+v, %v", list, err)
	}
	if _, err := s.Enrol(t.Context(), "192.0.2.2:1", "test", secret.Copy(value), csr); err != nil {
		t.Errorf("the right one from another address: %v", err)
	}
	s.Clock.Advance(time.Second)
	_, err = enrol(s, []byte("wrong"), csr)
	refuses(t, "another one after a second", err, kmip.KindNotAuthenticated)
}

func TestRenewal(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		made := newClient(t, s, "array")
		old := presented(made, "192.0.2.1:1")
		csr, _ := request(t)
		renew := func(p custody.Presented) (custody.Enrolled, error) { return s.Renew(t.Context(), p, "test", csr) }
		e, err := renew(old)
		if err != nil || e.Certificate.Subject.CommonName != "array" {
			t.Fatalf("%+v, %v", e, err)
		}
		for name, c := range map[string]*x509.Certificate{"old": made.Issued.Certificate, "new": e.Certificate} {
			if _, err := s.AuthenticateClient(t.Context(), c); err != nil {
				t.Errorf("the %s certificate: %v", name, err)
			}
		}
		_, err = s.Renew(t.Context(), old, "test", []byte("no request"))
		refuses(t, "no request", err, kmip.KindInvalidField)
		for range 3 {
			if _, err := renew(old); err != nil {
				t.Fatal(err)
			}
		}
		_, err = renew(old)
		refuses(t, "too often", err, kmip.KindUnavailable)

		s.Clock.Advance(time.Hour)
		if _, err := s.SetClient(t.Context(), s.Administrator("default"), "array", custody.ClientChange{Disabled: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		_, err = renew(old)
		refuses(t, "disabled", err, kmip.KindNotAuthenticated)
		if _, err := s.SetClient(t.Context(), s.Administrator("default"), "array", custody.ClientChange{Disabled: ptr(false), Expires: ptr(s.Clock.Now().Add(time.Minute))}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Hour)
		_, err = renew(old)
		refuses(t, "expired", err, kmip.KindNotAuthenticated)
		if _, err := s.SetClient(t.Context(), s.Administrator("default"), "array", custody.ClientChange{Expires: &time.Time{}}); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Hour)
		if err := s.RevokeCertificate(t.Context(), s.Administrator("default"), "array", custody.FingerprintOf(made.Issued.Certificate)); err != nil {
			t.Fatal(err)
		}
		_, err = renew(old) // what is known of it may be a second old; the store is asked all the same
		refuses(t, "by a revoked certificate", err, kmip.KindNotAuthenticated)
		if _, err := renew(custody.Presented{Certificates: []*x509.Certificate{e.Certificate}}); err != nil {
			t.Errorf("by the other one: %v", err)
		}
		if err := s.RevokeClient(t.Context(), s.Administrator("default"), "array"); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(time.Hour)
		_, err = renew(custody.Presented{Certificates: []*x509.Certificate{e.Certificate}})
		refuses(t, "of a revoked client", err, kmip.KindNotAuthenticated)
		authority, err := pki.NewAuthority("another", s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		stranger, err := authority.IssueClient("array", nil, s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, err = renew(custody.Presented{Certificates: []*x509.Certificate{stranger.Certificate}})
		refuses(t, "a stranger", err, kmip.KindNotAuthenticated)
	})
}
