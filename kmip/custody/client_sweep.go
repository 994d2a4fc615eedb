package custody

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/claviger/claviger/store"
)

// settingClients is the mark of the last change that can take the access of a
// client away. Every node compares it once a second, so that it need not ask about
// each client that is connected.
const settingClients = "clients.mark"

// clientRecords are the kinds of records on which the access of clients depends.
var clientRecords = map[string]bool{recordClient: true, recordIdentity: true, recordTrust: true}

// marked adds a new mark to a change that can take the access of a client away.
func marked(c store.Change) store.Change {
	touched := len(c.UpdateClients) > 0 || len(c.UpdateCerts) > 0
	for _, list := range [][]store.Record{c.AddRecords, c.UpdateRecords} {
		for _, r := range list {
			touched = touched || clientRecords[r.Kind]
		}
	}
	for _, r := range c.DeleteRecords {
		touched = touched || clientRecords[r.Kind]
	}
	if touched {
		mark := make([]byte, 16)
		_, _ = rand.Read(mark) // never fails
		c.PutSettings = append(c.PutSettings, store.Setting{Name: settingClients, Value: mark})
	}
	return c
}

// RefreshClients makes Standing and Identify forget what is no longer so: with one question to
// the store, whether anything about clients has changed. It also tells of refusals
// that were not recorded. Every node calls it once a second.
func (s *Service) RefreshClients(ctx context.Context) error {
	s.tellRefusals(ctx)
	now := s.now()
	mark, err := s.store.Setting(ctx, settingClients)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return s.translate(ctx, err)
	}
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	s.identities.asked = now
	if !bytes.Equal(mark, s.identities.mark) {
		s.identities.known, s.identities.mark = nil, mark
		s.identities.times++
		s.trusts.expire()
	}
	return nil
}
