package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/store"
)

// Client is a KMIP identity of a domain.
type Client struct {
	Domain  string     `json:"domain"`
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Created time.Time  `json:"created"`
	Revoked *time.Time `json:"revoked,omitempty"`
	// What lists and details have.
	State    string     `json:"state,omitempty" enum:"enabled,disabled,expired,revoked"`
	NotAfter *time.Time `json:"not_after,omitempty" doc:"end of the certificate that lasts longest"`
	Expiring bool       `json:"expiring,omitempty" doc:"that certificate ends within 30 days"`
}

// Clients is a list of clients.
type Clients struct {
	Clients []Client `json:"clients"`
}

// NewClient is a client to be made.
type NewClient struct {
	Name string `json:"name" minLength:"1" maxLength:"63"`
	Role string `json:"role,omitempty" maxLength:"63" doc:"when empty: full, or none if whoever makes the client may not grant a role"`
}

// IssuedClient is a client that was made, with its credentials. They are not
// kept: this answer is the only one that has them. Key and PKCS12 are secret.
type IssuedClient struct {
	Client      Client    `json:"client"`
	NotAfter    time.Time `json:"not_after" doc:"end of the certificate"`
	Certificate string    `json:"certificate" doc:"PEM"`
	Key         string    `json:"key" doc:"PEM, PKCS#8, not encrypted"`
	PKCS12      []byte    `json:"pkcs12" doc:"certificate, key and authority under an empty password (openssl pkcs12 -passin pass:)"`
	Authority   string    `json:"authority" doc:"PEM of the certification authority"`
}

// InDomain names the domain of a request.
type InDomain struct {
	Domain string `query:"domain" maxLength:"63" default:"default"`
}

type anyDomain struct {
	Domain string `query:"domain" maxLength:"63" doc:"all when empty"`
}

func clientOf(c store.Client) Client {
	return Client{Domain: c.Domain, Name: c.Name, Role: c.Role, Created: c.Created, Revoked: date(c.Revoked)}
}

// date is nil for a date that is not set.
func date(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (a *api) clients(ctx context.Context, in *anyDomain) (*body[Clients], error) {
	list, err := a.Custody.ListClients(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Clients]{Clients{make([]Client, 0, len(list))}}
	for _, c := range list {
		out.Body.Clients = append(out.Body.Clients, a.listed(c))
	}
	return out, nil
}

type createClientInput struct {
	InDomain
	Body NewClient
}

func (a *api) createClient(ctx context.Context, in *createClientInput) (*body[IssuedClient], error) {
	made, err := a.Custody.CreateClient(ctx, a.scope(ctx, in.Domain), in.Body.Name, in.Body.Role)
	return a.issued(ctx, made, err)
}

// issued answers with a certificate and its key.
func (a *api) issued(ctx context.Context, made *custody.NewClient, err error) (*body[IssuedClient], error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	key, err := made.Issued.KeyPEM()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	p12, err := made.Issued.PKCS12(made.Authority, "")
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[IssuedClient]{IssuedClient{
		Client: clientOf(made.Client), NotAfter: made.Issued.Certificate.NotAfter,
		Certificate: string(pki.CertificatePEM(made.Issued.Certificate)), Key: string(key), PKCS12: p12,
		Authority: string(pki.CertificatePEM(made.Authority)),
	}}, nil
}

type member struct {
	Domain string `path:"domain" maxLength:"63"`
	Name   string `path:"name" maxLength:"63"`
}

func (a *api) revokeClient(ctx context.Context, in *member) (*struct{}, error) {
	if err := a.Custody.RevokeClient(ctx, a.scope(ctx, in.Domain), in.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
