package storetest

import (
	"testing"
	"time"

	"github.com/claviger/claviger/store"
)

var (
	aDomain      = store.Domain{Name: "d", Created: day}
	aClient      = store.Client{Domain: "d", Name: "c", Role: "user", Created: day}
	aCertificate = store.Certificate{
		Domain: "d", Client: "c", Fingerprint: []byte("fingerprint"), Serial: "0aff",
		NotAfter: day.Add(time.Hour), Created: day,
	}
	aUser   = store.User{Domain: "d", Name: "alice", Role: "user-admin", Password: "$argon2id$", Created: day}
	anAdmin = store.Administrator{
		Name: "root", Role: "all", Fingerprint: []byte("admin fingerprint"), NotAfter: day.Add(time.Hour), Created: day,
	}
)

// everything makes one of each.
func everything() store.Change {
	return store.Change{
		AddDomains:        []store.Domain{aDomain},
		AddClients:        []store.Client{aClient},
		AddCertificates:   []store.Certificate{aCertificate},
		AddUsers:          []store.User{aUser},
		AddAdministrators: []store.Administrator{anAdmin},
		AddDomainKeys:     []store.DomainKey{{Domain: "d", Generation: 1, Token: "t", RootKey: "r", Wrapped: []byte{1}, Created: day}},
		AddSettings:       []store.Setting{{Name: "ca", Value: []byte{2}}},
	}
}

var registryCases = []testCase{
	{"is read as it was added", func(t *testing.T, s store.Store) {
		commit(t, s, everything())
		commit(t, s, store.Change{AddDomains: []store.Domain{{Name: "D", Created: day}}})

		domain, err := s.Domain(t.Context(), "d")
		expect(t, "Domain", aDomain, domain, err)
		domains, err := s.Domains(t.Context())
		expect(t, "Domains", []store.Domain{{Name: "D", Created: day}, aDomain}, domains, err)
		client, err := s.Client(t.Context(), "d", "c")
		expect(t, "Client", aClient, client, err)
		for _, d := range []string{"d", ""} {
			clients, err := s.Clients(t.Context(), d)
			expect(t, "Clients", []store.Client{aClient}, clients, err)
		}
		clients, err := s.Clients(t.Context(), "D")
		expect(t, "Clients of another domain", []store.Client(nil), clients, err)
		client, certificate, err := s.ClientByFingerprint(t.Context(), aCertificate.Fingerprint)
		expect(t, "client by fingerprint", aClient, client, err)
		expect(t, "certificate by fingerprint", aCertificate, certificate, err)
		certificates, err := s.Certificates(t.Context(), "d", "c")
		expect(t, "Certificates", []store.Certificate{aCertificate}, certificates, err)
		user, err := s.User(t.Context(), "d", "alice")
		expect(t, "User", aUser, user, err)
		users, err := s.Users(t.Context(), "d")
		expect(t, "Users", []store.User{aUser}, users, err)
		admin, err := s.AdministratorByFingerprint(t.Context(), anAdmin.Fingerprint)
		expect(t, "AdministratorByFingerprint", anAdmin, admin, err)
		admins, err := s.Administrators(t.Context())
		expect(t, "Administrators", []store.Administrator{anAdmin}, admins, err)
		keys, err := s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", everything().AddDomainKeys, keys, err)
		setting, err := s.Setting(t.Context(), "ca")
		expect(t, "Setting", []byte{2}, setting, err)
	}},
	{"is not found when it is not there", func(t *testing.T, s store.Store) {
		commit(t, s, everything())
		for name, read := range map[string]func() error{
			"domain":        func() error { _, err := s.Domain(t.Context(), "x"); return err },
			"client":        func() error { _, err := s.Client(t.Context(), "x", "c"); return err },
			"fingerprint":   func() error { _, _, err := s.ClientByFingerprint(t.Context(), nil); return err },
			"user":          func() error { _, err := s.User(t.Context(), "x", "alice"); return err },
			"administrator": func() error { _, err := s.AdministratorByFingerprint(t.Context(), []byte("x")); return err },
			"setting":       func() error { _, err := s.Setting(t.Context(), "x"); return err },
		} {
			t.Run(name, func(t *testing.T) { expectError(t, read(), store.ErrNotFound) })
		}
	}},
	{"refuses a second record with the same key", func(t *testing.T, s store.Store) {
		commit(t, s, everything())
		e := everything()
		for name, c := range map[string]store.Change{
			"domain":        {AddDomains: e.AddDomains},
			"client":        {AddClients: e.AddClients},
			"certificate":   {AddCertificates: e.AddCertificates},
			"user":          {AddUsers: e.AddUsers},
			"administrator": {AddAdministrators: e.AddAdministrators},
			"domain key":    {AddDomainKeys: e.AddDomainKeys},
			"setting":       {AddSettings: e.AddSettings},
		} {
			t.Run(name, func(t *testing.T) { expectError(t, s.Commit(t.Context(), c), store.ErrExists) })
		}
	}},
	{"refuses records of a domain or client that is not there", func(t *testing.T, s store.Store) {
		expectError(t, s.Commit(t.Context(), store.Change{AddClients: []store.Client{aClient}}), store.ErrNotFound)
		expectError(t, s.Commit(t.Context(), store.Change{AddUsers: []store.User{aUser}}), store.ErrNotFound)
		expectError(t, s.Commit(t.Context(), store.Change{AddCertificates: []store.Certificate{aCertificate}}), store.ErrNotFound)
	}},
	{"updates what is there, and only that", func(t *testing.T, s store.Store) {
		client, certificate, user, admin := aClient, aCertificate, aUser, anAdmin
		client.Role, client.Revoked = "auditor", day.Add(time.Minute)
		certificate.Revoked = day.Add(time.Minute)
		user.Role, user.Password, user.Disabled = "user", "new", day.Add(time.Minute)
		admin.Role, admin.Fingerprint, admin.Revoked = "some", []byte("other"), day.Add(time.Minute)
		for _, c := range []store.Change{
			{UpdateClients: []store.Client{client}},
			{UpdateCerts: []store.Certificate{certificate}},
			{UpdateUsers: []store.User{user}},
			{UpdateAdmins: []store.Administrator{admin}},
		} {
			expectError(t, s.Commit(t.Context(), c), store.ErrNotFound)
		}
		commit(t, s, everything())
		commit(t, s, store.Change{
			UpdateClients: []store.Client{client}, UpdateCerts: []store.Certificate{certificate},
			UpdateUsers: []store.User{user}, UpdateAdmins: []store.Administrator{admin},
		})
		gotClient, gotCertificate, err := s.ClientByFingerprint(t.Context(), aCertificate.Fingerprint)
		expect(t, "client", client, gotClient, err)
		expect(t, "certificate", certificate, gotCertificate, err)
		gotUser, err := s.User(t.Context(), "d", "alice")
		expect(t, "user", user, gotUser, err)
		gotAdmin, err := s.AdministratorByFingerprint(t.Context(), []byte("other"))
		expect(t, "administrator", admin, gotAdmin, err)
	}},
	{"keeps what is revoked revoked, whatever was planned meanwhile", func(t *testing.T, s store.Store) {
		commit(t, s, everything())
		client, certificate := aClient, aCertificate
		client.Revoked, certificate.Revoked = day.Add(time.Minute), day.Add(time.Minute)
		commit(t, s, store.Change{UpdateClients: []store.Client{client}, UpdateCerts: []store.Certificate{certificate}})
		stale, late := aClient, aCertificate
		stale.Role, late.Revoked = "auditor", day.Add(time.Hour)
		commit(t, s, store.Change{UpdateClients: []store.Client{stale}, UpdateCerts: []store.Certificate{late}})
		stale.Revoked = client.Revoked
		gotClient, gotCertificate, err := s.ClientByFingerprint(t.Context(), aCertificate.Fingerprint)
		expect(t, "client", stale, gotClient, err)
		expect(t, "certificate", certificate, gotCertificate, err)
	}},
	{"gives the certificates of all clients", func(t *testing.T, s store.Store) {
		commit(t, s, everything())
		other, its := aClient, aCertificate
		other.Name, its.Client, its.Fingerprint = "e", "e", []byte("another")
		elsewhere, far := aClient, aCertificate
		elsewhere.Domain, far.Domain, far.Fingerprint = "D", "D", []byte("far")
		commit(t, s, store.Change{AddDomains: []store.Domain{{Name: "D", Created: day}}, AddClients: []store.Client{other, elsewhere}, AddCertificates: []store.Certificate{its, far}})
		got, err := s.Certificates(t.Context(), "d", "")
		expect(t, "of a domain", []store.Certificate{aCertificate, its}, got, err)
		got, err = s.Certificates(t.Context(), "", "")
		expect(t, "of all", []store.Certificate{far, aCertificate, its}, got, err)
	}},
	{"finds certificates that expire and have no successor", func(t *testing.T, s store.Store) {
		const days = 24 * time.Hour
		commit(t, s, store.Change{AddDomains: []store.Domain{aDomain}})
		add := func(client string, revoked time.Time, certificates map[string]time.Duration, gone ...string) {
			c := store.Change{AddClients: []store.Client{{Domain: "d", Name: client, Role: "r", Created: day}}}
			for name, after := range certificates {
				cert := store.Certificate{Domain: "d", Client: client, Fingerprint: []byte(name), Serial: "1", NotAfter: day.Add(after), Created: day}
				for _, g := range gone {
					if g == name {
						cert.Revoked = day
					}
				}
				c.AddCertificates = append(c.AddCertificates, cert)
			}
			commit(t, s, c)
			commit(t, s, store.Change{UpdateClients: []store.Client{{Domain: "d", Name: client, Role: "r", Revoked: revoked}}})
		}
		add("soon", time.Time{}, map[string]time.Duration{"soon": 10 * days})
		add("renewed", time.Time{}, map[string]time.Duration{"old": 2 * days, "new": 300 * days})
		add("renewed twice", time.Time{}, map[string]time.Duration{"first": 3 * days, "second": 20 * days, "lost": 300 * days}, "lost")
		add("late", time.Time{}, map[string]time.Duration{"late": 30 * days})
		add("over", time.Time{}, map[string]time.Duration{"over": -8 * days})
		add("gone", day, map[string]time.Duration{"gone": days})
		list, err := s.Expiring(t.Context(), day.Add(-7*days), day.Add(30*days), 10)
		var names []string
		for _, c := range list {
			names = append(names, string(c.Fingerprint))
		}
		expect(t, "Expiring", []string{"soon", "second"}, names, err)
		list, err = s.Expiring(t.Context(), day.Add(-7*days), day.Add(30*days), 1)
		expect(t, "number", 1, len(list), err)
	}},
	{"puts settings over each other", func(t *testing.T, s store.Store) {
		commit(t, s, store.Change{PutSettings: []store.Setting{{Name: "a", Value: []byte("1")}}})
		commit(t, s, store.Change{PutSettings: []store.Setting{{Name: "a", Value: []byte("2")}, {Name: "a", Value: []byte("3")}}})
		got, err := s.Setting(t.Context(), "a")
		expect(t, "Setting", []byte("3"), got, err)
	}},
	{"gives domain keys oldest first", func(t *testing.T, s store.Store) {
		var list []store.DomainKey
		for _, g := range []int32{1, 2, 10} {
			for _, token := range []string{"A", "a"} {
				list = append(list, store.DomainKey{Domain: "d", Generation: g, Token: token, Wrapped: []byte("w"), Created: day})
			}
		}
		for i := len(list) - 1; i >= 0; i-- {
			commit(t, s, store.Change{AddDomainKeys: list[i : i+1]})
		}
		got, err := s.DomainKeys(t.Context(), "d")
		expect(t, "DomainKeys", list, got, err)
	}},
	{"answers a ping and tells the time", func(t *testing.T, s store.Store) {
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v", err)
		}
		now, err := s.Now(t.Context())
		if age := time.Since(now); err != nil || age < -time.Minute || age > time.Minute || now.Location() != time.UTC {
			t.Errorf("Now: %v, %v", now, err)
		}
	}},
}

func expect(t *testing.T, what string, want, got any, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if d := diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
