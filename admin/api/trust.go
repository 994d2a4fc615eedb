package api

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
)

// Trust is an authority of others whose certificates identify clients of a domain.
type Trust struct {
	Domain      string           `json:"domain"`
	Name        string           `json:"name"`
	Created     time.Time        `json:"created"`
	Authorities []TrustAuthority `json:"authorities"`
	TrustSettings
	Lists []RevocationList `json:"revocation_lists,omitempty"`
}

// TrustSettings say how its certificates are taken.
type TrustSettings struct {
	Map      []string `json:"map,omitempty" enum:"san-uri,san-dns,san-email,cn" doc:"fields that say who a client is; all when absent"`
	CRL      bool     `json:"crl,omitempty" doc:"certificates must not be on a revocation list, which must be current"`
	CRLURL   string   `json:"crl_url,omitempty" maxLength:"1024" doc:"where to fetch the revocation list"`
	StaleCRL bool     `json:"stale_crl,omitempty" doc:"a revocation list that is old, or none, is no objection"`
	OCSP     string   `json:"ocsp,omitempty" enum:"none,check,require"`
	OCSPURL  string   `json:"ocsp_url,omitempty" maxLength:"1024" doc:"the responder"`
	NeedEKU  bool     `json:"eku_required,omitempty" doc:"certificates must say that they are for the authentication of TLS clients"`
}

// TrustAuthority is a certificate of an authority.
type TrustAuthority struct {
	Subject     string    `json:"subject"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256"`
	NotAfter    time.Time `json:"not_after"`
	Certificate string    `json:"certificate" doc:"PEM"`
}

// RevocationList is what is known of a list.
type RevocationList struct {
	Made    time.Time `json:"made"`
	Next    time.Time `json:"next"`
	Current bool      `json:"current"`
	Revoked int       `json:"revoked" doc:"number of certificates on it"`
}

// Trusts is a list of trusts.
type Trusts struct {
	Trusts []Trust `json:"trusts"`
}

// NewTrust is a trust to be made.
type NewTrust struct {
	Name        string `json:"name" minLength:"1" maxLength:"63"`
	Authorities string `json:"authorities" minLength:"1" maxLength:"262144" doc:"certificates in PEM form"`
	Lists       []byte `json:"revocation_lists,omitempty" doc:"revocation lists, PEM or DER"`
	TrustSettings
}

func (a *api) trustOf(t custody.Trust) Trust {
	out := Trust{
		Domain: t.Domain, Name: t.Name, Created: t.Created,
		TrustSettings: TrustSettings{Map: t.Map, CRL: t.CRL, CRLURL: t.CRLURL, StaleCRL: t.StaleCRL, OCSP: t.OCSP, OCSPURL: t.OCSPURL, NeedEKU: t.NeedEKU},
	}
	for _, c := range t.Authorities {
		out.Authorities = append(out.Authorities, TrustAuthority{c.Subject.String(), hex.EncodeToString(pki.Fingerprint(c)), c.NotAfter, string(pki.CertificatePEM(c))})
	}
	for _, l := range t.Lists {
		out.Lists = append(out.Lists, RevocationList{l.Made, l.Next, l.Fresh(a.Now()), l.Count()})
	}
	return out
}

func (a *api) trusts(ctx context.Context, in *anyDomain) (*body[Trusts], error) {
	list, err := a.Custody.Trusts(ctx, a.scope(ctx, in.Domain))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Trusts]{Trusts{[]Trust{}}}
	for _, t := range list {
		out.Body.Trusts = append(out.Body.Trusts, a.trustOf(t))
	}
	return out, nil
}

type addTrustInput struct {
	InDomain
	Body NewTrust
}

func (a *api) addTrust(ctx context.Context, in *addTrustInput) (*struct{}, error) {
	b := in.Body
	authorities, err := custody.ParseAuthorities([]byte(b.Authorities))
	if err == nil {
		err = a.Custody.AddTrust(ctx, a.scope(ctx, in.Domain), custody.Trust{Name: b.Name, Authorities: authorities, TrustSettings: custody.TrustSettings{
			Map: b.Map, CRL: b.CRL, CRLURL: b.CRLURL, StaleCRL: b.StaleCRL, OCSP: b.OCSP, OCSPURL: b.OCSPURL, NeedEKU: b.NeedEKU,
		}}, b.Lists)
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

func (a *api) removeTrust(ctx context.Context, in *MemberPath) (*struct{}, error) {
	if err := a.Custody.RemoveTrust(ctx, a.scope(ctx, in.Domain), in.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

type revocationListInput struct {
	MemberPath
	Body struct {
		Lists []byte `json:"revocation_lists" doc:"PEM or DER"`
	}
}

func (a *api) setRevocationLists(ctx context.Context, in *revocationListInput) (*struct{}, error) {
	if err := a.Custody.SetRevocationLists(ctx, a.scope(ctx, in.Domain), in.Name, in.Body.Lists); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

// ClientIdentity is what certificates of other authorities say of a client.
type ClientIdentity struct {
	Kind  string `json:"kind" enum:"fingerprint,key,uri,dns,email,cn" doc:"fingerprint, key: SHA-256 of the certificate, of its public key"`
	Value string `json:"value" minLength:"1" maxLength:"1024"`
}

// ClientIdentities is a list of them.
type ClientIdentities struct {
	Identities []ClientIdentity `json:"identities"`
}

// IdentityChange adds and removes identities.
type IdentityChange struct {
	Add    []ClientIdentity `json:"add,omitempty" maxItems:"64"`
	Remove []ClientIdentity `json:"remove,omitempty" maxItems:"64"`
}

type identitiesInput struct {
	MemberPath
	Body IdentityChange
}

func (a *api) changeIdentities(ctx context.Context, in *identitiesInput) (*body[ClientIdentities], error) {
	list := func(from []ClientIdentity) (to []custody.ClientIdentity) {
		for _, i := range from {
			to = append(to, custody.ClientIdentity(i))
		}
		return to
	}
	after, err := a.Custody.ChangeIdentities(ctx, a.scope(ctx, in.Domain), in.Name, list(in.Body.Add), list(in.Body.Remove))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[ClientIdentities]{ClientIdentities{identitiesOf(after)}}, nil
}

func identitiesOf(list []custody.ClientIdentity) []ClientIdentity {
	out := make([]ClientIdentity, 0, len(list))
	for _, i := range list {
		out = append(out, ClientIdentity(i))
	}
	return out
}
