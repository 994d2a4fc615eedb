package api

import (
	"context"
	"crypto"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/store"
)

// Administrator operates the appliance.
type Administrator struct {
	Name     string     `json:"name"`
	Role     string     `json:"role"`
	Created  time.Time  `json:"created"`
	NotAfter time.Time  `json:"not_after" doc:"end of the certificate"`
	Revoked  *time.Time `json:"revoked,omitempty"`
}

// Administrators is a list of administrators.
type Administrators struct {
	Administrators []Administrator `json:"administrators"`
}

// NewAdministrator is an administrator to be made.
type NewAdministrator struct {
	Name string `json:"name" minLength:"1" maxLength:"63"`
	Role string `json:"role" enum:"system,security-officer,auditor,administrator" doc:"for ever; administrator (all roles) only until the first administrator has ended"`
	CertificateRequest
}

// CertificateRequest says for which key a certificate is.
type CertificateRequest struct {
	Request string `json:"request,omitempty" maxLength:"16384" doc:"PEM of a PKCS#10 request, whose key is meant; a new key when absent"`
}

// key is the key of the request; nil when there is none.
func (r CertificateRequest) key() (crypto.PublicKey, error) {
	if r.Request == "" {
		return nil, nil //nolint:nilnil // documented
	}
	key, err := pki.Request([]byte(r.Request))
	if err != nil {
		return nil, kmip.Fail(kmip.KindInvalidField, "%s", err)
	}
	return key, nil
}

// IssuedAdministrator is an administrator with a new certificate. The key is not
// kept: this answer is the only one that has it.
type IssuedAdministrator struct {
	Administrator Administrator `json:"administrator"`
	Certificate   string        `json:"certificate" doc:"PEM"`
	Key           string        `json:"key,omitempty" doc:"PEM, PKCS#8, not encrypted; absent when the request had one"`
	Authority     string        `json:"authority" doc:"PEM of the certification authority"`
	Ended         []string      `json:"ended,omitempty" doc:"administrators with all roles who ended with it"`
}

func administratorOf(m store.Administrator) Administrator {
	return Administrator{Name: m.Name, Role: m.Role, Created: m.Created, NotAfter: m.NotAfter, Revoked: date(m.Revoked)}
}

func (a *api) issuedAdministrator(ctx context.Context, made *custody.NewAdministrator, err error) (*body[IssuedAdministrator], error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	var key []byte
	if made.Issued.Key != nil {
		if key, err = made.Issued.KeyPEM(); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	return &body[IssuedAdministrator]{IssuedAdministrator{
		Administrator: administratorOf(made.Administrator), Certificate: string(pki.CertificatePEM(made.Issued.Certificate)), Key: string(key),
		Authority: string(pki.CertificatePEM(made.Authority)), Ended: made.Ended,
	}}, nil
}

func (a *api) administrators(ctx context.Context, _ *struct{}) (*body[Administrators], error) {
	list, err := a.Custody.Administrators(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Administrators]{Administrators{make([]Administrator, 0, len(list))}}
	for _, m := range list {
		out.Body.Administrators = append(out.Body.Administrators, administratorOf(m))
	}
	return out, nil
}

func (a *api) createAdministrator(ctx context.Context, in *body[NewAdministrator]) (*body[IssuedAdministrator], error) {
	key, err := in.Body.key()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	made, err := a.Custody.CreateAdministrator(ctx, a.scope(ctx, ""), in.Body.Name, in.Body.Role, key)
	return a.issuedAdministrator(ctx, made, err)
}

type renewInput struct {
	Body *CertificateRequest
}

func (a *api) renewCertificate(ctx context.Context, in *renewInput) (*body[IssuedAdministrator], error) {
	var key crypto.PublicKey
	if in.Body != nil {
		var err error
		if key, err = in.Body.key(); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	made, err := a.Custody.RenewCertificate(ctx, a.scope(ctx, ""), key)
	return a.issuedAdministrator(ctx, made, err)
}

// AdministratorPath names an administrator.
type AdministratorPath struct {
	Name string `path:"name" maxLength:"255"`
}

func (a *api) revokeAdministrator(ctx context.Context, in *AdministratorPath) (*struct{}, error) {
	if err := a.Custody.RevokeAdministrator(ctx, a.scope(ctx, ""), in.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
