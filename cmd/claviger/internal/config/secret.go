package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/claviger/claviger/kmip/secret"
)

// Secret is a reference to a secret: one of a file, an environment variable, a
// credential of the service manager, or a question to an operator.
type Secret struct {
	File       string `toml:"file"`
	Env        string `toml:"env"`
	Credential string `toml:"credential"`
	Prompt     bool   `toml:"prompt"` // asked at a terminal, or given by claviger unseal
}

// Given reports whether the reference names anything.
func (s Secret) Given() bool { return s != (Secret{}) }

// Read reads the secret; one line break at the end is not part of it.
func (s Secret) Read() (*secret.Bytes, error) {
	var value []byte
	switch {
	case s.File != "":
		b, err := os.ReadFile(s.File)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		value = b
	case s.Env != "":
		v, ok := os.LookupEnv(s.Env)
		if !ok {
			return nil, fmt.Errorf("secret: the environment variable %s is not set", s.Env)
		}
		value = []byte(v)
	case s.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return nil, fmt.Errorf("secret: credential %q, but the service manager gave no CREDENTIALS_DIRECTORY", s.Credential)
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(s.Credential))) //nolint:gosec // the service manager names the folder
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		value = b
	case s.Prompt:
		return nil, errors.New("secret: it is to be asked for and cannot be read")
	default:
		return nil, errors.New("secret: no file, env, credential or prompt is given")
	}
	trimmed := bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	result := secret.Copy(trimmed)
	clear(value)
	return result, nil
}
