package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/soft"
	"github.com/claviger/claviger/kmip/secret"
)

// openSoftware opens the software root key, in the way that its file is protected.
// With create it is made if it is not there, in the way that the configuration
// says.
func (c *core) openSoftware(create bool) (hsm.Token, error) {
	r := c.cfg.Root
	kind, _, _, err := soft.Protection(r.Key.File)
	if errors.Is(err, fs.ErrNotExist) && create {
		return c.createSoftware()
	}
	if err != nil {
		return nil, err
	}
	var token *soft.Token
	switch kind {
	case soft.GuardShares:
		token, err = c.openShared()
	case soft.GuardTPM:
		if r.TPM.Device == "" {
			return nil, fmt.Errorf("%s is sealed to a TPM; say which in root.tpm: %w", r.Key.File, hsm.ErrUnsupported)
		}
		token, err = soft.OpenTPM(r.Key.File, r.TPM.Device)
	default:
		var passphrase *secret.Bytes
		if passphrase, err = c.passphrase(); err != nil {
			return nil, err
		}
		token, err = soft.Open(r.Key.File, soft.Options{Passphrase: passphrase})
		passphrase.Destroy()
		if errors.Is(err, hsm.ErrPIN) && r.Passphrase.Prompt {
			c.prompts.reject(softwareName(r), wantPassphrase)
		}
	}
	if err != nil {
		return nil, err
	}
	return token, nil
}

// passphrase is that of the configuration; nil when there is none. The caller
// destroys it.
func (c *core) passphrase() (*secret.Bytes, error) {
	r := c.cfg.Root
	switch {
	case !r.Passphrase.Given():
		return nil, nil
	case !r.Passphrase.Prompt:
		p, err := r.Passphrase.Read()
		if err != nil {
			return nil, fmt.Errorf("root.passphrase: %w", err)
		}
		return p, nil
	}
	given, err := c.prompts.take(softwareName(r), wantPassphrase)
	if err != nil {
		return nil, err
	}
	return given[0], nil
}

func (c *core) openShared() (*soft.Token, error) {
	name := softwareName(c.cfg.Root)
	given, err := c.prompts.take(name, wantShare)
	if err != nil {
		return nil, err
	}
	shares := make([]soft.Share, 0, len(given))
	defer func() {
		for _, s := range shares {
			s.Destroy()
		}
	}()
	for _, text := range given {
		s, err := soft.ParseShare(text)
		text.Destroy()
		if err != nil {
			return nil, err
		}
		shares = append(shares, s)
	}
	token, err := soft.OpenShared(c.cfg.Root.Key.File, shares)
	if err != nil {
		c.prompts.reject(name, wantShare)
		return nil, err
	}
	return token, nil
}

func (c *core) createSoftware() (hsm.Token, error) {
	r := c.cfg.Root
	var token *soft.Token
	var err error
	switch {
	case r.Shamir != (config.Shamir{}):
		var shares []soft.Share
		token, shares, err = soft.CreateShared(r.Key.File, soft.Options{HandOut: c.custodians.handOut}, r.Shamir.Threshold, r.Shamir.Shares)
		destroyShares(shares)
	case r.TPM.Device != "":
		token, err = soft.CreateTPM(r.Key.File, soft.Options{}, soft.TPM{Device: r.TPM.Device, PCRs: r.TPM.PCRs})
	default:
		var passphrase *secret.Bytes
		if passphrase, err = c.passphrase(); err != nil {
			return nil, err
		}
		token, err = soft.Create(r.Key.File, soft.Options{Passphrase: passphrase})
		passphrase.Destroy()
	}
	if err != nil {
		return nil, err
	}
	return token, nil
}

// protection is what protects the software root key's file, in a word.
func (c *core) protection() string {
	kind, threshold, shares, err := soft.Protection(c.cfg.Root.Key.File)
	switch {
	case err != nil:
		return ""
	case kind == soft.GuardShares:
		return fmt.Sprintf("shamir, %d of %d custodians", threshold, shares)
	case kind == soft.GuardNone:
		return "nothing"
	}
	return kind
}

// sharesNeeded is how many shares open the software root key: as its file says, or
// else the configuration; 0 when it is not shared.
func sharesNeeded(r config.Root) int {
	if kind, threshold, _, err := soft.Protection(r.Key.File); err == nil {
		if kind != soft.GuardShares {
			return 0
		}
		return threshold
	}
	return 0 // there is nothing to open yet
}

// checkGiven refuses a value that cannot be what is waited for.
func checkGiven(what string, value *secret.Bytes) error {
	if what != wantShare {
		return nil
	}
	s, err := soft.ParseShare(value)
	if err != nil {
		return err
	}
	s.Destroy()
	return nil
}
