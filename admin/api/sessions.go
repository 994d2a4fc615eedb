package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

// Session is a session of an administrator whom an identity provider knows.
type Session struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Source  string    `json:"source,omitempty"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used" doc:"to the minute"`
	Expires time.Time `json:"expires" doc:"later when it is used"`
}

// Sessions is a list of sessions, oldest first.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

// Provider tells where to log in.
type Provider struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
}

// Login is an attempt to log in.
type Login struct {
	IDToken string `json:"id_token"`
}

// LoggedIn is a session that was made. The token is secret, and goes into the header
// Authorization: Bearer.
type LoggedIn struct {
	Session Session `json:"session"`
	Token   string  `json:"token"`
}

func sessionOf(s custody.Session) Session {
	return Session{ID: s.ID, Name: s.Name, Role: s.Role, Source: s.Source, Created: s.Created, Used: s.Used, Expires: s.Expires}
}

func (a *api) sessions(ctx context.Context, _ *struct{}) (*body[Sessions], error) {
	list, err := a.Custody.Sessions(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Sessions]{Sessions{make([]Session, 0, len(list))}}
	for _, s := range list {
		out.Body.Sessions = append(out.Body.Sessions, sessionOf(s))
	}
	return out, nil
}

// SessionPath names a session.
type SessionPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *api) endSession(ctx context.Context, in *SessionPath) (*struct{}, error) {
	if err := a.Custody.EndSession(ctx, a.scope(ctx, ""), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

func (a *api) logout(ctx context.Context, _ *struct{}) (*struct{}, error) {
	c, _ := auth.From(ctx)
	if c.Session == "" {
		return nil, a.problem(ctx, kmip.Fail(kmip.KindWrongState, "you came with a certificate; there is no session to end"))
	}
	if err := a.Custody.EndOwnSession(ctx, a.scope(ctx, ""), c.Session); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

var errNoProvider = kmip.Fail(kmip.KindObjectNotFound, "no identity provider is configured; use the certificate of an administrator")

func (a *api) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// provider answers anybody.
func (a *api) provider(w http.ResponseWriter, r *http.Request) {
	if a.OIDC == nil {
		a.deny(w, r, errNoProvider)
		return
	}
	issuer, client := a.OIDC.Provider()
	a.answer(w, http.StatusOK, Provider{issuer, client})
}

// login answers whoever brings an ID token. What nobody vouches for is not recorded,
// or anybody could fill the audit.
func (a *api) login(w http.ResponseWriter, r *http.Request) {
	if a.OIDC == nil {
		a.deny(w, r, errNoProvider)
		return
	}
	var in Login
	if err := decodeOne(http.MaxBytesReader(w, r.Body, maxOpenBody), &in); err != nil {
		a.deny(w, r, kmip.FailFrom(err, kmip.KindInvalidField, "the body is JSON with id_token"))
		return
	}
	sc := a.Custody.Begin(custody.Principal{}, "", "admin", r.RemoteAddr, auth.Correlation())
	who, err := a.OIDC.Verify(r.Context(), in.IDToken)
	if err != nil && who.Name == "" {
		a.Log.WarnContext(r.Context(), "a login was refused", "source", r.RemoteAddr, "error", err)
		a.deny(w, r, err)
		return
	}
	if err != nil {
		a.Custody.RefuseLogin(r.Context(), sc, who, err)
		a.deny(w, r, err)
		return
	}
	token, s, err := a.Custody.BeginSession(r.Context(), sc, who)
	if err != nil {
		a.deny(w, r, err)
		return
	}
	a.answer(w, http.StatusCreated, LoggedIn{sessionOf(s), token})
}
