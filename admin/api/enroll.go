package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/secret"
)

// Paths for clients: how they get their certificates by themselves. They are apart
// from /api/v1, which is for administrators.
const (
	PathEnroll = "/enroll"
	PathRenew  = "/client/v1/renew"
)

// maxRequest bounds the body of a request for a certificate.
const maxRequest = 128 << 10

// EnrolmentRequest is what a client sends for a certificate. To enrol, its token
// stands in the header: Authorization: Bearer TOKEN.
type EnrolmentRequest struct {
	CSR string `json:"csr"` // PKCS#10, PEM
}

// ClientEnrolled is a certificate for the key of a request.
type ClientEnrolled struct {
	Domain      string    `json:"domain"`
	Name        string    `json:"name"`
	Role        string    `json:"role"`
	NotAfter    time.Time `json:"not_after"`
	Certificate string    `json:"certificate"` // PEM
	Authority   string    `json:"authority"`   // PEM
}

// clientRoutes serves what clients ask for without an administrator.
func (a *api) clientRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST "+PathEnroll, a.enroll)
	mux.HandleFunc("POST "+PathRenew, a.renew)
}

// enroll gives whoever has a token a certificate.
func (a *api) enroll(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" || len(token) > 256 {
		a.deny(w, r, kmip.Fail(kmip.KindNotAuthenticated, "give the token in the header: Authorization: Bearer TOKEN"))
		return
	}
	a.certify(w, r, func(ctx context.Context, csr []byte) (custody.Enrolled, error) {
		return a.Custody.Enrol(ctx, r.RemoteAddr, auth.Correlation(), secret.New([]byte(token)), csr)
	})
}

// renew gives a client that presents its certificate another one.
func (a *api) renew(w http.ResponseWriter, r *http.Request) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || len(r.TLS.VerifiedChains) == 0 {
		a.deny(w, r, kmip.Fail(kmip.KindNotAuthenticated, "present the certificate of a client"))
		return
	}
	a.certify(w, r, func(ctx context.Context, csr []byte) (custody.Enrolled, error) {
		return a.Custody.Renew(ctx, custody.Presented{Certificates: r.TLS.PeerCertificates, Source: r.RemoteAddr}, auth.Correlation(), csr)
	})
}

func (a *api) certify(w http.ResponseWriter, r *http.Request, make func(context.Context, []byte) (custody.Enrolled, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	var in EnrolmentRequest
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || in.CSR == "" {
		a.deny(w, r, kmip.Fail(kmip.KindInvalidField, `send {"csr": "…"} with a certificate request (PKCS#10) in PEM form`))
		return
	}
	e, err := make(r.Context(), []byte(in.CSR))
	if err != nil {
		if kmip.KindOf(err) == kmip.KindUnavailable {
			w.Header().Set("Retry-After", "10")
		}
		a.deny(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(ClientEnrolled{
		Domain: e.Client.Domain, Name: e.Client.Name, Role: e.Client.Role, NotAfter: e.Certificate.NotAfter,
		Certificate: string(pki.CertificatePEM(e.Certificate)), Authority: string(pki.CertificatePEM(e.Authority)),
	})
}

// NewToken asks for a token by which a client gets a certificate, once.
type NewToken struct {
	Valid int64 `json:"valid_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"a day when 0"`
}

// ClientToEnroll is a client to be made that gets its certificate by a token.
type ClientToEnroll struct {
	Name  string `json:"name" minLength:"1" maxLength:"63"`
	Role  string `json:"role,omitempty" maxLength:"63" doc:"as for create-client"`
	Valid int64  `json:"valid_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"a day when 0"`
}

// EnrollToken is a token that was made. It is secret, and this answer is the only one
// that has it.
type EnrollToken struct {
	Client  Client    `json:"client"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func (a *api) token(ctx context.Context, t custody.Token, err error) (*body[EnrollToken], error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	defer t.Value.Destroy()
	return &body[EnrollToken]{EnrollToken{clientOf(t.Client), string(t.Value.Reveal()), t.Expires}}, nil
}

type clientToEnrollInput struct {
	InDomain
	Body ClientToEnroll
}

func (a *api) createClientToEnroll(ctx context.Context, in *clientToEnrollInput) (*body[EnrollToken], error) {
	t, err := a.Custody.CreateClientToEnrol(ctx, a.scope(ctx, in.Domain), in.Body.Name, in.Body.Role, time.Duration(in.Body.Valid)*time.Second)
	return a.token(ctx, t, err)
}

type makeTokenInput struct {
	MemberPath
	Body NewToken
}

func (a *api) makeToken(ctx context.Context, in *makeTokenInput) (*body[EnrollToken], error) {
	t, err := a.Custody.MakeToken(ctx, a.scope(ctx, in.Domain), in.Name, time.Duration(in.Body.Valid)*time.Second)
	return a.token(ctx, t, err)
}

// Cancelled is how many tokens were ended.
type Cancelled struct {
	Tokens int `json:"tokens"`
}

func (a *api) cancelTokens(ctx context.Context, in *MemberPath) (*body[Cancelled], error) {
	n, err := a.Custody.CancelTokens(ctx, a.scope(ctx, in.Domain), in.Name)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Cancelled]{Cancelled{n}}, nil
}

func (a *api) issueCertificate(ctx context.Context, in *MemberPath) (*body[IssuedClient], error) {
	made, err := a.Custody.IssueCertificate(ctx, a.scope(ctx, in.Domain), in.Name)
	return a.issued(ctx, made, err)
}

// CertificatePath names a certificate of a client in the path.
type CertificatePath struct {
	MemberPath
	Fingerprint string `path:"fingerprint" maxLength:"95" doc:"SHA-256, hexadecimal"`
}

func (a *api) revokeCertificate(ctx context.Context, in *CertificatePath) (*struct{}, error) {
	if err := a.Custody.RevokeCertificate(ctx, a.scope(ctx, in.Domain), in.Name, in.Fingerprint); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
