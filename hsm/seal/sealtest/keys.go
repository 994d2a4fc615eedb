// Package sealtest has what tests of the key hierarchy and its users need.
package sealtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/claviger/claviger/hsm/seal"
)

// Keys keeps domain keys in memory. The zero value is ready; it is safe for
// concurrent use.
type Keys struct {
	mu      sync.Mutex
	rows    []seal.DomainKey  // guarded by mu
	checks  map[string][]byte // guarded by mu
	retired []string          // guarded by mu
	made    []string          // guarded by mu
}

var _ seal.Keys = (*Keys)(nil)

func generation(domain string, number int32) string { return fmt.Sprintf("%q/%d", domain, number) }

// DomainKeys implements seal.Keys.
func (k *Keys) DomainKeys(ctx context.Context, domain string) ([]seal.DomainKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []seal.DomainKey
	for _, row := range k.rows {
		if domain == "" || row.Domain == domain {
			row.Wrapped = slices.Clone(row.Wrapped)
			out = append(out, row)
		}
	}
	return out, nil
}

// Generations implements seal.Keys.
func (k *Keys) Generations(ctx context.Context) ([]seal.Generation, error) {
	rows, err := k.DomainKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []seal.Generation
	for _, row := range rows {
		if g := (seal.Generation{Domain: row.Domain, Number: row.Generation}); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out, nil
}

// AddGeneration implements seal.Keys.
func (k *Keys) AddGeneration(ctx context.Context, check []byte, copies []seal.DomainKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	name := generation(copies[0].Domain, copies[0].Generation)
	if k.checks[name] != nil {
		return fmt.Errorf("%s: %w", name, seal.ErrKeyExists)
	}
	if k.checks == nil {
		k.checks = map[string][]byte{}
	}
	k.checks[name] = slices.Clone(check)
	for _, c := range copies {
		k.add(c)
	}
	return nil
}

func (k *Keys) add(c seal.DomainKey) {
	c.Wrapped = slices.Clone(c.Wrapped)
	k.rows = append(k.rows, c)
}

// CheckValue implements seal.Keys.
func (k *Keys) CheckValue(_ context.Context, domain string, number int32) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.checks[generation(domain, number)], nil
}

// AddCopy implements seal.Keys.
func (k *Keys) AddCopy(_ context.Context, c seal.DomainKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.index(c) >= 0 {
		return fmt.Errorf("domain %q, generation %d: %w", c.Domain, c.Generation, seal.ErrKeyExists)
	}
	k.add(c)
	return nil
}

// ReplaceCopy implements seal.Keys.
func (k *Keys) ReplaceCopy(_ context.Context, c seal.DomainKey, from string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := k.index(c)
	if i < 0 || k.rows[i].RootKey != from {
		return fmt.Errorf("domain %q, generation %d: %w", c.Domain, c.Generation, seal.ErrKeyChanged)
	}
	c.Wrapped = slices.Clone(c.Wrapped)
	k.rows[i] = c
	return nil
}

// index is where the copy is kept, -1 when it is not. The caller holds mu.
func (k *Keys) index(c seal.DomainKey) int {
	return slices.IndexFunc(k.rows, func(row seal.DomainKey) bool {
		return row.Domain == c.Domain && row.Generation == c.Generation && row.Token == c.Token
	})
}

// NoteRoot implements seal.Keys.
func (k *Keys) NoteRoot(_ context.Context, token, rootKey string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made = append(k.made, token+"/"+rootKey)
	return nil
}

// KnowsRoot implements seal.Keys.
func (k *Keys) KnowsRoot(_ context.Context, token, rootKey string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.made, token+"/"+rootKey), nil
}

// Retired implements seal.Keys.
func (k *Keys) Retired(context.Context) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.retired), nil
}

// Retire makes tokens those that are not to be used.
func (k *Keys) Retire(serials ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retired = serials
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
