package seal

import (
	"context"
	"errors"

	"github.com/claviger/claviger/hsm"
)

// memory is a Keys for the tests of this package, which cannot import sealtest.
// Not safe for concurrent use.
type memory struct {
	rows    []DomainKey
	checks  map[ref][]byte
	retired []string
	gone    map[ref]bool
	made    map[string]bool
}

func (m *memory) DomainKeys(_ context.Context, domain string) ([]DomainKey, error) {
	var out []DomainKey
	for _, k := range m.rows {
		if domain == "" || k.Domain == domain {
			out = append(out, k)
		}
	}
	return out, nil
}

func (m *memory) Generations(context.Context) ([]Generation, error) {
	seen := map[ref]bool{}
	var out []Generation
	for _, k := range m.rows {
		if at := (ref{k.Domain, k.Generation}); !seen[at] {
			seen[at] = true
			out = append(out, Generation{Domain: k.Domain, Number: k.Generation})
		}
	}
	for at := range m.gone {
		out = append(out, Generation{Domain: at.domain, Number: at.generation, Closed: true, Gone: true})
	}
	return out, nil
}

func (m *memory) AddGeneration(_ context.Context, check []byte, copies []DomainKey) error {
	if m.checks == nil {
		m.checks = map[ref][]byte{}
	}
	at := ref{copies[0].Domain, copies[0].Generation}
	if m.checks[at] != nil {
		return ErrKeyExists
	}
	m.checks[at] = append([]byte(nil), check...)
	m.rows = append(m.rows, copies...)
	return nil
}

func (m *memory) CheckValue(_ context.Context, domain string, generation int32) ([]byte, error) {
	return m.checks[ref{domain, generation}], nil
}

func (m *memory) AddCopy(_ context.Context, k DomainKey) error {
	m.rows = append(m.rows, k)
	return nil
}

func (m *memory) ReplaceCopy(_ context.Context, k DomainKey, from string) error {
	for i, row := range m.rows {
		if row.Domain == k.Domain && row.Generation == k.Generation && row.Token == k.Token {
			if row.RootKey != from {
				return ErrKeyChanged
			}
			m.rows[i] = k
			return nil
		}
	}
	return errors.Join(ErrKeyChanged, hsm.ErrNotFound)
}

func (m *memory) Retired(context.Context) ([]string, error) { return m.retired, nil }

func (m *memory) NoteRoot(_ context.Context, token, rootKey string) error {
	if m.made == nil {
		m.made = map[string]bool{}
	}
	m.made[token+"/"+rootKey] = true
	return nil
}

func (m *memory) KnowsRoot(_ context.Context, token, rootKey string) (bool, error) {
	return m.made[token+"/"+rootKey], nil
}
