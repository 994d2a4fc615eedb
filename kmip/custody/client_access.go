package custody

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Reasons for which a client that is known is refused, as the log and the audit
// count them.
const (
	refusedRevoked  = "revoked"
	refusedDisabled = "disabled"
	refusedExpired  = "expired"
	refusedSource   = "source"
	refusedRate     = "rate"
	refusedMethod   = "credential"
	refusedTrust    = "certificate"
	refusedUnknown  = "unknown"
)

// clientIdentity is what is known of a certificate of a client.
type clientIdentity struct {
	principal Principal // the client, or the user that its certificate stands for
	name      string    // of the client itself, "domain/name"
	settings  ClientSettings
	notAfter  time.Time // of the certificate
	revoked   bool      // the client, or the certificate
	refused   error     // what else is against the certificate
	again     time.Time // when it may have changed by itself; zero: never
}

// current reports whether what is known may still be so.
func (k *clientIdentity) current(now time.Time) bool {
	return k == nil || k.again.IsZero() || now.Before(k.again)
}

// admits is nil when the client may come now and from there; else the failure and
// the reason for it.
func (k *clientIdentity) admits(now time.Time, source string) (string, error) {
	switch {
	case k.revoked:
		return refusedRevoked, kmip.Fail(kmip.KindNotAuthenticated, "the client or its certificate is revoked")
	case !k.notAfter.IsZero() && !now.Before(k.notAfter):
		return refusedExpired, kmip.Fail(kmip.KindNotAuthenticated, "the certificate has expired; renew it")
	case k.refused != nil:
		return refusedTrust, k.refused
	case k.settings.Disabled:
		return refusedDisabled, kmip.Fail(kmip.KindNotAuthenticated, "the client is disabled")
	case !k.settings.Expires.IsZero() && !now.Before(k.settings.Expires):
		return refusedExpired, kmip.Fail(kmip.KindNotAuthenticated, "the access of the client has expired")
	}
	if len(k.settings.Sources) == 0 {
		return "", nil
	}
	from := addressOf(source)
	for _, p := range k.settings.Sources {
		if p.Contains(from) {
			return "", nil
		}
	}
	return refusedSource, kmip.Fail(kmip.KindPermissionDenied, "the client may not come from this address")
}

// Visitor is a client that came by its certificate and may come.
type Visitor struct {
	Principal Principal
	// Client names the client itself, "domain/name": the certificate may stand for
	// one of its users.
	Client string
	// Connections is how many a node may keep open for it; 0: any number.
	Connections int
	// NeedsCredential: its certificate alone is not enough.
	NeedsCredential bool

	rate  float64
	burst int
}

// visitor is what Identify hands out.
func (k *clientIdentity) visitor() Visitor {
	return Visitor{
		Principal: k.principal, Client: k.name,
		Connections: k.settings.Connections, NeedsCredential: k.settings.Credential, rate: k.settings.Rate, burst: k.settings.Burst,
	}
}

// rateTable holds what clients with a rate have left on this node.
type rateTable struct {
	mu   sync.Mutex
	left map[string]*rate.Limiter // by client; guarded by mu
}

// take takes items from what a client has left; false when it has too few.
func (t *rateTable) take(v *Visitor, items int, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.left[v.Client]
	switch {
	case !ok:
		if t.left == nil {
			t.left = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(v.rate), v.burst)
		t.left[v.Client] = l
	case l.Limit() != rate.Limit(v.rate) || l.Burst() != v.burst:
		l.SetLimitAt(now, rate.Limit(v.rate))
		l.SetBurstAt(now, v.burst)
	}
	return l.AllowN(now, min(items, v.burst)) // a batch of more would never pass
}

// Spend counts the items of a request against the rate of the client on this node.
// It returns a KindUnavailable when the client is over it: KMIP has no word for
// "too many requests".
func (s *Service) Spend(v Visitor, items int) error {
	if v.rate == 0 || s.rates.take(&v, max(items, 1), s.now()) {
		return nil
	}
	return &refusal{refusedRate, kmip.Fail(kmip.KindUnavailable, "the client is over its rate of %g a second; try again later", v.rate)}
}

// CheckCredential refuses a client that needs a credential and has shown none.
func (s *Service) CheckCredential(v Visitor, shown bool) error {
	if !v.NeedsCredential || shown {
		return nil
	}
	return &refusal{refusedMethod, kmip.Fail(kmip.KindNotAuthenticated, "the client must present a credential beside its certificate")}
}

// clientNow is the client behind a principal as it is now, without its certificate at
// hand; a failure when it would not be admitted.
func (s *Service) clientNow(ctx context.Context, p Principal) (policy.Principal, error) {
	fingerprint, err := hex.DecodeString(p.Fingerprint)
	if err != nil {
		return policy.Principal{}, refusedCredential()
	}
	client := p.Principal
	if p.Beside != nil {
		client = *p.Beside
	}
	c, cert, err := s.store.ClientByFingerprint(ctx, fingerprint)
	if errors.Is(err, store.ErrNotFound) { // a certificate of another authority
		c, err = s.store.Client(ctx, client.Domain, client.Name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return client, refusedCredential()
	}
	if err != nil {
		return client, err
	}
	settings, _, err := s.settingsOf(ctx, c.Domain, c.Name)
	if err != nil {
		return client, err
	}
	k := clientIdentity{settings: settings, notAfter: cert.NotAfter, revoked: !c.Revoked.IsZero() || !cert.Revoked.IsZero()}
	if reason, err := k.admits(s.now(), ""); err != nil && reason != refusedSource {
		return client, err
	}
	client.Role = c.Role
	return client, nil
}
