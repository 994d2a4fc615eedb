package main

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/claviger/claviger/cmd/claviger/internal/config"
	"github.com/claviger/claviger/kmip/custody/pki"
)

// bundleFormats are the files that products want beside those of every folder, by
// what they are called on the command line.
var bundleFormats = map[string][]bundleFile{
	"mongodb": {{"mongodb.pem", both, true}},
	"percona": {{"percona.pem", both, true}},
	"vmware":  {{"vmware-cert.pem", onlyCertificate, false}, {"vmware-key.pem", onlyKey, true}, {"vmware-ca.pem", onlyAuthority, false}},
	"netapp":  {{"netapp-cert.pem", onlyCertificate, false}, {"netapp-key.pem", onlyKey, true}, {"netapp-ca.pem", onlyAuthority, false}},
	"ceph":    {{"ceph-cert.pem", onlyCertificate, false}, {"ceph-key.pem", onlyKey, true}, {"ceph-ca.pem", onlyAuthority, false}},
	"p12":     {{"protected.p12", protected, true}},
	"java":    {{"protected.p12", protected, true}, {"truststore.p12", trustStore, true}},
}

// bundleFile is a file that a product wants.
type bundleFile struct {
	name   string
	make   func(bundle, string) ([]byte, error)
	secret bool
}

func both(b bundle, _ string) ([]byte, error) {
	return append(append([]byte{}, b.Certificate...), b.Key...), nil
}

func onlyCertificate(b bundle, _ string) ([]byte, error) { return b.Certificate, nil }

func onlyKey(b bundle, _ string) ([]byte, error) { return b.Key, nil }

func onlyAuthority(b bundle, _ string) ([]byte, error) { return b.Authority, nil }

func protected(b bundle, password string) ([]byte, error) {
	key, err := parseKey(b.Key)
	if err != nil {
		return nil, err
	}
	certificate, authority, err := b.parsed()
	if err != nil {
		return nil, err
	}
	return pki.PKCS12(key, certificate, authority, password)
}

func trustStore(b bundle, password string) ([]byte, error) {
	_, authority, err := b.parsed()
	if err != nil {
		return nil, err
	}
	return pki.TrustStore(authority, password)
}

// parsed reads the certificates of a bundle.
func (b bundle) parsed() (certificate, authority *x509.Certificate, err error) {
	if certificate, err = parseCertificate(b.Certificate); err != nil {
		return nil, nil, err
	}
	authority, err = parseCertificate(b.Authority)
	return certificate, authority, err
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM form")
	}
	return x509.ParseCertificate(block.Bytes)
}

// parseKey reads a private key in PEM form: PKCS#8, PKCS#1 or SEC 1, not encrypted.
func parseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no private key in PEM form")
	}
	defer clear(block.Bytes)
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a PEM block %q is no private key that is not encrypted", block.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}

// minStorePassword is what Java's keytool wants.
const minStorePassword = 6

// folder is where the files of a client go, and in which forms.
type folder struct {
	dir      string
	formats  []string
	password string
}

// folderFlags are those of every command that writes a certificate.
func folderFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "out", Usage: "`FOLDER` for the files; made when it is not there", Required: true},
		&cli.StringFlag{Name: "format", Usage: "further files for `PRODUCTS`, comma-separated: " + strings.Join(formatNames(), ", ")},
		&cli.StringFlag{Name: "p12-password-file", Usage: "`FILE` with the password of protected.p12 and truststore.p12"},
	}
}

func formatNames() []string {
	names := make([]string, 0, len(bundleFormats))
	for name := range bundleFormats {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// folderOf reads those flags and makes sure, before anything is made, that the files
// can be written and that none is there.
func folderOf(c *cli.Context, ca string) (folder, error) {
	f := folder{dir: c.String("out")}
	var names []string
	needsPassword := false
	for _, name := range strings.Split(c.String("format"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		files, ok := bundleFormats[name]
		if !ok {
			return f, usagef("--format has no %q; there are %s", name, strings.Join(formatNames(), ", "))
		}
		f.formats = append(f.formats, name)
		for _, file := range files {
			names = append(names, file.name)
		}
		needsPassword = needsPassword || name == "p12" || name == "java"
	}
	path := c.String("p12-password-file")
	switch {
	case needsPassword && path == "":
		return f, usagef("--format p12 and java need --p12-password-file FILE")
	case !needsPassword && path != "":
		return f, usagef("--p12-password-file is for --format p12 and java")
	case needsPassword:
		password, err := (config.Secret{File: path}).Read()
		if err != nil {
			return f, fmt.Errorf("--p12-password-file: %w", err)
		}
		f.password = string(password.Reveal())
		password.Destroy()
		if len(f.password) < minStorePassword {
			return f, fmt.Errorf("--p12-password-file: the password has fewer than %d characters", minStorePassword)
		}
	}
	return f, prepareFolder(f.dir, ca, names...)
}

// write writes the files of a client.
func (f folder) write(b bundle) error {
	for _, name := range f.formats {
		for _, file := range bundleFormats[name] {
			content, err := file.make(b, f.password)
			if err != nil {
				return fmt.Errorf("%s: %w", file.name, err)
			}
			mode := os.FileMode(0o644)
			if file.secret {
				mode = 0o600
			}
			if err := writeFile(filepath.Join(f.dir, file.name), content, mode); err != nil {
				return err
			}
		}
	}
	return writeBundle(f.dir, b) // last: cert.pem says that the folder is complete
}
