package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/store"
)

// Settings of the key hierarchy. They are no secrets: the check value is derived
// one way, and a wrong list of tokens can make keys unreachable but not readable.
const (
	settingRetired = "root.retired"
	settingCheck   = "domain-key.check"
)

func checkSetting(domain string, generation int32) string {
	return fmt.Sprintf("%s/%s/%d", settingCheck, domain, generation)
}

// DomainKeys keeps the keys of domains in a store. It implements seal.Keys.
type DomainKeys struct{ Store store.Store }

var _ seal.Keys = DomainKeys{}

// DomainKeys implements seal.Keys.
func (d DomainKeys) DomainKeys(ctx context.Context, domain string) ([]seal.DomainKey, error) {
	rows, err := d.Store.DomainKeys(ctx, domain)
	if err != nil {
		return nil, err
	}
	keys := make([]seal.DomainKey, len(rows))
	for i, r := range rows {
		keys[i] = seal.DomainKey(r)
	}
	return keys, nil
}

// Generations implements seal.Keys.
func (d DomainKeys) Generations(ctx context.Context) ([]seal.Generation, error) {
	rows, err := d.Store.Generations(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]seal.Generation, len(rows))
	for i, r := range rows {
		list[i] = seal.Generation{Domain: r.Domain, Number: r.Generation, Closed: !r.Closed.IsZero(), Gone: r.Copies == 0}
	}
	return list, nil
}

// AddGeneration implements seal.Keys.
func (d DomainKeys) AddGeneration(ctx context.Context, check []byte, copies []seal.DomainKey) error {
	c := store.Change{AddSettings: []store.Setting{{Name: checkSetting(copies[0].Domain, copies[0].Generation), Value: check}}}
	for _, k := range copies {
		c.AddDomainKeys = append(c.AddDomainKeys, store.DomainKey(k))
	}
	return exists(d.Store.Commit(ctx, c))
}

// CheckValue implements seal.Keys.
func (d DomainKeys) CheckValue(ctx context.Context, domain string, generation int32) ([]byte, error) {
	value, err := d.Store.Setting(ctx, checkSetting(domain, generation))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return value, err
}

// AddCopy implements seal.Keys.
func (d DomainKeys) AddCopy(ctx context.Context, k seal.DomainKey) error {
	return exists(d.Store.Commit(ctx, store.Change{AddDomainKeys: []store.DomainKey{store.DomainKey(k)}}))
}

// ReplaceCopy implements seal.Keys.
func (d DomainKeys) ReplaceCopy(ctx context.Context, k seal.DomainKey, from string) error {
	err := d.Store.Commit(ctx, store.Change{UpdateDomainKeys: []store.DomainKeyChange{{DomainKey: store.DomainKey(k), From: from}}})
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: %w", seal.ErrKeyChanged, err)
	}
	return err
}

// settingRoot names the setting that a root key was made by this installation.
func settingRoot(token, rootKey string) string { return "root.made/" + token + "/" + rootKey }

// NoteRoot implements seal.Keys.
func (d DomainKeys) NoteRoot(ctx context.Context, token, rootKey string) error {
	err := d.Store.Commit(ctx, store.Change{AddSettings: []store.Setting{{Name: settingRoot(token, rootKey), Value: []byte(time.Now().UTC().Format(time.RFC3339))}}})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// KnowsRoot implements seal.Keys.
func (d DomainKeys) KnowsRoot(ctx context.Context, token, rootKey string) (bool, error) {
	_, err := d.Store.Setting(ctx, settingRoot(token, rootKey))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Retired implements seal.Keys.
func (d DomainKeys) Retired(ctx context.Context) ([]string, error) {
	value, err := d.Store.Setting(ctx, settingRetired)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []string
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, fmt.Errorf("setting %s is damaged: %w", settingRetired, err)
	}
	return list, nil
}

func exists(err error) error {
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("%w: %w", seal.ErrKeyExists, err)
	}
	return err
}
