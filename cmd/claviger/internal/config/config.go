// Package config reads the configuration of a node: TOML, strict (a key that is
// not known is an error with its line), every key overridable from the
// environment, secrets only by reference.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/claviger/claviger/kmip/secret"
)

// Config is the configuration of a node.
type Config struct {
	Store Store `toml:"store"`
	Root  Root  `toml:"root"`
	KMIP  KMIP  `toml:"kmip"`
	HTTPS HTTPS `toml:"https"`
	PKI   PKI   `toml:"pki"`
	Log   Log   `toml:"log"`
}

// Store says where the data is: "postgres://…" or "sqlite:PATH".
type Store struct {
	URL string `toml:"url"`
}

// Root says what protects everything.
type Root struct {
	Kind       string  `toml:"kind"` // "pkcs11" or "software"
	Mode       string  `toml:"mode"` // "envelope"
	Key        Secret  `toml:"key"`  // software: the file that holds the root key
	Passphrase Secret  `toml:"passphrase"`
	Token      []Token `toml:"token"`
}

// Token is a token of a PKCS#11 module, by label or serial.
type Token struct {
	Module   string `toml:"module"`
	Label    string `toml:"label"`
	Serial   string `toml:"serial"`
	PIN      Secret `toml:"pin"`
	Sessions int    `toml:"sessions"` // 0: one for each core
}

// KMIP is the listener for clients.
type KMIP struct {
	Listen         string   `toml:"listen"`
	Names          []string `toml:"names"`
	Interop        bool     `toml:"interop"`
	ProxyProtocol  bool     `toml:"proxy_protocol"` // PROXY v2 from a load balancer
	MaxMessage     int      `toml:"max_message"`    // bytes; 1 MiB when 0
	MaxConnections int      `toml:"max_connections"`
}

// HTTPS is the listener for administration and health.
type HTTPS struct {
	Listen string `toml:"listen"`
}

// PKI is the folder with certificates for people to take.
type PKI struct {
	Dir string `toml:"dir"`
}

// Log says what is logged.
type Log struct {
	Level string `toml:"level"` // "debug", "info", "warn", "error"
}

// Secret is a reference to a secret: one of a file, an environment variable or
// a credential of the service manager.
type Secret struct {
	File       string `toml:"file"`
	Env        string `toml:"env"`
	Credential string `toml:"credential"`
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
	default:
		return nil, errors.New("secret: no file, env or credential is given")
	}
	trimmed := bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	result := secret.Copy(trimmed)
	clear(value)
	return result, nil
}

// Load reads a file, applies the environment and checks the result.
func Load(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, b, os.LookupEnv)
}

// Parse reads a configuration. name stands in errors; env looks variables up.
func Parse(name string, b []byte, env func(string) (string, bool)) (Config, error) {
	c := Config{
		Root:  Root{Mode: "envelope"},
		KMIP:  KMIP{Listen: "0.0.0.0:5696"},
		HTTPS: HTTPS{Listen: "0.0.0.0:5697"},
		Log:   Log{Level: "info"},
	}
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, explain(name, err)
	}
	if err := override(reflect.ValueOf(&c).Elem(), "CLAVIGER", env); err != nil {
		return c, err
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// explain gives an error of the parser its place in the file.
func explain(name string, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := strict.Errors[0]
		row, _ := e.Position()
		return fmt.Errorf("%s:%d: unknown key %q", name, row, strings.Join(e.Key(), "."))
	}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		row, column := de.Position()
		return fmt.Errorf("%s:%d:%d: %s", name, row, column, strings.TrimPrefix(de.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", name, err)
}

// override sets fields from variables named after their path:
// CLAVIGER_STORE_URL, CLAVIGER_ROOT_TOKEN_0_PIN_FILE.
func override(v reflect.Value, prefix string, env func(string) (string, bool)) error {
	for i := range v.NumField() {
		name := prefix + "_" + strings.ToUpper(v.Type().Field(i).Tag.Get("toml"))
		f := v.Field(i)
		switch {
		case f.Kind() == reflect.Struct:
			if err := override(f, name, env); err != nil {
				return err
			}
			continue
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			if _, ok := env(fmt.Sprintf("%s_%d_MODULE", name, f.Len())); ok { // one more than the file has
				f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
			}
			for n := range f.Len() {
				if err := override(f.Index(n), fmt.Sprintf("%s_%d", name, n), env); err != nil {
					return err
				}
			}
			continue
		}
		text, ok := env(name)
		if !ok {
			continue
		}
		if err := set(f, text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func set(f reflect.Value, text string) error {
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		f.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		f.SetInt(int64(n))
	case reflect.Slice:
		var list []string
		for _, s := range strings.Split(text, ",") {
			if s = strings.TrimSpace(s); s != "" {
				list = append(list, s)
			}
		}
		f.Set(reflect.ValueOf(list))
	default:
		return errors.New("cannot be set from the environment")
	}
	return nil
}

func (c Config) check() error {
	if !strings.HasPrefix(c.Store.URL, "sqlite:") && !strings.HasPrefix(c.Store.URL, "postgres://") && !strings.HasPrefix(c.Store.URL, "postgresql://") {
		return errors.New(`store.url begins with "postgres://" or "sqlite:"`)
	}
	for _, l := range []struct{ key, addr string }{{"kmip.listen", c.KMIP.Listen}, {"https.listen", c.HTTPS.Listen}} {
		if _, _, err := net.SplitHostPort(l.addr); err != nil {
			return fmt.Errorf("%s: %q is not an address with a port", l.key, l.addr)
		}
	}
	if c.PKI.Dir == "" {
		return errors.New("pki.dir is missing")
	}
	if c.Root.Mode != "envelope" {
		return fmt.Errorf(`root.mode is %q; this version has "envelope"`, c.Root.Mode)
	}
	switch c.Root.Kind {
	case "software":
		if c.Root.Key.File == "" {
			return errors.New("root.key: a software root key needs key = { file = \"…\" }")
		}
	case "pkcs11":
		if len(c.Root.Token) != 1 {
			return fmt.Errorf("root.token: %d tokens; this version works with one", len(c.Root.Token))
		}
		t := c.Root.Token[0]
		switch {
		case t.Module == "":
			return errors.New("root.token: module is missing")
		case t.Label == "" && t.Serial == "":
			return errors.New("root.token: label or serial is missing")
		case !t.PIN.Given():
			return errors.New("root.token: pin is missing; it is a reference: pin = { file = \"…\" }")
		}
	default:
		return fmt.Errorf(`root.kind is %q; it is "pkcs11" or "software"`, c.Root.Kind)
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log.level %q is none of debug, info, warn, error", c.Log.Level)
	}
	return nil
}
