package api

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/store"
)

// Key is a managed object, without its value.
type Key struct {
	Domain       string     `json:"domain"`
	UID          string     `json:"uid"`
	Names        []string   `json:"names"`
	Type         string     `json:"type"`
	Algorithm    string     `json:"algorithm,omitempty"`
	Bits         int32      `json:"bits,omitempty"`
	State        string     `json:"state"`
	Usage        []string   `json:"usage"`
	Groups       []string   `json:"groups"`
	Creator      string     `json:"creator"`
	Created      time.Time  `json:"created"`
	Activation   *time.Time `json:"activation,omitempty"`
	Deactivation *time.Time `json:"deactivation,omitempty"`
	Destroyed    *time.Time `json:"destroyed,omitempty"`
	Due          *time.Time `json:"destruction_due,omitempty" doc:"when the waiting period of its destruction ends; of a single key only"`
	Sensitive    bool       `json:"sensitive"`
	Extractable  bool       `json:"extractable"`
}

// Keys is a page of objects.
type Keys struct {
	Keys []Key  `json:"keys"`
	Next string `json:"next,omitempty" doc:"cursor of the next page; none at the end"`
}

// Attribute is an attribute of an object, written for people.
type Attribute struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	Value string `json:"value"`
}

// KeyDetail is an object with its attributes.
type KeyDetail struct {
	Key        Key         `json:"key"`
	Attributes []Attribute `json:"attributes"`
}

// Revocation says why an object is revoked.
type Revocation struct {
	Reason  string `json:"reason" minLength:"1" maxLength:"64" doc:"a Revocation Reason Code, such as KeyCompromise or CessationOfOperation"`
	Message string `json:"message,omitempty" maxLength:"1024"`
	InUse   bool   `json:"even_if_in_use,omitempty" doc:"end it also if its key policy says that it is in use"`
}

func keyOf(s custody.Summary) Key {
	k := Key{
		Domain: s.Domain, UID: s.UID, Names: s.Names, Type: s.Type.String(), Bits: s.LengthBits, State: s.State.String(),
		Usage: kmip.MaskNames(kmip.TagCryptographicUsageMask, uint32(s.UsageMask)), Groups: s.Groups, Creator: s.Creator,
		Created: s.Initial, Activation: date(s.Activation), Deactivation: date(s.Deactivation), Destroyed: date(s.Destroyed), Due: date(s.Due),
		Sensitive: s.Sensitive, Extractable: s.Extractable,
	}
	if s.Algorithm != 0 {
		k.Algorithm = s.Algorithm.String()
	}
	for _, list := range []*[]string{&k.Names, &k.Usage, &k.Groups} {
		if *list == nil {
			*list = []string{}
		}
	}
	return k
}

type listKeysInput struct {
	InDomain
	Name   string `query:"name" maxLength:"1024" doc:"only objects with this Name"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (a *api) keys(ctx context.Context, in *listKeysInput) (*body[Keys], error) {
	after, err := parseCursor(in.Cursor)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	list, next, err := a.Custody.Keys(ctx, a.scope(ctx, in.Domain), in.Name, after, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Keys]{Keys{Keys: make([]Key, 0, len(list)), Next: cursorOf(next)}}
	for _, s := range list {
		out.Body.Keys = append(out.Body.Keys, keyOf(s))
	}
	return out, nil
}

// cursorOf writes a position so that nobody is tempted to make one.
func cursorOf(p *store.Position) string {
	if p == nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.Initial.UnixMicro(), 10) + " " + p.UID))
}

func parseCursor(cursor string) (*store.Position, error) {
	if cursor == "" {
		return nil, nil //nolint:nilnil // from the start
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, kmip.Fail(kmip.KindInvalidField, "the cursor is none that this server gave")
	}
	micros, uid, ok := strings.Cut(string(b), " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || !ok || uid == "" {
		return nil, kmip.Fail(kmip.KindInvalidField, "the cursor is none that this server gave")
	}
	return &store.Position{Initial: time.UnixMicro(n).UTC(), UID: uid}, nil
}

// ObjectPath names an object.
type ObjectPath struct {
	Domain string `path:"domain" maxLength:"63"`
	UID    string `path:"uid" maxLength:"1024"`
}

func (a *api) key(ctx context.Context, in *ObjectPath) (*body[KeyDetail], error) {
	s, attrs, err := a.Custody.Key(ctx, a.scope(ctx, in.Domain), in.UID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[KeyDetail]{KeyDetail{Key: keyOf(s), Attributes: make([]Attribute, 0, len(attrs))}}
	for _, at := range attrs {
		out.Body.Attributes = append(out.Body.Attributes, Attribute{at.String(), at.Index, Print(at.Value)})
	}
	return out, nil
}

type revokeKeyInput struct {
	ObjectPath
	Body Revocation
}

func (a *api) revokeKey(ctx context.Context, in *revokeKeyInput) (*struct{}, error) {
	code, ok := kmip.EnumByName(kmip.TagRevocationReasonCode, in.Body.Reason)
	if !ok {
		return nil, a.problem(ctx, kmip.Fail(kmip.KindInvalidField, "no Revocation Reason %q; there are %s",
			in.Body.Reason, strings.Join(revocationReasons(), ", ")))
	}
	reason := kmip.RevocationReason{Code: kmip.RevocationReasonCode(code), Message: in.Body.Message}
	if err := a.Custody.RevokeKey(ctx, a.scope(ctx, in.Domain), in.UID, reason, in.Body.InUse); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

func revocationReasons() []string {
	var names []string
	for _, v := range kmip.EnumValues(kmip.TagRevocationReasonCode) {
		names = append(names, kmip.RevocationReasonCode(v).String())
	}
	return names
}

type destroyKeyInput struct {
	ObjectPath
	InUse bool `query:"even_if_in_use" doc:"destroy it also if its key policy says that it is in use"`
	Now   bool `query:"now" doc:"without the waiting period of the domain, also of what is pending; only where its rules allow it"`
}

func (a *api) destroyKey(ctx context.Context, in *destroyKeyInput) (*struct{}, error) {
	if err := a.Custody.DestroyKey(ctx, a.scope(ctx, in.Domain), in.UID, in.Now, in.InUse); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
