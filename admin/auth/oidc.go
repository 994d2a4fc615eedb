package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

// OIDC admits administrators whom an identity provider knows (OpenID Connect). It
// keeps nothing of the provider: one that is away admits nobody.
type OIDC struct {
	conf   OIDCConfig
	client *http.Client
	slots  chan struct{} // bounds how many tokens are looked at at once
}

// OIDCConfig says which provider, and which of its claims gives which role.
type OIDCConfig struct {
	Issuer   string
	ClientID string
	Audience string // ClientID when empty
	// Claim holds names, of groups by rule; Roles gives some of them a role.
	Claim string
	Roles map[string]string
	CA    *x509.CertPool   // of the provider; those of the system when nil
	Now   func() time.Time // time.Now when nil
}

// Bounds of looking at a token.
const (
	oidcTimeout   = 10 * time.Second
	oidcAtOnce    = 4
	maxTokenBytes = 16 << 10
)

// signatures are the algorithms that are accepted, whatever the provider offers.
var signatures = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// NewOIDC makes an OIDC; nobody is asked before the first login.
func NewOIDC(c OIDCConfig) *OIDC {
	if c.Audience == "" {
		c.Audience = c.ClientID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &OIDC{conf: c, slots: make(chan struct{}, oidcAtOnce), client: &http.Client{
		Timeout: oidcTimeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: oidcTimeout, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.CA},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Provider tells a client where to log in.
func (o *OIDC) Provider() (issuer, clientID string) { return o.conf.Issuer, o.conf.ClientID }

// Verify tells who an ID token is of. Returns KindNotAuthenticated for a token that
// is none for this installation, KindUnavailable when the provider cannot be asked,
// KindPermissionDenied, with the identity, for somebody with no role or several.
func (o *OIDC) Verify(ctx context.Context, token string) (custody.Identity, error) {
	refused := func(err error) (custody.Identity, error) {
		return custody.Identity{}, kmip.FailFrom(err, kmip.KindNotAuthenticated, "the ID token is not accepted")
	}
	if len(token) == 0 || len(token) > maxTokenBytes {
		return refused(errors.New("length"))
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, o.client), oidcTimeout)
	defer cancel()
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	case <-ctx.Done():
		return custody.Identity{}, kmip.Fail(kmip.KindUnavailable, "too many log in at once; try again")
	}
	provider, err := oidc.NewProvider(ctx, o.conf.Issuer)
	if err != nil {
		return custody.Identity{}, kmip.FailFrom(err, kmip.KindUnavailable, "the identity provider cannot be asked; nobody can log in by it now")
	}
	verified, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: o.conf.Audience, SupportedSigningAlgs: signatures, Now: o.conf.Now}).Verify(ctx, token)
	if err != nil {
		return refused(err)
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		return refused(err)
	}
	if azp, there := claims["azp"]; there && azp != o.conf.ClientID || !there && len(verified.Audience) > 1 {
		return refused(errors.New("authorized party"))
	}
	if verified.Subject == "" {
		return refused(errors.New("subject"))
	}
	who := custody.Identity{Name: "oidc:" + o.conf.Issuer + "#" + verified.Subject}
	who.Role, err = o.role(claims[o.conf.Claim])
	return who, err
}

// role is the one role that the values of the claim give.
func (o *OIDC) role(claim any) (string, error) {
	var values []string
	switch v := claim.(type) {
	case string:
		values = []string{v}
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				values = append(values, s)
			}
		}
	}
	var roles []string
	for _, v := range values {
		if r, ok := o.conf.Roles[v]; ok && !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	switch len(roles) {
	case 0:
		return "", kmip.Fail(kmip.KindPermissionDenied, "no role is given to you here; ask for membership of a group that has one")
	case 1:
		return roles[0], nil
	}
	slices.Sort(roles)
	return "", kmip.Fail(kmip.KindPermissionDenied, "the roles %s exclude each other, and your groups give you all of them", fmt.Sprint(roles))
}
