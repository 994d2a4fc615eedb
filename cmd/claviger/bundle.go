package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/claviger/claviger/kmip/custody/pki"
)

// bundle is what a client gets: its certificate and key in the forms that
// clients take. All but Certificate and Authority are secret.
type bundle struct {
	Certificate []byte // PEM
	Key         []byte // PEM, PKCS#8, not encrypted
	PKCS12      []byte // under an empty password
	Authority   []byte // PEM
}

// bundleOf brings an issued certificate into the forms of a bundle.
func bundleOf(i *pki.Issued, authority []byte, p12 []byte) (bundle, error) {
	key, err := i.KeyPEM()
	if err != nil {
		return bundle{}, err
	}
	return bundle{Certificate: pki.CertificatePEM(i.Certificate), Key: key, PKCS12: p12, Authority: authority}, nil
}

// writeBundle writes ca.pem, cert.pem, key.pem, bundle.pem (certificate and key)
// and client.p12 into a folder that only the owner can read.
func writeBundle(dir string, b bundle) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder for the certificate: %w", err)
	}
	for _, f := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{
		{"ca.pem", b.Authority, 0o644},
		{"key.pem", b.Key, 0o600},
		{"bundle.pem", append(append([]byte{}, b.Certificate...), b.Key...), 0o600},
		{"client.p12", b.PKCS12, 0o600},
		{"cert.pem", b.Certificate, 0o644}, // last: its presence says that the folder is complete
	} {
		if len(f.content) == 0 {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.name), f.content, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// writeFile replaces a file as a whole: a reader sees the old or the new one. Into
// what is there and no regular file, such as a device or a pipe, it writes.
func writeFile(path string, content []byte, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return writeInto(path, content)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if err := tmp.Chmod(mode); err != nil {
		_ = tmp.Close()
		return err
	}
	if _, err := tmp.Write(content); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Sync(); err != nil {
		_ = tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func writeInto(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
