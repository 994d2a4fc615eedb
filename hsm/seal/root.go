package seal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/claviger/claviger/hsm"
)

// rootPair names the root keys of a token that belong together.
type rootPair struct{ seal, wrap string }

func (p rootPair) String() string {
	if p.wrap == "" {
		return p.seal
	}
	return p.seal + ":" + p.wrap
}

func parsePair(s string) rootPair {
	seal, wrap, _ := strings.Cut(s, ":")
	return rootPair{seal, wrap}
}

// currentRoot names the root keys that new copies for a token are made under:
// those of the newest copy of the installation's own key, which a rotation
// therefore moves first; before there is one, those that this ring has made. Root
// keys that are in the token already are another installation's, unless the
// operator says that they are to be adopted: two installations that share a root
// key would end together when one of them removes it.
func (r *Ring) currentRoot(ctx context.Context, h handle) (rootPair, error) {
	rows, err := r.keys.DomainKeys(ctx, System)
	if err != nil {
		return rootPair{}, fmt.Errorf("read the keys of domain %q: %w", System, err)
	}
	var newest DomainKey
	for _, k := range rows {
		if k.Token == h.serial && k.Generation > newest.Generation {
			newest = k
		}
	}
	pair := parsePair(newest.RootKey)
	if pair.seal == "" {
		h.mu.Lock()
		pair = h.prepared
		h.mu.Unlock()
	}
	switch {
	case pair.seal != "":
		err = r.fit(ctx, h, pair.seal)
	case r.adopt:
		pair.seal, err = r.rootKey(ctx, h, hsm.PurposeSeal)
	default:
		err = errNoRoot
	}
	if err != nil {
		return pair, err
	}
	if pair.wrap != "" {
		return pair, r.fit(ctx, h, pair.wrap)
	}
	pair.wrap, err = r.rootKey(ctx, h, hsm.PurposeWrap)
	if errors.Is(err, hsm.ErrNotFound) { // a token that cannot wrap has none
		pair.wrap, err = "", nil
	}
	return pair, err
}

var errNoRoot = fmt.Errorf("the token has no root key for this; initialise it: %w", hsm.ErrNotFound)

// rootKey returns the fit root key with the lowest identifier.
func (r *Ring) rootKey(ctx context.Context, h handle, purpose hsm.Purpose) (string, error) {
	keys, err := h.Keys(ctx, purpose)
	if err != nil {
		return "", err
	}
	var unfit error
	for _, k := range keys {
		err := r.accept(h, k)
		if err == nil {
			return k.ID, nil
		}
		unfit = both(unfit, err)
	}
	if unfit != nil {
		return "", unfit
	}
	return "", fmt.Errorf("%s: %w", purpose, errNoRoot)
}

// fit refuses a root key that is unfit, or gone.
func (r *Ring) fit(ctx context.Context, h handle, id string) error {
	k, err := h.Find(ctx, id)
	if err != nil {
		return err
	}
	return r.accept(h, k)
}

// accept refuses an unfit root key, or remembers and logs that one is used.
func (r *Ring) accept(h handle, k hsm.Key) error {
	err := k.Fit()
	if err == nil || !r.acceptUnfit {
		return err
	}
	h.mu.Lock()
	known := h.unfit
	h.unfit = true
	h.mu.Unlock()
	if !known {
		r.log.Warn("a root key is unfit and used all the same, because the operator has accepted it", "token", h.name(), "reason", err)
	}
	return nil
}

// Prepare makes the root keys that tokens lack, if no token has been prepared
// before; later ones are enrolled. It is safe to repeat.
// Returns hsm.ErrExtractable if a token has root keys but none is fit.
func (r *Ring) Prepare(ctx context.Context) error {
	r.Tend(ctx)
	list, err := r.enrolled(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("prepare: %w", r.away())
	}
	for _, h := range list {
		if _, err := r.ensureRoot(ctx, h); err != nil {
			return fmt.Errorf("prepare %s: %w", h.name(), err)
		}
	}
	return nil
}

// ensureRoot makes the root keys that a token lacks and returns the current ones.
func (r *Ring) ensureRoot(ctx context.Context, h handle) (rootPair, error) {
	caps, err := h.Capabilities(ctx)
	if err != nil {
		return rootPair{}, err
	}
	if !caps.Generate {
		return rootPair{}, fmt.Errorf("it cannot generate AES keys: %w", hsm.ErrUnsupported)
	}
	if caps.Seal == "" {
		return rootPair{}, fmt.Errorf("it has neither AES-GCM nor AES-CBC and HMAC-SHA-256 to seal with: %w", hsm.ErrUnsupported)
	}
	pair, err := r.currentRoot(ctx, h)
	if !errors.Is(err, errNoRoot) {
		return pair, err
	}
	if pair, err = r.newRoot(ctx, h, caps); err != nil {
		return pair, err
	}
	h.mu.Lock()
	h.prepared = pair
	h.mu.Unlock()
	return pair, nil
}

// newRoot makes root keys in a token, and notes that they are this installation's.
func (r *Ring) newRoot(ctx context.Context, h handle, caps hsm.Capabilities) (rootPair, error) {
	var ids []string
	for _, p := range purposes(caps) {
		k, err := h.Generate(ctx, hsm.KeySpec{Purpose: p})
		if err == nil {
			ids = append(ids, k.ID)
			err = r.keys.NoteRoot(ctx, h.serial, k.ID)
		}
		if err != nil {
			for _, id := range ids {
				_ = h.Destroy(ctx, id) // nothing is under it
			}
			return rootPair{}, fmt.Errorf("new root key for %s: %w", p, err)
		}
	}
	return parsePair(strings.Join(ids, ":")), nil
}

// purposes are those of the root keys that a token can use.
func purposes(caps hsm.Capabilities) []hsm.Purpose {
	if caps.Wrap == "" {
		return []hsm.Purpose{hsm.PurposeSeal}
	}
	return []hsm.Purpose{hsm.PurposeSeal, hsm.PurposeWrap}
}

// find returns the open token with a serial number or label.
func (r *Ring) find(token string) (handle, error) {
	var found []handle
	for _, m := range r.members {
		t, info, _ := m.get()
		if t != nil && (info.Serial == token || info.Label == token) {
			found = append(found, handle{m, t, info.Serial})
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return handle{}, fmt.Errorf("this node has no open token %q: %w", token, hsm.ErrNotFound)
	}
	return handle{}, fmt.Errorf("%d tokens are called %q; name one by its serial number: %w", len(found), token, hsm.ErrUnsupported)
}

// Serial returns the serial number of the open token with a serial number or
// label. Returns hsm.ErrNotFound if there is none.
func (r *Ring) Serial(token string) (string, error) {
	h, err := r.find(token)
	return h.serial, err
}

// NewRoot makes new root keys in a token, for RotateRoot, and names them.
func (r *Ring) NewRoot(ctx context.Context, serial string) (string, error) {
	h, err := r.find(serial)
	if err != nil {
		return "", err
	}
	caps, err := h.Capabilities(ctx)
	if err != nil {
		return "", err
	}
	pair, err := r.newRoot(ctx, h, caps)
	if err != nil {
		return "", fmt.Errorf("%s: %w", h.name(), err)
	}
	return pair.String(), nil
}

// RotateRoot moves all copies that a token holds under the root keys that NewRoot
// made. Each is opened and compared before it takes the place of the old one. It
// is safe to repeat, and goes on where it was interrupted. The old root keys stay
// in the token: older backups of the database need them.
func (r *Ring) RotateRoot(ctx context.Context, serial, to string, progress Progress) error {
	h, err := r.find(serial)
	if err != nil {
		return err
	}
	root := parsePair(to)
	if err := r.fit(ctx, h, root.seal); err != nil {
		return fmt.Errorf("new root key of %s: %w", h.name(), err)
	}
	rows, err := r.keys.DomainKeys(ctx, "")
	if err != nil {
		return err
	}
	held, modes := map[ref]DomainKey{}, map[ref]Mode{}
	for _, k := range rows {
		if k.Token == h.serial {
			held[ref{k.Domain, k.Generation}] = k
			modes[ref{k.Domain, k.Generation}] = k.mode()
		}
	}
	for i, at := range byImportance(modes) {
		if err := r.moveCopy(ctx, h, root, at, held[at]); err != nil {
			return fmt.Errorf("domain %q, generation %d, in %s: %w", at.domain, at.generation, h.name(), err)
		}
		progress(i+1, len(held))
	}
	return nil
}

func (r *Ring) moveCopy(ctx context.Context, h handle, root rootPair, at ref, old DomainKey) error {
	if old.RootKey == root.String() {
		return nil
	}
	value, err := r.openCopy(ctx, h, old)
	if err != nil {
		return err
	}
	defer value.Destroy()
	k, err := r.wrapUnder(ctx, h, root, at, old.mode(), value)
	if err != nil {
		return err
	}
	k.Created = old.Created
	return r.keys.ReplaceCopy(ctx, k, old.RootKey)
}

// RemoveRoot destroys root keys of a token that no copy is under and that are not
// the current ones. Returns ErrInUse otherwise.
func (r *Ring) RemoveRoot(ctx context.Context, serial, id string) error {
	h, err := r.find(serial)
	if err != nil {
		return err
	}
	rows, err := r.keys.DomainKeys(ctx, "")
	if err != nil {
		return err
	}
	for _, k := range rows {
		if p := parsePair(k.RootKey); k.Token == h.serial && (p.seal == id || p.wrap == id) {
			return fmt.Errorf("root key %s protects the key of domain %q, generation %d: %w", id, k.Domain, k.Generation, ErrInUse)
		}
	}
	if _, err := h.Find(ctx, id); err != nil {
		return err
	}
	current, err := r.currentRoot(ctx, h)
	if err != nil && !errors.Is(err, errNoRoot) {
		return err
	}
	if current.seal == id || current.wrap == id {
		return fmt.Errorf("root key %s is what new keys are wrapped by: %w", id, ErrInUse)
	}
	ours, err := r.keys.KnowsRoot(ctx, h.serial, id)
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("root key %s: %w", id, ErrForeign)
	}
	return h.Destroy(ctx, id)
}

// ErrForeign: the root key is not the installation's.
var ErrForeign = errors.New("it was not made by this installation, and another one may need it; if none does, remove it by the tool of the token's maker")

// ErrInUse: something is protected by the root key.
var ErrInUse = errors.New("the root key is in use; rotate to another one first")
