package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
)

// Hierarchy is the administration of the key hierarchy. *seal.Ring is one.
type Hierarchy interface {
	EnsureGeneration(ctx context.Context, domain string, number int32, mode seal.Mode) error
	GenerationsOf(ctx context.Context, domain string) ([]seal.GenerationStatus, error)
	// Serial returns the serial number of an open token, by that or by its label.
	Serial(token string) (string, error)
	Tokens() []seal.TokenStatus
	Roots(ctx context.Context) ([]seal.TokenRoots, error)
	Enroll(ctx context.Context, serial string, progress seal.Progress) error
	Complete(ctx context.Context) error
	Verify(ctx context.Context, serial string, progress seal.Progress) (int, error)
	NewRoot(ctx context.Context, serial string) (string, error)
	RotateRoot(ctx context.Context, serial, to string, progress seal.Progress) error
	RemoveRoot(ctx context.Context, serial, id string) error
	Retry(ctx context.Context, names ...string)

	Residence
}

func checkMode(m seal.Mode) error {
	if m != "" && m != seal.ModeEnvelope && m != seal.ModeDirect {
		return kmip.Fail(kmip.KindInvalidField, "the mode of a domain is %q or %q, not %q", seal.ModeEnvelope, seal.ModeDirect, m)
	}
	return nil
}

// rootFailure tells an administrator what a token said: there is no secret in it.
func rootFailure(err error) error {
	var f *kmip.Failure
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.Is(err, hsm.ErrNotFound):
		return kmip.FailFrom(err, kmip.KindObjectNotFound, err.Error())
	case errors.Is(err, seal.ErrInUse), errors.Is(err, seal.ErrForeign), errors.Is(err, seal.ErrNotEnrolled), errors.Is(err, hsm.ErrUnsupported), errors.Is(err, hsm.ErrExtractable):
		return kmip.FailFrom(err, kmip.KindWrongState, err.Error())
	case errors.Is(err, hsm.ErrUnavailable), errors.Is(err, hsm.ErrPIN):
		return kmip.FailFrom(err, kmip.KindUnavailable, err.Error())
	}
	return err
}

// Roots lists the tokens with their root keys, and what is under each.
func (s *Service) Roots(ctx context.Context, sc *Scope) ([]seal.TokenRoots, error) {
	var list []seal.TokenRoots
	err := s.administer(ctx, sc, policy.ActionRootShow, "", func() (store.Change, error) {
		var err error
		list, err = s.sealer.Roots(ctx)
		return store.Change{}, rootFailure(err)
	})
	return list, err
}

// EnrollToken begins to wrap all domain keys for a token that this node has open.
func (s *Service) EnrollToken(ctx context.Context, sc *Scope, token string) (*Job, error) {
	return s.startJob(ctx, sc, policy.ActionRootEnroll, token, func() (*Job, error) {
		serial, err := s.openToken(token)
		return &Job{Kind: JobRootEnroll, Token: serial}, err
	})
}

// openToken returns the serial number of a token that this node has open.
func (s *Service) openToken(token string) (string, error) {
	serial, err := s.sealer.Serial(token)
	if errors.Is(err, hsm.ErrNotFound) {
		return "", kmip.FailFrom(err, kmip.KindObjectNotFound, fmt.Sprintf("this node has no token %q open; root list shows those that it has", token))
	}
	return serial, rootFailure(err)
}

// RotateRoot begins to make new root keys in a token and to wrap the domain keys
// that it holds by them.
func (s *Service) RotateRoot(ctx context.Context, sc *Scope, token string) (*Job, error) {
	return s.startJob(ctx, sc, policy.ActionRootRotate, token, func() (*Job, error) {
		serial, err := s.enrolled(ctx, token)
		return &Job{Kind: JobRootRotate, Token: serial}, err
	})
}

// enrolled returns the serial number of a token that holds domain keys, whether
// this node has it or not.
func (s *Service) enrolled(ctx context.Context, token string) (string, error) {
	roots, err := s.sealer.Roots(ctx)
	if err != nil {
		return "", rootFailure(err)
	}
	roots = slices.DeleteFunc(roots, func(t seal.TokenRoots) bool { return t.Serial == "" || t.Serial != token && t.Label != token })
	switch {
	case len(roots) > 1:
		return "", kmip.Fail(kmip.KindWrongState, "%d tokens are called %q; name one by its serial number", len(roots), token)
	case len(roots) == 1 && roots[0].Copies == 0:
		return "", kmip.Fail(kmip.KindWrongState, "token %q is not enrolled", token)
	case len(roots) == 1:
		return roots[0].Serial, nil
	}
	rows, err := s.store.DomainKeys(ctx, "")
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(rows, func(k store.DomainKey) bool { return k.Token == token }) {
		return token, nil
	}
	return "", kmip.Fail(kmip.KindObjectNotFound, "no token %q is enrolled; name one that this node does not have by its serial number", token)
}

// RetireToken takes a token out of use. Its copies of the domain keys stay, so
// that ReinstateToken can take it back, until ForgetToken removes them. Every
// generation must have a copy that opens in another token of this node first.
func (s *Service) RetireToken(ctx context.Context, sc *Scope, token string) error {
	return s.administer(ctx, sc, policy.ActionRootRetire, token, func() (store.Change, error) {
		serial, err := s.enrolled(ctx, token)
		if err != nil {
			return store.Change{}, err
		}
		if err := s.othersHold(ctx, serial); err != nil {
			return store.Change{}, err
		}
		return s.setRetired(ctx, func(list []string) []string { return append(list, serial) }, serial)
	})
}

// othersHold refuses unless every generation, and every resident object, is in a
// token other than the given one, and the copies there open.
func (s *Service) othersHold(ctx context.Context, serial string) error {
	if n, err := s.residents(ctx, serial); err != nil {
		return err
	} else if n > 0 {
		return kmip.Fail(kmip.KindWrongState, "%d objects or more live in the token and cannot leave it; destroy or replace them first", n)
	}
	rows, err := s.store.DomainKeys(ctx, "")
	if err != nil {
		return err
	}
	type generation struct {
		domain string
		number int32
	}
	held := map[generation]bool{}
	for _, k := range rows {
		held[generation{k.Domain, k.Generation}] = false
	}
	retired, err := DomainKeys{s.store}.Retired(ctx) // what is in memory may be from before
	if err != nil {
		return err
	}
	for _, t := range s.sealer.Tokens() {
		if t.Serial == serial || slices.Contains(retired, t.Serial) || t.Err != nil {
			continue
		}
		if _, err := s.sealer.Verify(ctx, t.Serial, func(int, int) {}); err != nil {
			return rootFailure(err)
		}
		for _, k := range rows {
			if k.Token == t.Serial {
				held[generation{k.Domain, k.Generation}] = true
			}
		}
	}
	for g, ok := range held {
		if ok {
			continue
		}
		if i := slices.IndexFunc(rows, func(k store.DomainKey) bool {
			return k.Domain == g.domain && k.Generation == g.number && k.Token != serial && slices.Contains(retired, k.Token)
		}); i >= 0 {
			return kmip.Fail(kmip.KindWrongState, "of the other tokens only %s holds the key of domain %q, generation %d, and it is retired; take it back first (root reinstate)",
				rows[i].Token, g.domain, g.number)
		}
		return kmip.Fail(kmip.KindWrongState, "no other token that is well holds the key of domain %q, generation %d; enrol one first", g.domain, g.number)
	}
	return nil
}

// ReinstateToken takes a retired token back into use.
func (s *Service) ReinstateToken(ctx context.Context, sc *Scope, token string) error {
	return s.administer(ctx, sc, policy.ActionRootReinstate, token, func() (store.Change, error) {
		serial, err := s.enrolled(ctx, token)
		if err != nil {
			return store.Change{}, err
		}
		return s.setRetired(ctx, func(list []string) []string {
			return slices.DeleteFunc(list, func(t string) bool { return t == serial })
		}, serial)
	})
}

// ForgetToken removes the copies of the domain keys for a retired token, for
// ever.
func (s *Service) ForgetToken(ctx context.Context, sc *Scope, token string) error {
	return s.administer(ctx, sc, policy.ActionRootForget, token, func() (store.Change, error) {
		serial, err := s.enrolled(ctx, token)
		if err != nil {
			return store.Change{}, err
		}
		retired, err := DomainKeys{s.store}.Retired(ctx)
		if err != nil {
			return store.Change{}, err
		}
		if !slices.Contains(retired, serial) {
			return store.Change{}, kmip.Fail(kmip.KindWrongState, "token %q is in use; retire it first", token)
		}
		if err := s.othersHold(ctx, serial); err != nil {
			return store.Change{}, err
		}
		rows, err := s.store.DomainKeys(ctx, "")
		if err != nil {
			return store.Change{}, err
		}
		c, err := s.setRetired(ctx, func(list []string) []string {
			return slices.DeleteFunc(list, func(t string) bool { return t == serial })
		}, serial)
		for _, k := range rows {
			if k.Token == serial {
				c.DropDomainKeys = append(c.DropDomainKeys, store.DomainKeyRef{Domain: k.Domain, Generation: k.Generation, Token: serial})
			}
		}
		return c, err
	})
}

// setRetired plans a change of the list of retired tokens. Each list is sorted and
// names a token once.
func (s *Service) setRetired(ctx context.Context, change func([]string) []string, serial string) (store.Change, error) {
	list, err := DomainKeys{s.store}.Retired(ctx)
	if err != nil {
		return store.Change{}, err
	}
	was := slices.Contains(list, serial)
	list = change(list)
	if slices.Contains(list, serial) == was {
		if was {
			return store.Change{}, kmip.Fail(kmip.KindWrongState, "the token is retired already")
		}
		return store.Change{}, kmip.Fail(kmip.KindWrongState, "the token is not retired")
	}
	slices.Sort(list)
	value, err := json.Marshal(slices.Compact(list))
	return store.Change{PutSettings: []store.Setting{{Name: settingRetired, Value: value}}}, err
}

// RemoveRootKey destroys a root key in a token, under which there is nothing.
// Backups of the database that are older than the rotation need it.
func (s *Service) RemoveRootKey(ctx context.Context, sc *Scope, token, id string) error {
	return s.administer(ctx, sc, policy.ActionRootRemoveKey, id, func() (store.Change, error) {
		serial, err := s.openToken(token)
		if err != nil {
			return store.Change{}, err
		}
		err = s.sealer.RemoveRoot(ctx, serial, id)
		if errors.Is(err, hsm.ErrNotFound) {
			return store.Change{}, kmip.FailFrom(err, kmip.KindObjectNotFound, fmt.Sprintf("token %q has no root key %q", token, id))
		}
		return store.Change{}, rootFailure(err)
	})
}

// RetryTokens lets tokens that stopped after a refused PIN log in once more.
func (s *Service) RetryTokens(ctx context.Context, sc *Scope) error {
	return s.administer(ctx, sc, policy.ActionRootRetry, "", func() (store.Change, error) {
		s.sealer.Retry(ctx)
		return store.Change{}, nil
	})
}

// RecordUnsealed writes into the audit that a node which was sealed can use its
// root of trust again.
func (s *Service) RecordUnsealed(ctx context.Context) error {
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "start"}}, "", "system", "", "")
	return s.store.Commit(ctx, store.Change{Audit: []audit.Entry{s.entry(sc, "unsealed", "", nil)}})
}

// RecordUnfitRoots writes into the audit that root keys are used which are unfit,
// because the configuration accepts that. It does nothing when there are none.
func (s *Service) RecordUnfitRoots(ctx context.Context) error {
	var names []string
	for _, t := range s.sealer.Tokens() {
		if t.Unfit {
			names = append(names, fmt.Sprintf("%q (%s)", t.Label, t.Serial))
		}
	}
	if names == nil {
		return nil
	}
	sc := s.Begin(Principal{Principal: policy.Principal{Kind: policy.KindSystem, Name: "start"}}, "", "system", "", "")
	e := s.entry(sc, "root.unfit-accepted", "", nil)
	e.Detail = printable("root keys that are extractable or of two purposes are used in: " + strings.Join(names, ", "))
	return s.store.Commit(ctx, store.Change{Audit: []audit.Entry{e}})
}

func (w *work) progress(done, total int) {
	w.update(func(j *Job) { j.Done, j.Total = int64(done), int64(total) })
}

func (w *work) enroll(ctx context.Context) error {
	if err := w.s.sealer.Enroll(ctx, w.job.Token, w.progress); err != nil {
		return err
	}
	_, err := w.s.sealer.Verify(ctx, w.job.Token, func(int, int) {})
	return err
}

func (w *work) rotateRoot(ctx context.Context) error {
	if w.job.Root == "" {
		root, err := w.s.sealer.NewRoot(ctx, w.job.Token)
		if err != nil {
			return err
		}
		w.update(func(j *Job) { j.Root = root })
		if err := w.save(ctx); err != nil {
			return err
		}
	}
	for { // another node may add copies under the old root keys meanwhile
		err := w.s.sealer.RotateRoot(ctx, w.job.Token, w.job.Root, w.progress)
		if errors.Is(err, seal.ErrKeyChanged) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = w.s.sealer.Verify(ctx, w.job.Token, func(int, int) {})
		return err
	}
}
