package custody_test

import (
	"context"
	"sync/atomic"

	"github.com/claviger/claviger/store"
)

// watchedStore is before a store: it counts what is read beside objects, and can be
// taken away as far as that goes.
type watchedStore struct {
	store.Store
	reads atomic.Int64
	away  atomic.Bool
}

func (w *watchedStore) wrap(s store.Store) store.Store { w.Store = s; return w }

func (w *watchedStore) read() error {
	if w.away.Load() {
		return store.ErrUnavailable
	}
	w.reads.Add(1)
	return nil
}

func (w *watchedStore) Setting(ctx context.Context, name string) ([]byte, error) {
	if err := w.read(); err != nil {
		return nil, err
	}
	return w.Store.Setting(ctx, name)
}

func (w *watchedStore) Record(ctx context.Context, domain, kind, key string) (store.Record, error) {
	if err := w.read(); err != nil {
		return store.Record{}, err
	}
	return w.Store.Record(ctx, domain, kind, key)
}

func (w *watchedStore) Records(ctx context.Context, q store.RecordQuery) ([]store.Record, error) {
	if err := w.read(); err != nil {
		return nil, err
	}
	return w.Store.Records(ctx, q)
}

func (w *watchedStore) Administrators(ctx context.Context) ([]store.Administrator, error) {
	if err := w.read(); err != nil {
		return nil, err
	}
	return w.Store.Administrators(ctx)
}
