package custody

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// recordSession is a session of an administrator; the key is a hash of its token.
const recordSession = "session"

// Limits of sessions. Use is written down once a minute at most, so that a session
// may end up to a minute before its idle time is over, and never after.
const (
	SessionIdle     = 15 * time.Minute
	SessionLife     = 8 * time.Hour
	sessionNoted    = time.Minute
	sessionBytes    = 32
	sessionPrefix   = "claviger-session-"
	sessionIDLength = 12
	maxSessionsOf   = 16 // of one administrator
	maxSessions     = 1000
	maxIdentity     = 255 // bytes
)

// session is the form that the record keeps.
type session struct {
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Source  string    `json:"source,omitempty"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used"`
	Until   time.Time `json:"until"`
}

func (s session) expires() time.Time {
	if idle := s.Used.Add(SessionIdle); idle.Before(s.Until) {
		return idle
	}
	return s.Until
}

func (s session) principal() Principal {
	return Principal{Principal: policy.Principal{Kind: policy.KindAdministrator, Name: s.Name, Role: s.Role}}
}

// Session is a session of an administrator.
type Session struct {
	ID      string
	Name    string
	Role    string
	Source  string
	Created time.Time
	Used    time.Time // to the minute
	Expires time.Time
}

// Identity is who somebody is for another authority: Name is typed, such as
// "oidc:https://idp.example#1234", so that nobody with a certificate has it.
type Identity struct{ Name, Role string }

// errSession says nothing of why.
var errSession = kmip.Fail(kmip.KindNotAuthenticated, "the session is unknown or has ended; log in again")

func sessionKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// BeginSession makes a session for somebody whom another authority knows, and returns
// its token, which only its holder has. The role stays what it is until the session
// ends.
func (s *Service) BeginSession(ctx context.Context, sc *Scope, who Identity) (string, Session, error) {
	var token string
	var made Session
	sc.Principal = session{Name: who.Name, Role: who.Role}.principal()
	err := s.do(ctx, sc, "login", func() (outcome, error) {
		var o outcome
		switch {
		case !strings.HasPrefix(who.Name, "oidc:") || len(who.Name) > maxIdentity || printable(who.Name) != who.Name:
			return o, kmip.Fail(kmip.KindNotAuthenticated, "the name of whoever logs in is too long, or none that can be shown")
		case !slices.Contains(separate, who.Role):
			return o, kmip.Fail(kmip.KindPermissionDenied, "no role is given to you here; ask for membership of a group that has one")
		}
		open, err := s.readSessions(ctx)
		if err != nil {
			return o, err
		}
		mine := 0
		for _, one := range open {
			if one.session.Name == who.Name {
				mine++
			}
		}
		if mine >= maxSessionsOf || len(open) >= maxSessions {
			return o, kmip.Fail(kmip.KindPermissionDenied, "too many sessions are open; log out of some, or wait for their end")
		}
		raw := make([]byte, sessionBytes)
		_, _ = rand.Read(raw) // never fails
		token = sessionPrefix + base64.RawURLEncoding.EncodeToString(raw)
		now := s.now().UTC().Truncate(time.Second)
		v := session{Name: who.Name, Role: who.Role, Source: sc.Source, Created: now, Used: now, Until: now.Add(SessionLife)}
		r, err := s.sealRecord(ctx, store.Record{
			Domain: SystemDomain, Kind: recordSession, Key: sessionKey(token), Revision: 1, Created: now, Expires: v.expires(),
		}, v)
		if err != nil {
			return o, err
		}
		made = sessionOf(r.Key, v)
		o.uid, o.change.AddRecords = made.ID, []store.Record{r}
		return o, nil
	})
	if err != nil {
		return "", Session{}, err
	}
	return token, made, nil
}

// RefuseLogin records that somebody whom another authority vouches for was not let
// in.
func (s *Service) RefuseLogin(ctx context.Context, sc *Scope, who Identity, err error) {
	sc.Principal = session{Name: recordable(printable(who.Name))}.principal()
	s.Refuse(ctx, sc, "login", "", err)
}

func sessionOf(key string, v session) Session {
	return Session{ID: key[:min(len(key), sessionIDLength)], Name: v.Name, Role: v.Role, Source: v.Source, Created: v.Created, Used: v.Used, Expires: v.expires()}
}

type sessionRecord struct {
	record  store.Record
	session session
}

// readSessions reads the sessions that have not ended.
func (s *Service) readSessions(ctx context.Context) ([]sessionRecord, error) {
	records, err := s.store.Records(ctx, store.RecordQuery{Domain: SystemDomain, Kind: recordSession, Limit: maxSessions})
	if err != nil {
		return nil, err
	}
	var open []sessionRecord
	for _, r := range records {
		var v session
		if err := s.openRecord(ctx, r, &v); err != nil {
			return nil, err
		}
		if s.now().Before(v.expires()) {
			open = append(open, sessionRecord{r, v})
		}
	}
	return open, nil
}

// AuthenticateSession finds the administrator whose session a token is of. Whoever
// is found has no certificate.
func (s *Service) AuthenticateSession(ctx context.Context, token string) (Principal, error) {
	if !strings.HasPrefix(token, sessionPrefix) {
		return Principal{}, errSession
	}
	r, err := s.store.Record(ctx, SystemDomain, recordSession, sessionKey(token))
	if errors.Is(err, store.ErrNotFound) {
		return Principal{}, errSession
	}
	if err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	var v session
	if err := s.openRecord(ctx, r, &v); err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	now := s.now().UTC()
	if !now.Before(v.expires()) {
		return Principal{}, errSession
	}
	if now.Sub(v.Used) < sessionNoted {
		return v.principal(), nil
	}
	v.Used = now.Truncate(time.Second)
	r.Revision++
	r.Expires = v.expires()
	if r, err = s.sealRecord(ctx, r, v); err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	err = s.store.Commit(ctx, store.Change{UpdateRecords: []store.Record{r}})
	if errors.Is(err, store.ErrConflict) { // used elsewhere, or ended just now
		if _, err := s.store.Record(ctx, SystemDomain, recordSession, r.Key); errors.Is(err, store.ErrNotFound) {
			return Principal{}, errSession
		}
		return v.principal(), nil
	}
	if err != nil {
		return Principal{}, s.translate(ctx, err)
	}
	return v.principal(), nil
}

// Sessions lists the sessions that have not ended, oldest first.
func (s *Service) Sessions(ctx context.Context, sc *Scope) ([]Session, error) {
	var list []Session
	err := s.administer(ctx, sc, policy.ActionAdminList, "", func() (store.Change, error) {
		open, err := s.readSessions(ctx)
		list = nil
		for _, one := range open {
			list = append(list, sessionOf(one.record.Key, one.session))
		}
		return store.Change{}, err
	})
	return list, err
}

// EndSession ends a session at once, by its identifier.
func (s *Service) EndSession(ctx context.Context, sc *Scope, id string) error {
	return s.do(ctx, sc, "session.end", func() (outcome, error) {
		o := outcome{uid: id}
		if err := s.authorize(ctx, sc, policy.ActionAdminRevoke, policy.Resource{}); err != nil {
			return o, err
		}
		open, err := s.readSessions(ctx)
		if err != nil {
			return o, err
		}
		for _, one := range open {
			if len(id) == sessionIDLength && strings.HasPrefix(one.record.Key, id) {
				o.detail = "of admin:" + one.session.Name
				o.change.DeleteRecords = []store.RecordRef{one.record.Ref()}
				return o, nil
			}
		}
		return o, kmip.Fail(kmip.KindObjectNotFound, "no session %q", printable(id))
	})
}

// EndOwnSession ends the session of a token, of which the caller came with one.
func (s *Service) EndOwnSession(ctx context.Context, sc *Scope, token string) error {
	return s.do(ctx, sc, "logout", func() (outcome, error) {
		var o outcome
		r, err := s.store.Record(ctx, SystemDomain, recordSession, sessionKey(token))
		if errors.Is(err, store.ErrNotFound) {
			return o, errSession
		}
		if err != nil {
			return o, err
		}
		o.uid = r.Key[:sessionIDLength]
		o.change.DeleteRecords = []store.RecordRef{r.Ref()}
		return o, nil
	})
}
