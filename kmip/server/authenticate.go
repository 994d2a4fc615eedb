package server

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/policy"
)

// proven is what the credentials of a request have shown.
type proven struct {
	principal custody.Principal
	grant     custody.Grant // of a ticket
	hashed    []byte        // Server Hashed Password
	shown     bool          // a credential was given that says who the user is
}

// authenticate checks the credentials that came beside the certificate of a
// client. All that are given must be right (§9.4), and be those of one user.
func authenticate(ctx context.Context, svc *custody.Service, client custody.Principal, list []payload.Credential) (proven, error) {
	by := proven{principal: client}
	for i := range list {
		p, err := one(ctx, svc, client, &list[i], &by)
		if err != nil {
			return by, err
		}
		if i > 0 && p.Actor() != by.principal.Actor() {
			return by, kmip.Fail(kmip.KindNotAuthenticated, "the credentials are those of different users")
		}
		by.principal = p
		by.shown = by.shown || list[i].Type != kmip.CredentialTypeAttestation && p.Kind == policy.KindUser
	}
	return by, nil
}

// one checks one credential.
func one(ctx context.Context, svc *custody.Service, client custody.Principal, cr *payload.Credential, by *proven) (custody.Principal, error) {
	field := func(tag kmip.Tag) kmip.Item {
		f, _ := cr.Value.Field(tag)
		return f
	}
	switch cr.Type {
	case kmip.CredentialTypeUsernameAndPassword:
		return svc.AuthenticateUser(ctx, client, cr.Username, cr.Password)
	case kmip.CredentialTypeDevice:
		return svc.AuthenticateDevice(ctx, client, cr.Value)
	case kmip.CredentialTypeOneTimePassword:
		return svc.AuthenticateOneTimePassword(ctx, client, cr.Username, cr.Password, cr.HasPass, field(kmip.TagOneTimePassword).Text())
	case kmip.CredentialTypeHashedPassword:
		p, proof, err := svc.AuthenticateHashed(ctx, client, cr.Username, field(kmip.TagTimeStamp).Time(),
			kmip.HashingAlgorithm(field(kmip.TagHashingAlgorithm).Uint32()), field(kmip.TagHashedPassword).Bytes)
		by.hashed = proof
		return p, err
	case kmip.CredentialTypeTicket:
		value, ok := field(kmip.TagTicket).Field(kmip.TagTicketValue)
		if !ok || value.Type != kmip.TypeByteString {
			return client, kmip.Fail(kmip.KindInvalidMessage, "a Ticket needs a Ticket Value")
		}
		p, grant, err := svc.AuthenticateTicket(ctx, client, value.Bytes)
		by.grant = grant
		return p, err
	case kmip.CredentialTypeAttestation:
		return client, svc.AuthenticateAttestation(ctx, client, cr.Value)
	}
	return client, kmip.Fail(kmip.KindNotAuthenticated, "credentials of type %s are not accepted", cr.Type)
}
