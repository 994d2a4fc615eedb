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
	"reflect"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Config is the configuration of a node.
type Config struct {
	Store Store `toml:"store"`
	Root  Root  `toml:"root"`
	KMIP  KMIP  `toml:"kmip"`
	HTTPS HTTPS `toml:"https"`
	PKI   PKI   `toml:"pki"`
	Log   Log   `toml:"log"`
	FIPS  FIPS  `toml:"fips"`

	Approval Approval `toml:"approval"`
	OIDC     OIDC     `toml:"oidc"`
}

// Approval says how approvals are.
type Approval struct {
	Expires string `toml:"expires"` // of a request: "24h" when empty
}

// Life is how long a request for approval is open; 0 when nothing is given.
func (a Approval) Life() time.Duration {
	d, _ := time.ParseDuration(a.Expires) // checked
	return d
}

// Bounds of approval.expires.
const (
	shortestApproval = time.Minute
	longestApproval  = 30 * 24 * time.Hour
)

func (a Approval) check() error {
	if a.Expires == "" {
		return nil
	}
	if d, err := time.ParseDuration(a.Expires); err != nil || d < shortestApproval || d > longestApproval {
		return fmt.Errorf(`approval.expires is %q; it is a duration such as "24h", between a minute and 30 days ("720h")`, a.Expires)
	}
	return nil
}

// FIPS says whether the node starts outside of FIPS 140-3 mode.
type FIPS struct {
	Required bool `toml:"required"`
}

// Store says where the data is: "postgres://…" or "sqlite:PATH".
type Store struct {
	URL string `toml:"url"`
}

// Root says what protects everything.
type Root struct {
	Kind       string  `toml:"kind"`       // "pkcs11" or "software"
	Mode       string  `toml:"mode"`       // of new domains: "envelope" or "direct"
	Key        Secret  `toml:"key"`        // software: the file that holds the root key; with kind "pkcs11": one to move away from
	Passphrase Secret  `toml:"passphrase"` // of that file
	Shamir     Shamir  `toml:"shamir"`     // the file's key is shared among custodians
	TPM        TPM     `toml:"tpm"`        // the file's key is sealed to a TPM
	Token      []Token `toml:"token"`
	Random     string  `toml:"random"` // "system", or "token": mixed with the system's
	// AdoptKeys uses root keys that are in a token already, for an installation that
	// has none in it.
	AdoptKeys bool `toml:"adopt_keys"`
	// AcceptUnfitKeys uses root keys that are extractable or of two purposes.
	AcceptUnfitKeys bool `toml:"accept_unfit_keys"`
}

// Shamir says how the key of a software root key's file is shared when it is made.
type Shamir struct {
	Threshold int `toml:"threshold"` // shares that are needed
	Shares    int `toml:"shares"`
}

// TPM says which TPM 2.0 the key of a software root key's file is sealed to.
type TPM struct {
	Device string `toml:"device"` // /dev/tpmrm0
	PCRs   []int  `toml:"pcrs"`   // of the SHA-256 bank, that must be as they were
}

// Token is a token of a PKCS#11 module, by label or serial.
type Token struct {
	Module    string `toml:"module"`
	Label     string `toml:"label"`
	Serial    string `toml:"serial"`
	PIN       Secret `toml:"pin"`
	Sessions  int    `toml:"sessions"`  // 0: one for each core
	Timeout   string `toml:"timeout"`   // of a use: "2s" when empty
	Isolation string `toml:"isolation"` // "process", also when empty, or "inline"
	Hardware  bool   `toml:"hardware"`  // the operator declares it hardware
}

// Deadline is the time limit of a use of the token; 0 when none is given.
func (t Token) Deadline() time.Duration {
	d, _ := time.ParseDuration(t.Timeout) // checked
	return d
}

// Name is how an operator knows the token.
func (t Token) Name() string {
	if t.Label != "" {
		return t.Label
	}
	return t.Serial
}

// KMIP is the listener for clients.
type KMIP struct {
	Listen         string   `toml:"listen"`
	TLS            string   `toml:"tls"` // "modern", "compatible" (also when empty) or "legacy"
	Names          []string `toml:"names"`
	Interop        bool     `toml:"interop"`
	ProxyProtocol  bool     `toml:"proxy_protocol"` // PROXY v2 from a load balancer
	MaxMessage     int      `toml:"max_message"`    // bytes; 1 MiB when 0
	MaxConnections int      `toml:"max_connections"`
	Also           []Also   `toml:"also"`
}

// Also is one more listener for clients, with a TLS of its own.
type Also struct {
	Listen        string `toml:"listen"`
	TLS           string `toml:"tls"`
	ProxyProtocol bool   `toml:"proxy_protocol"`
}

// Profiles of TLS.
const (
	TLSModern     = "modern"     // 1.3
	TLSCompatible = "compatible" // 1.2 with ECDHE and AES-GCM, and 1.3
	TLSLegacy     = "legacy"     // also CBC, and key transport by RSA
)

// HTTPS is the listener for administration and health.
type HTTPS struct {
	Listen string `toml:"listen"`
	TLS    string `toml:"tls"`
}

// PKI is the folder with certificates for people to take, and the certificate of
// the node where that is the operator's.
type PKI struct {
	Dir         string `toml:"dir"`
	Certificate string `toml:"certificate"` // file, PEM, with its chain
	Key         string `toml:"key"`         // file, PEM
}

// Log says what is logged.
type Log struct {
	Level string `toml:"level"` // "debug", "info", "warn", "error"
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
		Root:  Root{Mode: "envelope", Random: "system"},
		KMIP:  KMIP{Listen: "0.0.0.0:5696"},
		HTTPS: HTTPS{Listen: "0.0.0.0:5697"},
		Log:   Log{Level: "info"},
		OIDC:  OIDC{Claim: "groups"},
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
	if (c.PKI.Certificate == "") != (c.PKI.Key == "") {
		return errors.New("pki.certificate and pki.key are given together, or neither")
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if err := c.Root.check(); err != nil {
		return err
	}
	if err := errors.Join(c.Approval.check(), c.OIDC.check()); err != nil {
		return err
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log.level %q is none of debug, info, warn, error", c.Log.Level)
	}
	return nil
}

// checkTLS checks the profiles of all listeners, and the further ones.
func (c Config) checkTLS() error {
	profiles := map[string]string{"kmip.tls": c.KMIP.TLS, "https.tls": c.HTTPS.TLS}
	for i, a := range c.KMIP.Also {
		key := fmt.Sprintf("kmip.also, number %d: ", i+1)
		if _, _, err := net.SplitHostPort(a.Listen); err != nil {
			return fmt.Errorf("%slisten: %q is not an address with a port", key, a.Listen)
		}
		profiles[key+"tls"] = a.TLS
	}
	for key, p := range profiles {
		switch p {
		case "", TLSModern, TLSCompatible, TLSLegacy:
		default:
			return fmt.Errorf("%s is %q; it is %q, %q or %q", key, p, TLSModern, TLSCompatible, TLSLegacy)
		}
	}
	if c.HTTPS.TLS == TLSLegacy {
		return errors.New("https.tls: administrators and browsers need no legacy TLS; it is for kmip")
	}
	return nil
}

func (r Root) check() error {
	if r.Mode != "envelope" && r.Mode != "direct" {
		return fmt.Errorf(`root.mode is %q; it is "envelope" or "direct"`, r.Mode)
	}
	if r.Random != "system" && r.Random != "token" {
		return fmt.Errorf(`root.random is %q; it is "system" or "token"`, r.Random)
	}
	switch r.Kind {
	case "software":
		if len(r.Token) > 0 {
			return errors.New(`root.token: tokens belong to kind = "pkcs11"`)
		}
		if err := r.checkFile(); err != nil {
			return err
		}
	case "pkcs11":
		if len(r.Token) == 0 {
			return errors.New("root.token: no token is given")
		}
		if r.Key.Given() {
			if err := r.checkFile(); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf(`root.kind is %q; it is "pkcs11" or "software"`, r.Kind)
	}
	for i, t := range r.Token {
		if err := t.check(); err != nil {
			return fmt.Errorf("root.token, number %d: %w", i+1, err)
		}
	}
	return nil
}

// checkFile checks what is said of a software root key.
func (r Root) checkFile() error {
	if r.Key.File == "" {
		return errors.New("root.key: a software root key needs key = { file = \"…\" }")
	}
	ways := 0
	for _, given := range []bool{r.Passphrase.Given(), r.Shamir != Shamir{}, r.TPM.Device != ""} {
		if given {
			ways++
		}
	}
	switch s := r.Shamir; {
	case ways > 1:
		return errors.New("root: only one of passphrase, shamir and tpm can protect the software root key")
	case s != Shamir{} && (s.Threshold < 2 || s.Shares < s.Threshold || s.Shares > 255):
		return fmt.Errorf("root.shamir: %d of %d shares; at least 2, and not more than there are (255 at most)", s.Threshold, s.Shares)
	}
	return nil
}

func (t Token) check() error {
	switch {
	case t.Module == "":
		return errors.New("module is missing")
	case t.Label == "" && t.Serial == "":
		return errors.New("label or serial is missing")
	case !t.PIN.Given():
		return errors.New("pin is missing; it is a reference: pin = { file = \"…\" }")
	case t.Sessions < 0:
		return errors.New("sessions is negative")
	case t.Isolation != "" && t.Isolation != "process" && t.Isolation != "inline":
		return fmt.Errorf(`isolation is %q; it is "process" or "inline"`, t.Isolation)
	}
	if t.Timeout == "" {
		return nil
	}
	if d, err := time.ParseDuration(t.Timeout); err != nil || d <= 0 {
		return fmt.Errorf(`timeout is %q; it is a duration such as "2s"`, t.Timeout)
	}
	return nil
}
