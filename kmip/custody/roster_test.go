package custody_test

import (
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

// onAlterableStores runs a test with a service on each store. s.Store is as whoever
// writes to the database has it: without the root of trust.
func onAlterableStores(t *testing.T, test func(t *testing.T, s *service.Service, log *logBuffer)) {
	t.Helper()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &logBuffer{}
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
	for name, alter := range map[string]func(t *testing.T, s *service.Service, mallory *custody.NewClient) store.Change{
		"a role": func(_ *testing.T, _ *service.Service, mallory *custody.NewClient) store.Change {
			mallory.Client.Role = "registrar"
			return store.Change{UpdateClients: []store.Client{mallory.Client}}
		},
		"a record of another client beside it": func(t *testing.T, s *service.Service, mallory *custody.NewClient) store.Change {
			mallory.Client.Role = "registrar"
			good, own := recordOf(t, s, "default", "client/victim"), recordOf(t, s, "default", "client/mallory")
			own.Value, own.Revision = good.Value, own.Revision+1
			return store.Change{UpdateClients: []store.Client{mallory.Client}, UpdateRecords: []store.Record{own}}
		},
		"no record any more": func(t *testing.T, s *service.Service, _ *custody.NewClient) store.Change {
			return store.Change{DeleteRecords: []store.RecordRef{recordOf(t, s, "default", "client/mallory").Ref()}}
		},
		"a certificate of no record": func(t *testing.T, s *service.Service, mallory *custody.NewClient) store.Change {
			key := "certificate/" + custody.FingerprintOf(mallory.Issued.Certificate)
			return store.Change{DeleteRecords: []store.RecordRef{recordOf(t, s, "default", key).Ref()}}
		},
		"a record that is no record": func(t *testing.T, s *service.Service, _ *custody.NewClient) store.Change {
			r := recordOf(t, s, "default", "client/mallory")
			r.Value, r.Revision = []byte("short"), r.Revision+1
			return store.Change{UpdateRecords: []store.Record{r}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onAlterableStores(t, func(t *testing.T, s *service.Service, log *logBuffer) {
				mallory, victim := newClient(t, s, "mallory"), newClient(t, s, "victim")
				for _, c := range []*custody.NewClient{mallory, victim} {
					if err := comesAt(s, c); err != nil {
						t.Fatalf("before: %v", err)
					}
				}
				write(t, s, alter(t, s, mallory))
				refuses(t, "the altered client", comesAt(s, mallory), kmip.KindNotAuthenticated)
				if err := comesAt(s, victim); err != nil {
					t.Errorf("another client: %v", err)
				}
				if !strings.Contains(log.String(), "was not written by this installation") {
					t.Errorf("the log says nothing of it: %s", log)
				}
				if err := s.RevokeClient(t.Context(), s.Administrator("default"), "mallory"); err != nil {
					t.Errorf("revoke it: %v", err)
				}
			})
		})
	}
}

func TestAClientThatTheDatabaseMadeGetsNothing(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, _ *logBuffer) {
		created := s.Clock.Now()
		write(t, s, store.Change{AddClients: []store.Client{{Domain: "default", Name: "made", Role: policy.RoleNone, Created: created}}})
		ctx, admin := t.Context(), s.Administrator("default")
		_, err := s.IssueCertificate(ctx, admin, "made")
		refuses(t, "issue", err, kmip.KindIntegrity)
		_, err = s.MakeToken(ctx, admin, "made", 0)
		refuses(t, "token", err, kmip.KindIntegrity)
		refuses(t, "grant", s.GrantClient(ctx, admin, "made", "backup"), kmip.KindIntegrity)
		if err := s.RevokeClient(ctx, admin, "made"); err != nil {
			t.Errorf("revoke: %v", err)
		}
	})
}

func TestACertificateThatTheDatabaseGivesToAClientIsRefused(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logBuffer) {
		victim := newClient(t, s, "victim")
		authority, err := s.Authority(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		issued, err := authority.IssueClient("mallory", []string{"default"}, s.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		forged := &custody.NewClient{Issued: issued}
		// The row, and beside it the record of the certificate that the victim has.
		r := recordOf(t, s, "default", "certificate/"+custody.FingerprintOf(victim.Issued.Certificate))
		r.Key, r.Revision = "certificate/"+custody.FingerprintOf(issued.Certificate), 1
		write(t, s, store.Change{AddRecords: []store.Record{r}, AddCertificates: []store.Certificate{{
			Domain: "default", Client: "victim", Serial: "7", Fingerprint: pki.Fingerprint(issued.Certificate),
			NotAfter: issued.Certificate.NotAfter, Created: victim.Client.Created,
		}}})
		refuses(t, "by the forged certificate", comesAt(s, forged), kmip.KindNotAuthenticated)
		if !strings.Contains(log.String(), "was not written by this installation") {
			t.Error("the log says nothing of it")
		}
		if err := comesAt(s, victim); err != nil {
			t.Errorf("the victim: %v", err)
		}
		if err := s.RevokeCertificate(t.Context(), s.Administrator("default"), "victim", custody.FingerprintOf(issued.Certificate)); err != nil {
			t.Errorf("revoke the forged certificate: %v", err)
		}
		s.Clock.Advance(2 * time.Second)
		refuses(t, "by the forged certificate that is revoked", comesAt(s, forged), kmip.KindNotAuthenticated)
	})
}

func TestAUserThatTheDatabaseAlteredHasNoCredential(t *testing.T) {
	t.Parallel()
	onAlterableStores(t, func(t *testing.T, s *service.Service, _ *logBuffer) {
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
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logBuffer) {
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
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logBuffer) {
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
	onAlterableStores(t, func(t *testing.T, s *service.Service, log *logBuffer) {
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
	onAlterableStores(t, func(t *testing.T, s *service.Service, _ *logBuffer) {
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

func TestAdministratorsComeWhileTheTokenOfADirectDomainIsGone(t *testing.T) {
	t.Parallel()
	s := service.With(t, service.Options{Hardware: true, Mode: seal.ModeDirect})
	ctx := t.Context()
	issued, err := s.RenewAdministrator(ctx)
	if err != nil {
		t.Fatal(err)
	}
	uid := create(t, s, s.Client("default"))
	if _, err := s.AuthenticateAdministrator(ctx, issued.Certificate); err != nil {
		t.Fatal(err)
	}
	if err := s.Hardware.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, s.Client("default"), uid, custody.GetOptions{}); err == nil {
		t.Fatal("the token is not gone")
	}
	if _, err := s.AuthenticateAdministrator(ctx, issued.Certificate); err != nil {
		t.Errorf("an administrator who wants to know what is wrong: %v", err)
	}
}
