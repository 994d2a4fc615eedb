package custody_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/testenv/service"
)

// logged is where a service under test writes its log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// onAlterableStores runs a test with a service on each store. s.Store is as whoever
// writes to the database has it: without the root of trust.
func onAlterableStores(t *testing.T, test func(t *testing.T, s *service.Service, log *logged)) {
	t.Helper()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &logged{}
			test(t, service.With(t, service.Options{Postgres: postgres, Log: slog.NewJSONHandler(log, nil)}), log)
		})
	}
}

func write(t *testing.T, s *service.Service, c store.Change) {
	t.Helper()
	if err := s.Store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(2 * time.Second) // past what is remembered
}

// recordOf is the record beside a row, as it is stored.
func recordOf(t *testing.T, s *service.Service, domain, key string) store.Record {
	t.Helper()
	r, err := s.Store.Record(t.Context(), domain, "roster", key)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return r
}

func comesAt(s *service.Service, made *custody.NewClient) error {
	_, _, err := s.Identify(context.Background(), presented(made, "192.0.2.1:1"))
	return err
}

func TestAClientThatTheDatabaseAlteredIsRefused(t *testing.T) {
	t.Parallel()
	fingerprint := func(c *custody.NewClient) []byte { return pki.Fingerprint(c.Issued.Certificate) }
	for name, alter := range map[string]func(t *testing.T, s *service.Service, mallory, victim *custody.NewClient) store.Change{
		"a role": func(_ *testing.T, _ *service.Service, mallory, _ *custody.NewClient) store.Change {
			mallory.Client.Role = "registrar"
			return store.Change{UpdateClients: []store.Client{mallory.Client}}
		},
		"a new row without a record": func(_ *testing.T, _ *service.Service, mallory, _ *custody.NewClient) store.Change {
			return store.Change{
				AddClients:      []store.Client{{Domain: "default", Name: "made", Role: policy.RoleFull, Created: mallory.Client.Created}},
				AddCertificates: []store.Certificate{{Domain: "default", Client: "made", Fingerprint: bytes.Repeat([]byte{7}, 32), Serial: "1"}},
			}
		},
		"a record of another client beside it": func(t *testing.T, s *service.Service, mallory, _ *custody.NewClient) store.Change {
			mallory.Client.Role = "registrar"
			good, own := recordOf(t, s, "default", "client/victim"), recordOf(t, s, "default", "client/mallory")
			own.Value, own.Revision = good.Value, own.Revision+1
			return store.Change{UpdateClients: []store.Client{mallory.Client}, UpdateRecords: []store.Record{own}}
		},
		"no record any more": func(t *testing.T, s *service.Service, _, _ *custody.NewClient) store.Change {
			return store.Change{DeleteRecords: []store.RecordRef{recordOf(t, s, "default", "client/mallory").Ref()}}
		},
		"a certificate of no record": func(t *testing.T, s *service.Service, mallory, _ *custody.NewClient) store.Change {
			key := "certificate/" + custody.FingerprintOf(mallory.Issued.Certificate)
			return store.Change{DeleteRecords: []store.RecordRef{recordOf(t, s, "default", key).Ref()}}
		},
		"a record that is no record": func(t *testing.T, s *service.Service, _, _ *custody.NewClient) store.Change {
			r := recordOf(t, s, "default", "client/mallory")
			r.Value, r.Revision = []byte("short"), r.Revision+1
			return store.Change{UpdateRecords: []store.Record{r}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onAlterableStores(t, func(t *testing.T, s *service.Service, log *logged) {
				mallory, victim := newClient(t, s, "mallory"), newClient(t, s, "victim")
				for _, c := range []*custody.NewClient{mallory, victim} {
					if err := comesAt(s, c); err != nil {
						t.Fatalf("before: %v", err)
					}
				}
				made := name == "a new row without a record"
				write(t, s, alter(t, s, mallory, victim))
				if made { // nobody has its certificate; it is refused wherever it is named
					err := s.GrantClient(t.Context(), s.Administrator("default"), "made", "backup")
					refuses(t, "grant", err, kmip.KindIntegrity)
				} else {
					refuses(t, "the altered client", comesAt(s, mallory), kmip.KindNotAuthenticated)
				}
				if err := comesAt(s, victim); err != nil {
					t.Errorf("another client: %v", err)
				}
				if !strings.Contains(log.String(), "was not written by this installation") {
					t.Errorf("the log says nothing of it: %s", log)
				}
				altered := "mallory"
				if made {
					altered = "made"
				}
				if err := s.RevokeClient(t.Context(), s.Administrator("default"), altered); err != nil {
					t.Errorf("revoke it: %v", err)
				}
				if _, _, err := s.Store.ClientByFingerprint(t.Context(), fingerprint(mallory)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestACertificateGivenToAnotherClientInTheDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, _ *logged) {
		mallory, victim := newClient(t, s, "mallory"), newClient(t, s, "victim")
		// The row of mallory's certificate cannot be moved through the store: another one
		// of the victim with the sum of its own record beside it comes to the same.
		other := mallory.Issued.Certificate
		forged := store.Certificate{
			Domain: "default", Client: "victim", Serial: "7", NotAfter: other.NotAfter, Created: victim.Client.Created,
			Fingerprint: bytes.Repeat([]byte{9}, 32),
		}
		r := recordOf(t, s, "default", "certificate/"+custody.FingerprintOf(victim.Issued.Certificate))
		r.Key, r.Revision = "certificate/"+strings.Repeat("09", 32), 1
		write(t, s, store.Change{AddCertificates: []store.Certificate{forged}, AddRecords: []store.Record{r}})
		if _, _, err := s.Store.ClientByFingerprint(t.Context(), forged.Fingerprint); err != nil {
			t.Fatalf("the forged row is not there: %v", err)
		}
		err := s.RevokeCertificate(t.Context(), s.Administrator("default"), "victim", strings.Repeat("09", 32))
		if err != nil {
			t.Errorf("revoke the forged certificate: %v", err)
		}
		if err := comesAt(s, victim); err != nil {
			t.Errorf("the victim: %v", err)
		}
	})
}

func TestAUserThatTheDatabaseAlteredHasNoCredential(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, _ *logged) {
		client := newClient(t, s, "array")
		for _, name := range []string{"mallory", "victim"} {
			if err := s.CreateUser(t.Context(), s.Administrator("default"), name, "", secret.New([]byte("the password of "+name))); err != nil {
				t.Fatal(err)
			}
		}
		login := func(name, password string) error {
			p, err := s.AuthenticateClient(t.Context(), client.Issued.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.AuthenticateUser(t.Context(), p, name, []byte(password))
			return err
		}
		victim, err := s.Store.User(t.Context(), "default", "victim")
		if err != nil {
			t.Fatal(err)
		}
		mallory, err := s.Store.User(t.Context(), "default", "mallory")
		if err != nil {
			t.Fatal(err)
		}
		victim.Password = mallory.Password
		write(t, s, store.Change{UpdateUsers: []store.User{victim}})
		refuses(t, "the victim with another's password", login("victim", "the password of mallory"), kmip.KindNotAuthenticated)
		if err := login("mallory", "the password of mallory"); err != nil {
			t.Errorf("another user: %v", err)
		}
	})
}

func TestAnAdministratorThatTheDatabaseMadeIsNone(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logged) {
		client := newClient(t, s, "mallory")
		cert := client.Issued.Certificate
		write(t, s, store.Change{AddAdministrators: []store.Administrator{{
			Name: "mallory", Role: policy.RoleOfficer, Fingerprint: pki.Fingerprint(cert), NotAfter: cert.NotAfter, Created: client.Client.Created,
		}}})
		_, err := s.AuthenticateAdministrator(t.Context(), cert)
		refuses(t, "an administrator of the database", err, kmip.KindNotAuthenticated)
		list, err := s.Administrators(t.Context(), s.Administrator(""))
		if err != nil || slices.ContainsFunc(list, func(a store.Administrator) bool { return a.Name == "mallory" }) {
			t.Errorf("administrators: %v, %v", list, err)
		}
		if !strings.Contains(log.String(), "administrator/mallory") {
			t.Error("the log does not name it")
		}
	})
}

func TestRowsAreAuthenticatedThroughEveryChange(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logged) {
		ctx, admin := t.Context(), s.Administrator("default")
		made := newClient(t, s, "array")
		if err := s.GrantClient(ctx, admin, "array", "storage-array"); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		if p, err := s.AuthenticateClient(ctx, made.Issued.Certificate); err != nil || p.Role != "storage-array" {
			t.Errorf("after a grant: %+v, %v", p, err)
		}
		for _, domain := range []string{"default", custody.SystemDomain} {
			j := await(t, s, rotate(t, s, domain, "").ID, custody.JobDone)
			if j.Detail != "" && strings.Contains(j.Detail, "left") {
				t.Errorf("rotation of %s: %s", domain, j.Detail)
			}
		}
		s.Clock.Advance(2 * time.Second)
		if err := comesAt(s, made); err != nil {
			t.Errorf("after a rotation: %v", err)
		}
		if err := comesAt(s.Another(t), made); err != nil {
			t.Errorf("at another node: %v", err)
		}
		if err := s.RevokeClient(ctx, admin, "array"); err != nil {
			t.Fatal(err)
		}
		s.Clock.Advance(2 * time.Second)
		refuses(t, "the revoked client", comesAt(s, made), kmip.KindNotAuthenticated)
		if strings.Contains(log.String(), "was not written by this installation") {
			t.Errorf("a row that the server wrote does not authenticate: %s", log)
		}
	})
}

func TestTwoChangesOfAClientAtOnceLeaveItAuthentic(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logged) {
		made := newClient(t, s, "array")
		nodes := []*service.Service{s, s.Another(t)}
		var wg sync.WaitGroup
		for i, role := range []string{"backup", "database", "application", "storage-array"} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				n := nodes[i%2]
				for range 5 {
					err := n.GrantClient(context.Background(), n.Administrator("default"), "array", role)
					if err != nil && kmip.KindOf(err) != kmip.KindUnavailable { // too many at once
						t.Error(err)
					}
					if _, err := n.ShowClient(context.Background(), n.Administrator("default"), "array"); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		wg.Wait()
		s.Clock.Advance(2 * time.Second)
		if err := comesAt(s, made); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "was not written by this installation") {
			t.Error("a change of the server's own was taken for another's")
		}
	})
}

func TestTheRosterIsAdoptedByWhoeverRunsTheServer(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, _ *logged) {
		ctx := t.Context()
		made := newClient(t, s, "array")
		if err := s.CreateUser(ctx, s.Administrator("default"), "person", "", secret.New([]byte("password"))); err != nil {
			t.Fatal(err)
		}
		records, err := s.Store.Records(ctx, store.RecordQuery{Kind: "roster", Limit: 1000})
		if err != nil || len(records) != 4 { // root, array, its certificate, person
			t.Fatalf("records: %d, %v", len(records), err)
		}
		var c store.Change
		for _, r := range records {
			c.DeleteRecords = append(c.DeleteRecords, r.Ref())
		}
		write(t, s, c)
		refuses(t, "a client without a record", comesAt(s, made), kmip.KindNotAuthenticated)
		if _, err := s.Initialise(ctx); err == nil || !strings.Contains(err.Error(), "--adopt-roster") {
			t.Errorf("initialise: %v", err)
		}
		adopted, err := s.AdoptRoster(ctx)
		if err != nil || len(adopted) != 4 {
			t.Fatalf("adopted %q, %v", adopted, err)
		}
		s.Clock.Advance(2 * time.Second)
		if err := comesAt(s, made); err != nil {
			t.Error(err)
		}
		if again, err := s.AdoptRoster(ctx); err != nil || len(again) > 0 {
			t.Errorf("again: %q, %v", again, err)
		}
		entries, err := s.Audit(ctx, s.Administrator(""), store.AuditQuery{Operation: "roster.adopt", Limit: 10})
		if err != nil || len(entries) != 4 {
			t.Errorf("audit: %d entries, %v", len(entries), err)
		}
	})
}

func TestRowsAuthenticateInDirectModeWhileTheTokenIsAway(t *testing.T) {
	t.Parallel()
	s := service.With(t, service.Options{Hardware: true, Mode: seal.ModeDirect})
	cert, err := s.RenewAdministrator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AuthenticateAdministrator(t.Context(), cert.Certificate); err != nil {
		t.Fatal(err)
	}
	s.Hardware.Away(kmip.Fail(kmip.KindUnavailable, "gone"))
	if _, err := s.AuthenticateAdministrator(t.Context(), cert.Certificate); err != nil {
		t.Errorf("an administrator who wants to know what is wrong: %v", err)
	}
}
