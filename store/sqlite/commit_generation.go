package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/internal/column"
)

// There is one writer: what a change finds closed stays so, and what it finds
// open stays so until it is durable.
const (
	sqlCloseGeneration = `insert into closed_generation (domain, generation, closed) values (?, ?, ?)
		on conflict (domain, generation) do nothing`

	// sqlClosed is to be completed by the place where a row goes.
	sqlClosed = `select 1 from closed_generation g where (g.domain, g.generation) = `

	sqlIsClosed = `select exists (` + sqlClosed + `(?, ?))`

	sqlUpdateDomainKey = `update domain_key set root_key = ?4, wrapped = ?5
		where domain = ?1 and generation = ?2 and token = ?3 and root_key = ?6`

	sqlDropGeneration = `delete from domain_key where domain = ? and generation = ?`

	sqlDropDomainKey = `delete from domain_key where domain = ? and generation = ? and token = ?`

	sqlHasDomainKey = `select exists (select 1 from domain_key where domain = ? and generation = ?)`
)

func (w *writer) applyClose(ctx context.Context, c *store.Change) error {
	for _, g := range c.CloseGenerations {
		if err := w.must(ctx, "close generation", nil, sqlCloseGeneration, g.Domain, g.Generation, column.Micro(time.Now())); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) applyDomainKeys(ctx context.Context, c *store.Change) error {
	for _, k := range c.UpdateDomainKeys {
		if err := w.must(ctx, "update domain key", store.ErrConflict, sqlUpdateDomainKey,
			k.Domain, k.Generation, k.Token, k.RootKey, column.Bytes(k.Wrapped), k.From); err != nil {
			return err
		}
	}
	for _, g := range c.DropGenerations {
		if err := w.must(ctx, "drop generation", nil, sqlDropGeneration, g.Domain, g.Generation); err != nil {
			return err
		}
	}
	for _, k := range c.DropDomainKeys {
		if err := w.dropDomainKey(ctx, k); err != nil {
			return fmt.Errorf("drop domain key: %w", err)
		}
	}
	return nil
}

func (w *writer) dropDomainKey(ctx context.Context, k store.DomainKeyRef) error {
	n, err := w.run(ctx, sqlDropDomainKey, k.Domain, k.Generation, k.Token)
	if err != nil || n == 0 {
		return kind(err)
	}
	left, err := w.ask(ctx, sqlHasDomainKey, k.Domain, k.Generation)
	if err == nil && !left {
		err = store.ErrInUse
	}
	return err
}

// expectOpen fails for a generation that is closed.
func (w *writer) expectOpen(ctx context.Context, domain string, generation int32) error {
	closed, err := w.ask(ctx, sqlIsClosed, domain, generation)
	if err == nil && closed {
		err = store.ErrConflict
	}
	return err
}

// ask runs a statement that answers yes or no.
func (w *writer) ask(ctx context.Context, text string, args ...any) (yes bool, err error) {
	if err := w.conn.QueryRowContext(ctx, text, args...).Scan(&yes); err != nil {
		return false, kind(err)
	}
	return yes, nil
}
