package custody

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// AdoptRoster accepts every client, certificate, user and administrator as the
// database has it, with an entry in the audit for each that did not authenticate, and
// returns the domain and name of each of these. It is for whoever can run commands on
// the server's own machine and knows why the rows are what they are: a table was
// restored by itself, or is of a time before rows were authenticated.
func (s *Service) AdoptRoster(ctx context.Context) ([]string, error) {
	rows, err := s.rosterRows(ctx)
	if err != nil {
		return nil, err
	}
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "init"}}, "", "system", "", "")
	var adopted []string
	for _, row := range rows {
		err := s.store.check(ctx, row.rosterRow)
		if err == nil {
			continue
		}
		if !errors.Is(err, errAltered) {
			return adopted, err
		}
		var c store.Change
		if err := s.store.update(ctx, &c, row.rosterRow, row.created, func() (rosterRow, error) { return row.rosterRow, nil }); err != nil {
			return adopted, err
		}
		e := s.entry(sc, "roster.adopt", row.key, nil)
		e.Domain = row.domain
		c.Audit = append(c.Audit, e)
		if err := sc.commit(ctx, c); err != nil {
			return adopted, err
		}
		adopted = append(adopted, fmt.Sprintf("domain %s: %s", row.domain, row.key))
	}
	return adopted, nil
}

type createdRow struct {
	rosterRow
	created time.Time
}

// rosterRows are all rows as they are stored.
func (s *Service) rosterRows(ctx context.Context) ([]createdRow, error) {
	var rows []createdRow
	admins, err := s.store.Store.Administrators(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range admins {
		rows = append(rows, createdRow{administratorRow(v), v.Created})
	}
	clients, err := s.store.Clients(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, v := range clients {
		rows = append(rows, createdRow{clientRow(v), v.Created})
	}
	certificates, err := s.store.Certificates(ctx, "", "")
	if err != nil {
		return nil, err
	}
	for _, v := range certificates {
		rows = append(rows, createdRow{certificateRow(v), v.Created})
	}
	domains, err := s.store.Domains(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range domains {
		users, err := s.store.Users(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		for _, v := range users {
			rows = append(rows, createdRow{userRow(v), v.Created})
		}
	}
	return rows, nil
}
