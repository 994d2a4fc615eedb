// Package sealtest has what tests of the key hierarchy and its users need.
package sealtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/claviger/claviger/hsm/seal"
)

// Keys keeps domain keys in memory. The zero value is ready.
type Keys struct {
	mu   sync.Mutex
	rows []seal.DomainKey // guarded by mu
}

var _ seal.Keys = (*Keys)(nil)

// DomainKeys implements seal.Keys.
func (k *Keys) DomainKeys(ctx context.Context, domain string) ([]seal.DomainKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []seal.DomainKey
	for _, row := range k.rows {
		if row.Domain == domain {
			row.Wrapped = slices.Clone(row.Wrapped)
			out = append(out, row)
		}
	}
	return out, nil
}

// AddDomainKey implements seal.Keys.
func (k *Keys) AddDomainKey(ctx context.Context, add seal.DomainKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, row := range k.rows {
		if row.Domain == add.Domain && row.Generation == add.Generation && row.Token == add.Token {
			return fmt.Errorf("domain %q, generation %d: %w", add.Domain, add.Generation, seal.ErrKeyExists)
		}
	}
	add.Wrapped = slices.Clone(add.Wrapped)
	k.rows = append(k.rows, add)
	return nil
}

// Change lets a test do what an administrator of the database could: change
// rows behind Claviger's back.
func (k *Keys) Change(change func(*seal.DomainKey)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.rows {
		change(&k.rows[i])
	}
}
