package seal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/kmip/secret"
)

const domainKeyBytes = 32

// maxDomainBytes bounds the name of a domain.
const maxDomainBytes = 255

// EnsureDomain makes generation 1 of a domain's key if the domain has none.
// When nodes race, the one whose AddDomainKey fails uses the other's key.
// Returns ErrNotEnrolled if the domain has keys for other tokens only.
func (r *Ring) EnsureDomain(ctx context.Context, domain string) error {
	_, err := r.Current(ctx, domain)
	if !errors.Is(err, hsm.ErrNotFound) {
		return err
	}
	if err := r.addGeneration(ctx, domain, 1); err != nil {
		return fmt.Errorf("make the key of domain %q: %w", domain, err)
	}
	// Whatever is kept now, ours or another node's, must open before it is used.
	if _, err := r.Current(ctx, domain); err != nil {
		return err
	}
	_, err = r.key(ctx, domain, 1)
	return err
}

// Current returns the newest generation of a domain for this token. Returns
// hsm.ErrNotFound if the domain has no key.
func (r *Ring) Current(ctx context.Context, domain string) (int32, error) {
	t := r.opened.Load()
	if t == nil {
		return 0, hsm.ErrClosed
	}
	if g, ok := t.current[domain]; ok {
		return g, nil
	}
	rows, err := r.rows(ctx, domain)
	if err != nil {
		return 0, err
	}
	var newest int32
	for _, k := range rows {
		newest = max(newest, k.Generation)
	}
	if newest < 1 {
		return 0, fmt.Errorf("domain %q has no key: %w", domain, hsm.ErrNotFound)
	}
	return newest, r.setCurrent(domain, newest)
}

// rows reads what is kept of a domain for this token.
func (r *Ring) rows(ctx context.Context, domain string) ([]DomainKey, error) {
	if domain == "" || len(domain) > maxDomainBytes {
		return nil, fmt.Errorf("domain with a name of %d bytes: %w", len(domain), hsm.ErrNotFound)
	}
	info, err := r.token.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of domain %q: %w", domain, err)
	}
	all, err := r.keys.DomainKeys(ctx, domain)
	if err != nil {
		return nil, fmt.Errorf("read the keys of domain %q: %w", domain, err)
	}
	var mine []DomainKey
	for _, k := range all {
		if k.Token == info.Serial && k.Domain == domain {
			mine = append(mine, k)
		}
	}
	if len(all) > 0 && len(mine) == 0 {
		return nil, fmt.Errorf("domain %q, token %s: %w", domain, info.Serial, ErrNotEnrolled)
	}
	return mine, nil
}

// addGeneration makes a domain key and keeps it. It is no error if another
// node was first.
func (r *Ring) addGeneration(ctx context.Context, domain string, generation int32) error {
	info, err := r.token.Info(ctx)
	if err != nil {
		return err
	}
	root, err := r.rootKey(ctx, hsm.PurposeSeal)
	if err != nil {
		return err
	}
	value := secret.New(make([]byte, domainKeyBytes))
	defer value.Destroy()
	_, _ = rand.Read(value.Reveal()) // never fails
	k := DomainKey{
		Domain: domain, Generation: generation, Token: info.Serial,
		RootKey: root.ID, Created: r.now().UTC(),
	}
	wrapped, err := r.token.Encrypt(ctx, root.ID, value, k.aad())
	if err != nil {
		return fmt.Errorf("wrap: %w", err)
	}
	k.Wrapped = append([]byte{formatVersion}, wrapped...)
	if err := r.keys.AddDomainKey(ctx, k); err != nil && !errors.Is(err, ErrKeyExists) {
		return fmt.Errorf("keep: %w", err)
	}
	return nil
}

// key returns an opened domain key, opening it if need be.
func (r *Ring) key(ctx context.Context, domain string, generation int32) (*domainKey, error) {
	t := r.opened.Load()
	if t == nil {
		return nil, hsm.ErrClosed
	}
	if k, ok := t.keys[ref{domain, generation}]; ok {
		return k, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	flight := strconv.Itoa(int(generation)) + " " + domain
	result := r.opening.DoChan(flight, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
		defer cancel()
		return r.open(ctx, ref{domain, generation})
	})
	select {
	case <-ctx.Done():
		return nil, hsm.ContextErr(ctx)
	case res := <-result:
		if res.Err != nil {
			return nil, fmt.Errorf("open the key of domain %q, generation %d: %w", domain, generation, res.Err)
		}
		return res.Val.(*domainKey), nil
	}
}

func (r *Ring) open(ctx context.Context, at ref) (*domainKey, error) {
	rows, err := r.rows(ctx, at.domain)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Generation != at.generation {
			continue
		}
		if len(row.Wrapped) == 0 || row.Wrapped[0] != formatVersion {
			return nil, fmt.Errorf("wrapped key of unknown format: %w", hsm.ErrIntegrity)
		}
		value, err := r.token.Decrypt(ctx, row.RootKey, row.Wrapped[1:], row.aad())
		if err != nil {
			return nil, err
		}
		defer value.Destroy()
		k, err := newDomainKey(at, value)
		if err != nil {
			return nil, err
		}
		return r.remember(at, k)
	}
	return nil, fmt.Errorf("there is none: %w", hsm.ErrNotFound)
}
