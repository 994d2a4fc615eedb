package custody

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// RevokeCertificate ends one certificate of a client, named by its fingerprint in
// hexadecimal (colons and case do not matter); its others stay.
func (s *Service) RevokeCertificate(ctx context.Context, sc *Scope, name, fingerprint string) error {
	return s.administer(ctx, sc, policy.ActionClientRevoke, name, func() (store.Change, error) {
		sum, err := parseFingerprint(fingerprint)
		if err != nil {
			return store.Change{}, err
		}
		if _, err := s.anyClient(ctx, sc.Domain, name); err != nil {
			return store.Change{}, err
		}
		list, err := s.store.Certificates(ctx, sc.Domain, name)
		if err != nil {
			return store.Change{}, err
		}
		i := slices.IndexFunc(list, func(c store.Certificate) bool { return string(c.Fingerprint) == string(sum) })
		if i < 0 {
			return store.Change{}, kmip.Fail(kmip.KindObjectNotFound, "client %q has no certificate with this fingerprint that this server has issued", name)
		}
		if !list[i].Revoked.IsZero() {
			return store.Change{}, nil
		}
		list[i].Revoked = sc.Now.Truncate(time.Microsecond)
		return store.Change{UpdateCerts: []store.Certificate{list[i]}}, nil
	})
}

// parseFingerprint reads a SHA-256 in hexadecimal.
func parseFingerprint(text string) ([]byte, error) {
	sum, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	if err != nil || len(sum) != 32 {
		return nil, kmip.Fail(kmip.KindInvalidField, "a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits")
	}
	return sum, nil
}
