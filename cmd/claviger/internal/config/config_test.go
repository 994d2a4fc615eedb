package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `[store]
url = "sqlite:/tmp/x.db"
[root]
kind = "pkcs11"
[[root.token]]
module = "/usr/lib/softhsm/libsofthsm2.so"
label = "claviger"
pin = { file = "/etc/claviger/pin" }
[pki]
dir = "/tmp/pki"
`

// software is a configuration with a software root key.
func software(root string) string {
	before, after, _ := strings.Cut(good, "[root]")
	_, pki, _ := strings.Cut(after, "[pki]")
	return before + "[root]\nkind = \"software\"\n" + root + "\n[pki]" + pki
}

func oidcWith(issuer, role string) string {
	return "[oidc]\nissuer = \"" + issuer + "\"\nclient_id = \"c\"\nroles = { \"kms\" = \"" + role + "\" }\n"
}

func TestAnIdentityProviderIsRead(t *testing.T) {
	env := func(name string) (string, bool) { return "staff=auditor, heads=system", name == "CLAVIGER_OIDC_ROLES" }
	c, err := Parse("c.toml", []byte(good+oidcWith("https://idp.example", "auditor")), none)
	if err != nil || c.OIDC.Roles["kms"] != "auditor" || c.OIDC.Claim != "groups" {
		t.Errorf("%+v, %v", c.OIDC, err)
	}
	c, err = Parse("c.toml", []byte(good+oidcWith("https://idp.example", "auditor")), env)
	if err != nil || c.OIDC.Roles["heads"] != "system" || c.OIDC.Roles["staff"] != "auditor" || len(c.OIDC.Roles) != 2 {
		t.Errorf("from the environment: %+v, %v", c.OIDC, err)
	}
}

func none(string) (string, bool) { return "", false }

func TestGoodConfigurationIsRead(t *testing.T) {
	c, err := Parse("c.toml", []byte(good), none)
	if err != nil {
		t.Fatal(err)
	}
	if c.Root.Token[0].PIN.File != "/etc/claviger/pin" || c.KMIP.Listen != "0.0.0.0:5696" || c.HTTPS.Listen != "0.0.0.0:5697" || c.Root.Mode != "envelope" {
		t.Errorf("%+v", c)
	}
}

func TestBadConfigurationIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", good + "[kmip]\nlisten = \"0.0.0.0:1\"\nlissten = \"x\"\n", `c.toml:13: unknown key "kmip.lissten"`},
		{"unknown table", good + "[kimp]\n", `unknown key "kimp"`},
		{"a secret in the text", strings.Replace(good, `pin = { file = "/etc/claviger/pin" }`, `pin = "1234"`, 1), "c.toml:8:"},
		{"not TOML", "[store\n", "c.toml:1:"},
		{"no store", "", "store.url"},
		{"no token", strings.Replace(good, "[[root.token]]", "[log]\nlevel=\"info\"\n[[root.tokens]]", 1), "unknown key"},
		{"no port", good + "[kmip]\nlisten = \"0.0.0.0\"\n", "kmip.listen"},
		{"unknown root", strings.Replace(good, `"pkcs11"`, `"magic"`, 1), "root.kind"},
		{"a mode that is not", strings.Replace(good, "[[root.token]]", "mode = \"indirect\"\n[[root.token]]", 1), "root.mode"},
		{"a generator that is not", strings.Replace(good, "[[root.token]]", "random = \"dice\"\n[[root.token]]", 1), "root.random"},
		{"a timeout without unit", strings.Replace(good, "label =", "timeout = \"2\"\nlabel =", 1), "number 1: timeout"},
		{"an isolation that is not", strings.Replace(good, "label =", "isolation = \"thread\"\nlabel =", 1), "isolation"},
		{"tokens beside a software root", strings.Replace(good, `"pkcs11"`, `"software"`, 1), "root.token"},
		{"software without a file", software(""), "root.key"},
		{"one share is enough", software("key = { file = \"k\" }\nshamir = { threshold = 1, shares = 3 }"), "root.shamir"},
		{"an approval that never ends", good + "[approval]\nexpires = \"never\"\n", "approval.expires"},
		{"an approval that ends at once", good + "[approval]\nexpires = \"1s\"\n", "approval.expires"},
		{"a provider without TLS", good + oidcWith("http://idp.example", "auditor"), "oidc.issuer"},
		{"a provider that gives everything", good + oidcWith("https://idp.example", "administrator"), "oidc.roles"},
		{"roles without a provider", good + "[oidc]\nroles = { a = \"auditor\" }\n", "oidc.issuer"},
		{"a provider without roles", good + "[oidc]\nissuer = \"https://idp.example\"\nclient_id = \"c\"\n", "oidc.roles"},
		{"a TLS that is not", good + "[kmip]\ntls = \"old\"\n", `kmip.tls is "old"; it is "modern", "compatible" or "legacy"`},
		{"legacy TLS for administrators", good + "[https]\ntls = \"legacy\"\n", "https.tls"},
		{"a further listener without address", good + "[[kmip.also]]\ntls = \"legacy\"\n", "kmip.also, number 1: listen"},
		{"a further listener with a TLS that is not", good + "[[kmip.also]]\nlisten = \":1\"\ntls = \"x\"\n", "kmip.also, number 1: tls"},
		{"a certificate without its key", strings.Replace(good, "[pki]", "[pki]\ncertificate = \"c.pem\"", 1), "pki.certificate and pki.key"},
		{"two protections", software("key = { file = \"k\" }\npassphrase = { env = \"P\" }\ntpm = { device = \"/dev/tpmrm0\" }"), "only one of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("c.toml", []byte(c.text), none)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "1234") {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	env := map[string]string{
		"CLAVIGER_STORE_URL": "postgres://h/db", "CLAVIGER_KMIP_INTEROP": "true", "CLAVIGER_KMIP_NAMES": "a, b",
		"CLAVIGER_ROOT_TOKEN_0_PIN_FILE": "/other", "CLAVIGER_KMIP_MAX_CONNECTIONS": "7",
		"CLAVIGER_KMIP_ALSO_0_LISTEN": "127.0.0.1:5698", "CLAVIGER_KMIP_ALSO_0_TLS": "legacy", "CLAVIGER_PKI_CERTIFICATE": "c.pem", "CLAVIGER_PKI_KEY": "k.pem",
	}
	c, err := Parse("c.toml", []byte(good), func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	if c.Store.URL != "postgres://h/db" || !c.KMIP.Interop || len(c.KMIP.Names) != 2 || c.KMIP.Names[1] != "b" || c.Root.Token[0].PIN.File != "/other" || c.KMIP.MaxConnections != 7 {
		t.Errorf("%+v", c)
	}
	if len(c.KMIP.Also) != 1 || c.KMIP.Also[0] != (Also{Listen: "127.0.0.1:5698", TLS: TLSLegacy}) || c.PKI.Certificate != "c.pem" || c.PKI.Key != "k.pem" {
		t.Errorf("listeners and certificate: %+v, %+v", c.KMIP.Also, c.PKI)
	}
	if _, err := Parse("c.toml", []byte(good), func(k string) (string, bool) { return "perhaps", k == "CLAVIGER_KMIP_INTEROP" }); err == nil || !strings.Contains(err.Error(), "CLAVIGER_KMIP_INTEROP") {
		t.Errorf("a bad value: %v", err)
	}
}

func TestSecretsAreReadByReference(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pin"), []byte("12 34\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("THE_PIN", "12 34")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for _, s := range []Secret{{File: filepath.Join(dir, "pin")}, {Env: "THE_PIN"}, {Credential: "pin"}} {
		got, err := s.Read()
		if err != nil || string(got.Reveal()) != "12 34" {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []Secret{{}, {File: filepath.Join(dir, "nothing")}, {Env: "NO_SUCH_VARIABLE"}} {
		if _, err := s.Read(); err == nil {
			t.Errorf("%+v was read", s)
		}
	}
}
