package api

import (
	"context"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
)

// expiringSoon is how long before its end a certificate is marked.
const expiringSoon = 30 * 24 * time.Hour

// listed is a client with its state.
func (a *api) listed(d custody.ClientDetails) Client {
	c := clientOf(d.Client)
	now := a.Now()
	switch {
	case c.Revoked != nil:
		c.State = "revoked"
	case d.Settings.Disabled:
		c.State = "disabled"
	case !d.Settings.Expires.IsZero() && !now.Before(d.Settings.Expires):
		c.State = "expired"
	default:
		c.State = "enabled"
	}
	var last time.Time
	for _, t := range d.Certificates {
		if t.Revoked.IsZero() && t.NotAfter.After(last) {
			last = t.NotAfter
		}
	}
	c.NotAfter = date(last)
	c.Expiring = c.Revoked == nil && !last.IsZero() && last.Before(now.Add(expiringSoon))
	return c
}

// ClientDetails is a client with its settings and certificates.
type ClientDetails struct {
	Client
	Settings     ClientSettings      `json:"settings"`
	Identities   []ClientIdentity    `json:"identities" doc:"what certificates of other authorities say of it"`
	Certificates []ClientCertificate `json:"certificates"`
}

// ClientSettings say how a client may come; what is absent restricts nothing.
type ClientSettings struct {
	Disabled    bool           `json:"disabled,omitempty"`
	Expires     *time.Time     `json:"expires,omitempty"`
	Sources     []netip.Prefix `json:"sources,omitempty" doc:"networks that it may come from"`
	Rate        float64        `json:"rate,omitempty" doc:"items of requests a second, for each node"`
	Burst       int            `json:"burst,omitempty"`
	Connections int            `json:"connections,omitempty" doc:"open at a time, for each node"`
	Credential  bool           `json:"credential_required,omitempty" doc:"its certificate alone is not enough"`
}

// ClientCertificate is a certificate that was issued to a client.
type ClientCertificate struct {
	Fingerprint string     `json:"fingerprint" doc:"SHA-256"`
	Serial      string     `json:"serial" doc:"hexadecimal"`
	NotAfter    time.Time  `json:"not_after"`
	Created     time.Time  `json:"created"`
	Revoked     *time.Time `json:"revoked,omitempty"`
}

func settingsOf(s custody.ClientSettings) ClientSettings {
	return ClientSettings{
		Disabled: s.Disabled, Expires: date(s.Expires), Sources: s.Sources, Rate: s.Rate, Burst: s.Burst,
		Connections: s.Connections, Credential: s.Credential,
	}
}

func certificateOf(c store.Certificate) ClientCertificate {
	return ClientCertificate{
		Fingerprint: hex.EncodeToString(c.Fingerprint), Serial: c.Serial, NotAfter: c.NotAfter, Created: c.Created, Revoked: date(c.Revoked),
	}
}

func (a *api) showClient(ctx context.Context, in *member) (*body[ClientDetails], error) {
	d, err := a.Custody.ShowClient(ctx, a.scope(ctx, in.Domain), in.Name)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[ClientDetails]{ClientDetails{Client: a.listed(d), Settings: settingsOf(d.Settings), Identities: identitiesOf(d.Settings.Identities), Certificates: []ClientCertificate{}}}
	for _, c := range d.Certificates {
		out.Body.Certificates = append(out.Body.Certificates, certificateOf(c))
	}
	return out, nil
}

// ClientChange says what of a client's settings becomes other than it is.
type ClientChange struct {
	Disabled    *bool     `json:"disabled,omitempty"`
	Expires     *string   `json:"expires,omitempty" maxLength:"64" doc:"time in the form of RFC 3339, or never"`
	Sources     *[]string `json:"sources,omitempty" maxItems:"256" doc:"networks such as 192.0.2.0/24, or addresses; none: any"`
	Rate        *float64  `json:"rate,omitempty" doc:"items of requests a second, for each node; 0: any number"`
	Burst       *int      `json:"burst,omitempty" doc:"items at once; 0: twice the rate"`
	Connections *int      `json:"connections,omitempty" doc:"open at a time, for each node; 0: any number"`
	Credential  *bool     `json:"credential_required,omitempty"`
}

func (c ClientChange) change() (custody.ClientChange, error) {
	out := custody.ClientChange{Disabled: c.Disabled, Rate: c.Rate, Burst: c.Burst, Connections: c.Connections, Credential: c.Credential}
	if c.Expires != nil {
		var at time.Time
		if *c.Expires != "never" {
			var err error
			if at, err = time.Parse(time.RFC3339, *c.Expires); err != nil {
				return out, kmip.Fail(kmip.KindInvalidField, "expires is a time such as 2027-01-31T12:00:00Z, or never")
			}
		}
		out.Expires = &at
	}
	if c.Sources != nil {
		list := make([]netip.Prefix, 0, len(*c.Sources))
		for _, text := range *c.Sources {
			p, err := network(text)
			if err != nil {
				return out, err
			}
			list = append(list, p)
		}
		out.Sources = &list
	}
	return out, nil
}

// network reads a network, or an address, which is one of its own.
func network(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		if p.Addr().Is4In6() {
			return p, kmip.Fail(kmip.KindInvalidField, "write the network %s as one of IPv4", text)
		}
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, kmip.Fail(kmip.KindInvalidField, "a source is a network such as 192.0.2.0/24 or 2001:db8::/32, or an address")
	}
	a = a.Unmap()
	return a.Prefix(a.BitLen())
}

// MemberPath names a client or user in the path.
type MemberPath struct {
	Domain string `path:"domain" maxLength:"63"`
	Name   string `path:"name" maxLength:"63"`
}

type setClientInput struct {
	MemberPath
	Body ClientChange
}

func (a *api) setClient(ctx context.Context, in *setClientInput) (*body[ClientSettings], error) {
	change, err := in.Body.change()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	s, err := a.Custody.SetClient(ctx, a.scope(ctx, in.Domain), in.Name, change)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[ClientSettings]{settingsOf(s)}, nil
}

type grantInput struct {
	MemberPath
	Body struct {
		Role string `json:"role" minLength:"1" maxLength:"63"`
	}
}

func (a *api) grantClient(ctx context.Context, in *grantInput) (*struct{}, error) {
	if err := a.Custody.GrantClient(ctx, a.scope(ctx, in.Domain), in.Name, in.Body.Role); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

func (a *api) grantUser(ctx context.Context, in *grantInput) (*struct{}, error) {
	if err := a.Custody.GrantUser(ctx, a.scope(ctx, in.Domain), in.Name, in.Body.Role); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
