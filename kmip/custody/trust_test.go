package custody_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// external is an authority of others.
type external struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
	next int64 // serial number
}

func newExternal(t testing.TB, s *service.Service, name string, by *external) *external {
	t.Helper()
	e := &external{t: t, now: s.Clock.Now, next: 100}
	e.key = ecKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: e.now().Add(-time.Hour), NotAfter: e.now().Add(1000 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	parent, signer := template, e.key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	e.cert = certificate(t, template, parent, e.key.Public(), signer)
	return e
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certificate(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue makes a certificate of a client; change says what is other than usual.
func (e *external) issue(name string, change func(*x509.Certificate)) *x509.Certificate {
	e.t.Helper()
	e.next++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(e.next), Subject: pkix.Name{CommonName: name}, NotBefore: e.now().Add(-time.Hour), NotAfter: e.now().Add(300 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	return certificate(e.t, template, e.cert, ecKey(e.t).Public(), e.key)
}

// crl makes a revocation list.
func (e *external) crl(number int64, next time.Duration, revoked ...*x509.Certificate) []byte {
	e.t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: e.now(), NextUpdate: e.now().Add(next)}
	for _, c := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: e.now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, e.cert, e.key)
	if err != nil {
		e.t.Fatal(err)
	}
	return der
}

func comes(t testing.TB, s *service.Service, certs ...*x509.Certificate) (string, error) {
	t.Helper()
	s.Clock.Advance(1100 * time.Millisecond)
	v, _, err := s.Identify(t.Context(), custody.Presented{Certificates: certs, Source: "192.0.2.1:1"})
	return v.Client, err
}

func trust(t testing.TB, s *service.Service, domain string, tr custody.Trust, lists []byte) {
	t.Helper()
	if err := s.AddTrust(t.Context(), s.Administrator(domain), tr, lists); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesOfOtherAuthoritiesIdentifyClientsOfTheirDomain(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		if err := s.CreateDomain(ctx, s.Administrator(""), "lab", ""); err != nil {
			t.Fatal(err)
		}
		for domain, names := range map[string][]string{"default": {"array", "pinned", "web"}, "lab": {"array", "web"}} {
			for _, name := range names {
				if _, err := s.CreateClientToEnrol(ctx, s.Administrator(domain), name, "", 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		corporate, other := newExternal(t, s, "Corporate CA", nil), newExternal(t, s, "Lab CA", nil)
		sub := newExternal(t, s, "Sub CA", corporate)
		plain := corporate.issue("array", nil)
		if name, err := comes(t, s, plain); err == nil {
			t.Errorf("before it is trusted: %s", name)
		}
		trust(t, s, "default", custody.Trust{Name: "corporate", Authorities: []*x509.Certificate{corporate.cert}}, nil)
		trust(t, s, "lab", custody.Trust{Name: "lab", Authorities: []*x509.Certificate{other.cert}}, nil)
		san := func(change func(*x509.Certificate)) *x509.Certificate { return corporate.issue("whoever", change) }
		spiffe, err := url.Parse("spiffe://example.net/Web")
		if err != nil {
			t.Fatal(err)
		}
		pinnedCert, pinnedKey := corporate.issue("array", nil), corporate.issue("array", nil)
		fingerprint, _ := custody.IdentitiesOf(pinnedCert)
		_, key := custody.IdentitiesOf(pinnedKey)
		add := func(name string, list ...custody.ClientIdentity) {
			t.Helper()
			if _, err := s.ChangeIdentities(ctx, s.Administrator("default"), name, list, nil); err != nil {
				t.Fatal(err)
			}
		}
		add("pinned", fingerprint, key)
		add("web", custody.ClientIdentity{Kind: "uri", Value: "spiffe://example.net/Web"}, custody.ClientIdentity{Kind: "dns", Value: "WEB.example.net"},
			custody.ClientIdentity{Kind: "email", Value: "web@example.net"}, custody.ClientIdentity{Kind: "cn", Value: "Web Server"})
		for _, c := range []struct {
			name  string
			certs []*x509.Certificate
			want  string // "" when it is nobody
		}{
			{"by the common name", []*x509.Certificate{plain}, "default/array"},
			{"by an authority below", []*x509.Certificate{sub.issue("array", nil), sub.cert}, "default/array"},
			{"by an authority below that is not there", []*x509.Certificate{sub.issue("array", nil)}, ""},
			{"by another domain's authority", []*x509.Certificate{other.issue("array", nil)}, "lab/array"},
			{"pinned by its fingerprint, whatever its name", []*x509.Certificate{pinnedCert}, "default/pinned"},
			{"pinned by its key", []*x509.Certificate{pinnedKey}, "default/pinned"},
			{"the name of a client that is known otherwise", []*x509.Certificate{corporate.issue("pinned", nil)}, ""},
			{"URI", []*x509.Certificate{san(func(c *x509.Certificate) { c.URIs = []*url.URL{spiffe} })}, "default/web"},
			{"DNS name", []*x509.Certificate{san(func(c *x509.Certificate) { c.DNSNames = []string{"x.example.net", "web.EXAMPLE.net"} })}, "default/web"},
			{"e-mail", []*x509.Certificate{san(func(c *x509.Certificate) { c.EmailAddresses = []string{"web@example.net"} })}, "default/web"},
			{"common name that is registered", []*x509.Certificate{corporate.issue("Web Server", nil)}, "default/web"},
			{"the identity of another domain's client", []*x509.Certificate{other.issue("Web Server", nil)}, ""},
			{"a name that nobody has", []*x509.Certificate{corporate.issue("nobody", nil)}, ""},
			{"no name", []*x509.Certificate{corporate.issue("", nil)}, ""},
			{"without extended key usage", []*x509.Certificate{corporate.issue("array", func(c *x509.Certificate) { c.ExtKeyUsage = nil })}, "default/array"},
			{"for servers", []*x509.Certificate{corporate.issue("array", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, ""},
			{"expired", []*x509.Certificate{corporate.issue("array", func(c *x509.Certificate) { c.NotAfter = s.Clock.Now().Add(-time.Minute) })}, ""},
			{"the authority itself", []*x509.Certificate{corporate.cert}, ""},
		} {
			got, err := comes(t, s, c.certs...)
			if err != nil {
				got = ""
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q (%v)", c.name, got, c.want, err)
			}
		}
		_, err = s.ChangeIdentities(ctx, s.Administrator("default"), "array", []custody.ClientIdentity{{Kind: "dns", Value: "web.example.net"}}, nil)
		refuses(t, "an identity that another client has", err, kmip.KindObjectExists)
		if _, err := s.ChangeIdentities(ctx, s.Administrator("default"), "pinned", nil, []custody.ClientIdentity{fingerprint}); err != nil {
			t.Fatal(err)
		}
		if name, err := comes(t, s, pinnedCert); err != nil || name != "default/array" {
			t.Errorf("after its pin was removed: %q, %v", name, err)
		}
		for what, err := range map[string]error{
			"an authority of another domain": s.AddTrust(ctx, s.Administrator("lab"), custody.Trust{Name: "two", Authorities: []*x509.Certificate{corporate.cert}}, nil),
			"an authority twice":             s.AddTrust(ctx, s.Administrator("default"), custody.Trust{Name: "two", Authorities: []*x509.Certificate{corporate.cert}}, nil),
			"a name twice":                   s.AddTrust(ctx, s.Administrator("default"), custody.Trust{Name: "corporate", Authorities: []*x509.Certificate{sub.cert}}, nil),
			"what is no authority":           s.AddTrust(ctx, s.Administrator("default"), custody.Trust{Name: "leaf", Authorities: []*x509.Certificate{plain}}, nil),
			"an address that is no web server's": s.AddTrust(ctx, s.Administrator("default"), custody.Trust{
				Name: "x", Authorities: []*x509.Certificate{sub.cert},
				TrustSettings: custody.TrustSettings{CRLURL: "file:///etc/passwd"},
			}, nil),
			"OCSP without address": s.AddTrust(ctx, s.Administrator("default"), custody.Trust{
				Name: "x", Authorities: []*x509.Certificate{sub.cert},
				TrustSettings: custody.TrustSettings{OCSP: "require"},
			}, nil),
		} {
			if err == nil {
				t.Errorf("%s is taken", what)
			}
		}
		if own, err := s.AuthorityCertificate(ctx); err != nil || s.AddTrust(ctx, s.Administrator("default"), custody.Trust{Name: "own", Authorities: []*x509.Certificate{own}}, nil) == nil {
			t.Errorf("this installation's own authority is taken, %v", err)
		}
		if certify, err := s.DomainAuthority(ctx, s.Client("default")); err != nil ||
			s.AddTrust(ctx, s.Administrator("lab"), custody.Trust{Name: "certify", Authorities: []*x509.Certificate{certify.Certificate}}, nil) == nil {
			t.Errorf("an authority by which clients make certificates is taken, %v", err)
		}
		if err := s.RemoveTrust(ctx, s.Administrator("default"), "corporate"); err != nil {
			t.Fatal(err)
		}
		if name, err := comes(t, s, plain); err == nil {
			t.Errorf("after the trust was removed: %s", name)
		}
		trust(t, s, "lab", custody.Trust{Name: "corporate", Authorities: []*x509.Certificate{corporate.cert}, TrustSettings: custody.TrustSettings{Map: []string{custody.MapDNS}, NeedEKU: true}}, nil)
		if name, err := comes(t, s, plain); err == nil {
			t.Errorf("by a name that does not count: %s", name)
		}
		if _, err := s.ChangeIdentities(ctx, s.Administrator("lab"), "web", []custody.ClientIdentity{{Kind: "dns", Value: "web.example.net"}}, nil); err != nil {
			t.Fatal(err)
		}
		named := func(usage ...x509.ExtKeyUsage) *x509.Certificate {
			return corporate.issue("", func(c *x509.Certificate) { c.DNSNames, c.ExtKeyUsage = []string{"web.example.net"}, usage })
		}
		if name, err := comes(t, s, named(x509.ExtKeyUsageClientAuth)); err != nil || name != "lab/web" {
			t.Errorf("in another domain: %q, %v", name, err)
		}
		_, err = comes(t, s, named())
		refuses(t, "without extended key usage where it is needed", err, kmip.KindNotAuthenticated)
		list, err := s.Trusts(ctx, s.Administrator(""))
		if err != nil || len(list) != 2 {
			t.Errorf("%d trusts, %v", len(list), err)
		}
	})
}

func TestRevocationListsOfOtherAuthorities(t *testing.T) {
	onBothStores(t, func(t *testing.T, s *service.Service) {
		ctx := t.Context()
		newClient(t, s, "array")
		ca, stranger := newExternal(t, s, "CA", nil), newExternal(t, s, "CA", nil)
		good, bad := ca.issue("array", nil), ca.issue("array", nil)
		put := func(b []byte) error { return s.SetRevocationLists(ctx, s.Administrator("default"), "ca", b) }
		trust(t, s, "default", custody.Trust{Name: "ca", Authorities: []*x509.Certificate{ca.cert}}, ca.crl(1, time.Hour))
		for _, c := range []*x509.Certificate{good, bad} {
			if _, err := comes(t, s, c); err != nil {
				t.Errorf("on no list: %v", err)
			}
		}
		if err := put(ca.crl(2, time.Hour, bad)); err != nil {
			t.Fatal(err)
		}
		_, err := comes(t, s, bad)
		refuses(t, "on the list", err, kmip.KindNotAuthenticated)
		if _, err := comes(t, s, good); err != nil {
			t.Errorf("not on the list: %v", err)
		}
		refuses(t, "an older list", put(ca.crl(1, time.Hour)), kmip.KindInvalidField)
		refuses(t, "another authority's of the same name", put(stranger.crl(3, time.Hour)), kmip.KindInvalidField)
		refuses(t, "what is no list", put([]byte("list")), kmip.KindInvalidField)
		refuses(t, "a trust that is not there", s.SetRevocationLists(ctx, s.Administrator("default"), "x", ca.crl(3, time.Hour)), kmip.KindObjectNotFound)

		// An open connection is ended when the list is too old, without a change.
		p := custody.Presented{Certificates: []*x509.Certificate{good}, Source: "192.0.2.1:1"}
		if _, _, err := s.Standing(ctx, p); err != nil {
			t.Error(err)
		}
		s.Clock.Advance(2 * time.Hour)
		_, _, err = s.Standing(ctx, p)
		refuses(t, "by an old list", err, kmip.KindNotAuthenticated)
		if !strings.Contains(err.Error(), "no current revocation list") {
			t.Error(err)
		}
		if err := put(ca.crl(3, time.Hour, bad)); err != nil {
			t.Fatal(err)
		}
		if err := s.RefreshClients(ctx); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Standing(ctx, p); err != nil {
			t.Errorf("by the next list: %v", err)
		}

		lenient := newExternal(t, s, "Lenient", nil)
		here, gone := lenient.issue("array", nil), lenient.issue("array", nil)
		trust(t, s, "default", custody.Trust{Name: "lenient", Authorities: []*x509.Certificate{lenient.cert}, TrustSettings: custody.TrustSettings{StaleCRL: true}}, lenient.crl(1, time.Hour, gone))
		s.Clock.Advance(2 * time.Hour)
		if _, err := comes(t, s, here); err != nil {
			t.Errorf("by an old list that is accepted: %v", err)
		}
		_, err = comes(t, s, gone)
		refuses(t, "on an old list", err, kmip.KindNotAuthenticated)
	})
}

func TestRevocationListsAreFetchedFromWhereAnOperatorSays(t *testing.T) {
	s := service.New(t)
	newClient(t, s, "array")
	ca := newExternal(t, s, "CA", nil)
	var list atomic.Pointer[[]byte]
	var asked, elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if b := list.Load(); b != nil {
			_, _ = w.Write(*b)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer server.Close()
	bad := ca.issue("array", func(c *x509.Certificate) {
		c.CRLDistributionPoints, c.OCSPServer = []string{other.URL}, []string{other.URL}
	})
	trust(t, s, "default", custody.Trust{Name: "ca", Authorities: []*x509.Certificate{ca.cert}, TrustSettings: custody.TrustSettings{CRLURL: server.URL}}, nil)
	fetch := func(b []byte) {
		t.Helper()
		list.Store(&b)
		s.Clock.Advance(16 * time.Minute)
		s.FetchRevocationLists(t.Context())
	}
	s.FetchRevocationLists(t.Context())
	if asked.Load() != 1 || elsewhere.Load() != 0 {
		t.Errorf("asked %d times, and %d times elsewhere", asked.Load(), elsewhere.Load())
	}
	_, err := comes(t, s, bad)
	refuses(t, "before there is a list", err, kmip.KindNotAuthenticated)
	fetch(ca.crl(1, 10*time.Hour))
	if _, err := comes(t, s, bad); err != nil {
		t.Errorf("on no list: %v", err)
	}
	fetch(ca.crl(2, 10*time.Hour, bad))
	_, err = comes(t, s, bad)
	refuses(t, "on the list", err, kmip.KindNotAuthenticated)
	fetch(ca.crl(1, 10*time.Hour)) // an old one that somebody brings back
	_, err = comes(t, s, bad)
	refuses(t, "on the list that was newer", err, kmip.KindNotAuthenticated)
	fetch(make([]byte, 11<<20))
	before := asked.Load()
	s.FetchRevocationLists(t.Context())
	if asked.Load() != before {
		t.Error("a list is fetched again before its time")
	}
	if elsewhere.Load() != 0 {
		t.Error("an address in a certificate, or behind another one, was asked")
	}
	another := s.Another(t)
	if _, _, err := another.Identify(t.Context(), custody.Presented{Certificates: []*x509.Certificate{bad}}); err == nil {
		t.Error("another node does not have the list")
	}
	entries, err := s.Store.Audit(t.Context(), store.AuditQuery{Operation: "trust.crl", Limit: 10})
	if err != nil || len(entries) != 2 {
		t.Errorf("%d entries of lists, %v", len(entries), err)
	}
}

func TestRespondersTellWhetherCertificatesAreGood(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   string
		answer func(ca *external, cert *x509.Certificate) []byte
		want   bool
	}{
		{"good", custody.OCSPRequire, func(ca *external, cert *x509.Certificate) []byte { return ca.says(cert, ocsp.Good, nil) }, true},
		{"revoked", custody.OCSPCheck, func(ca *external, cert *x509.Certificate) []byte { return ca.says(cert, ocsp.Revoked, nil) }, false},
		{"unknown, where it must be known", custody.OCSPRequire, func(ca *external, cert *x509.Certificate) []byte { return ca.says(cert, ocsp.Unknown, nil) }, false},
		{"no answer, where one is needed", custody.OCSPRequire, func(*external, *x509.Certificate) []byte { return nil }, false},
		{"no answer, where none is needed", custody.OCSPCheck, func(*external, *x509.Certificate) []byte { return nil }, true},
		{"an answer of the past", custody.OCSPRequire, func(ca *external, cert *x509.Certificate) []byte {
			return ca.says(cert, ocsp.Good, func(r *ocsp.Response) {
				r.ThisUpdate, r.NextUpdate = ca.now().Add(-2*time.Hour), ca.now().Add(-time.Hour)
			})
		}, false},
		{"by a responder of the authority", custody.OCSPRequire, func(ca *external, cert *x509.Certificate) []byte {
			return ca.delegates(cert, x509.ExtKeyUsageOCSPSigning)
		}, true},
		{"by another certificate of the authority", custody.OCSPRequire, func(ca *external, cert *x509.Certificate) []byte {
			return ca.delegates(cert, x509.ExtKeyUsageClientAuth)
		}, false},
		{"about another certificate", custody.OCSPRequire, func(ca *external, _ *x509.Certificate) []byte { return ca.says(ca.issue("array", nil), ocsp.Good, nil) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := service.New(t)
			newClient(t, s, "array")
			ca := newExternal(t, s, "CA", nil)
			cert := ca.issue("array", nil)
			var asked atomic.Int32
			answer := c.answer(ca, cert)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				b, _ := io.ReadAll(r.Body)
				if q, err := ocsp.ParseRequest(b); err != nil || q.SerialNumber.Cmp(cert.SerialNumber) != 0 {
					t.Errorf("request %v, %v", q, err)
				}
				if answer == nil {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				_, _ = w.Write(answer)
			}))
			defer server.Close()
			trust(t, s, "default", custody.Trust{Name: "ca", Authorities: []*x509.Certificate{ca.cert}, TrustSettings: custody.TrustSettings{OCSP: c.mode, OCSPURL: server.URL}}, nil)
			for range 3 {
				if _, err := comes(t, s, cert); (err == nil) != c.want {
					t.Errorf("%v, want it to come: %t", err, c.want)
				}
			}
			if asked.Load() != 1 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// says makes an answer about a certificate.
func (e *external) says(cert *x509.Certificate, status int, change func(*ocsp.Response)) []byte {
	e.t.Helper()
	r := ocsp.Response{Status: status, SerialNumber: cert.SerialNumber, ThisUpdate: e.now(), NextUpdate: e.now().Add(time.Hour), RevokedAt: e.now()}
	if change != nil {
		change(&r)
	}
	b, err := ocsp.CreateResponse(e.cert, e.cert, r, e.key)
	if err != nil {
		e.t.Fatal(err)
	}
	return b
}

// delegates makes an answer by a certificate for some usage.
func (e *external) delegates(cert *x509.Certificate, usage x509.ExtKeyUsage) []byte {
	e.t.Helper()
	key := ecKey(e.t)
	e.next++
	by := certificate(e.t, &x509.Certificate{
		SerialNumber: big.NewInt(e.next), Subject: pkix.Name{CommonName: "responder"}, NotBefore: e.now().Add(-time.Hour), NotAfter: e.now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, e.cert, key.Public(), e.key)
	r := ocsp.Response{Status: ocsp.Good, SerialNumber: cert.SerialNumber, ThisUpdate: e.now(), NextUpdate: e.now().Add(time.Hour), Certificate: by}
	b, err := ocsp.CreateResponse(e.cert, by, r, key)
	if err != nil {
		e.t.Fatal(err)
	}
	return b
}

// awayStore is a store that can be away.
type awayStore struct {
	store.Store
	away atomic.Bool
}

func (s *awayStore) Records(ctx context.Context, q store.RecordQuery) ([]store.Record, error) {
	if s.away.Load() {
		return nil, store.ErrUnavailable
	}
	return s.Store.Records(ctx, q)
}

func TestTrustIsKnownForAWhileWhenTheStoreIsAway(t *testing.T) {
	var st *awayStore
	s := service.With(t, service.Options{Store: func(behind store.Store) store.Store {
		st = &awayStore{Store: behind}
		return st
	}})
	ca := newExternal(t, s, "CA", nil)
	trust(t, s, "default", custody.Trust{Name: "ca", Authorities: []*x509.Certificate{ca.cert}}, nil)
	first, err := s.ClientAuthorities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st.away.Store(true)
	for range 5 {
		s.Clock.Advance(5 * time.Second)
		if pool, err := s.ClientAuthorities(t.Context()); err != nil || pool != first {
			t.Errorf("while the store is away: %v", err)
		}
	}
	s.Clock.Advance(10 * time.Second)
	_, err = s.ClientAuthorities(t.Context())
	refuses(t, "after half a minute", err, kmip.KindUnavailable)
	_, err = s.ClientAuthorities(t.Context())
	refuses(t, "and again, without asking", err, kmip.KindUnavailable)
	st.away.Store(false)
	s.Clock.Advance(time.Second)
	if pool, err := s.ClientAuthorities(t.Context()); err != nil || pool != first {
		t.Errorf("when it is back: %v", err)
	}
}
