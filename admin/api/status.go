package api

import (
	"context"
	"time"

	"github.com/claviger/claviger/admin/report"
)

// Status is how a node is.
type Status struct {
	Version     string     `json:"version"`
	Node        string     `json:"node" doc:"identifier of the running process in the audit"`
	Name        string     `json:"name" doc:"how the node calls itself to clients"`
	Started     time.Time  `json:"started"`
	Uptime      int64      `json:"uptime_seconds"`
	Healthy     bool       `json:"healthy"`
	Store       Store      `json:"store"`
	Root        Root       `json:"root_of_trust"`
	Connections int        `json:"kmip_connections" doc:"open KMIP connections"`
	FIPS        FIPS       `json:"fips"`
	Ending      int64      `json:"keys_in_use_ending" doc:"objects in use that reach their Deactivation Date within 14 days; see /keys-in-use-ending"`
	Expiring    []Expiring `json:"certificates" doc:"those that expire next, soonest first"`
	// BreakGlass is there while it is open.
	BreakGlass *OpenBreakGlass `json:"break_glass,omitempty" doc:"present while break-glass is open"`
}

// FIPS tells whether the FIPS 140-3 mode of Go's Cryptographic Module is on.
type FIPS struct {
	Active   bool   `json:"active" doc:"the mode is on: what is not in the module is refused"`
	Enforced bool   `json:"enforced" doc:"the module itself refuses what is not approved (GODEBUG=fips140=only)"`
	Required bool   `json:"required" doc:"the configuration lets the node start in no other way"`
	Module   string `json:"module" doc:"version of the module; latest: the one of the toolchain, which is not validated"`
}

// OpenBreakGlass tells that an administrator who came by break-glass may do
// everything.
type OpenBreakGlass struct {
	Administrator string    `json:"administrator"`
	Opened        time.Time `json:"opened"`
	Until         time.Time `json:"until"`
}

// Expiring is a certificate and its end.
type Expiring struct {
	Kind     string    `json:"kind" enum:"client,administrator,authority,trust,server"`
	Domain   string    `json:"domain,omitempty"`
	Name     string    `json:"name"`
	NotAfter time.Time `json:"not_after"`
}

// Store is the state of the database.
type Store struct {
	Kind    string `json:"kind" doc:"postgres or sqlite"`
	Healthy bool   `json:"healthy"`
	Detail  string `json:"detail,omitempty" doc:"what is wrong"`
}

// Root is the state of the root of trust. A software root key is never called
// anything else.
type Root struct {
	Mode    string  `json:"mode,omitempty" doc:"of new domains: envelope or direct"`
	Healthy bool    `json:"healthy" doc:"a token is well"`
	Serves  bool    `json:"serves" doc:"keys can be used: a token is well, or all that is in use is in the process"`
	Random  string  `json:"random" doc:"what makes keys: system, or token and system"`
	Tokens  []Token `json:"tokens"`
	Detail  string  `json:"detail,omitempty" doc:"what is wrong"`
}

// Token is a token of this node.
type Token struct {
	Kind      string     `json:"kind" doc:"software or pkcs11"`
	Label     string     `json:"label,omitempty"`
	Serial    string     `json:"serial,omitempty"`
	Model     string     `json:"model,omitempty"`
	Hardware  bool       `json:"hardware" doc:"the token declares itself hardware"`
	Vouched   bool       `json:"vouched,omitempty" doc:"the operator declares the token hardware, which it does not itself"`
	Healthy   bool       `json:"healthy"`
	Since     *time.Time `json:"since,omitempty" doc:"since when it is as it is; absent: from the start"`
	Stopped   bool       `json:"stopped,omitempty" doc:"its PIN was refused; nothing is tried until an operator retries"`
	Retired   bool       `json:"retired,omitempty"`
	UnfitKeys bool       `json:"unfit_keys_accepted,omitempty" doc:"root keys that are extractable or of two purposes are used"`
	Protected string     `json:"protected_by,omitempty" doc:"what protects a software root key: nothing, passphrase, shamir, tpm"`
	Detail    string     `json:"detail,omitempty" doc:"what is wrong"`
}

type body[T any] struct {
	Body T
}

func (a *api) status(ctx context.Context, _ *struct{}) (*body[Status], error) {
	if err := a.Custody.ReadStatus(ctx, a.scope(ctx, "")); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Status]{a.currentStatus(ctx)}, nil
}

// currentStatus makes sure that software claims to be nothing else.
func (a *api) currentStatus(ctx context.Context) Status {
	s := a.Status(ctx)
	if s.Version == "" {
		s.Version = a.Version
	}
	if g, err := a.Custody.BreakGlassNow(ctx); err != nil {
		a.Log.WarnContext(ctx, "whether break-glass is open could not be read", "error", err)
	} else if g.Active {
		s.BreakGlass = &OpenBreakGlass{g.Administrator, g.Opened, g.Until}
	}
	for i := range s.Root.Tokens {
		if t := &s.Root.Tokens[i]; t.Kind == "software" {
			t.Hardware, t.Vouched = false, false
		}
	}
	return s
}

func protection(r Root) string {
	var roots []report.Root
	for _, t := range r.Tokens {
		if t.Kind != "" && !t.Retired {
			roots = append(roots, report.Root{Kind: t.Kind, Label: t.Label, Hardware: t.Hardware, Vouched: t.Vouched, Unfit: t.UnfitKeys})
		}
	}
	return report.Protection(roots)
}
