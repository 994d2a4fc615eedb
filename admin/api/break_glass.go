package api

import (
	"context"
	"net/http"
	"time"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/secret"
)

// BreakGlass is how break-glass is.
type BreakGlass struct {
	Ready     bool            `json:"ready" doc:"there are codes that open it"`
	Threshold int             `json:"threshold,omitempty" doc:"custodians who open it"`
	Shares    int             `json:"shares,omitempty" doc:"custodians who have a code"`
	Made      *time.Time      `json:"made,omitempty"`
	Open      *OpenBreakGlass `json:"open,omitempty" doc:"present while it is open"`
}

func (a *api) breakGlass(ctx context.Context, _ *struct{}) (*body[BreakGlass], error) {
	g, err := a.Custody.BreakGlass(ctx, a.scope(ctx, ""))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[BreakGlass]{BreakGlass{Ready: g.Ready}}
	if g.Ready {
		out.Body.Threshold, out.Body.Shares, out.Body.Made = g.Threshold, g.Shares, date(g.Made)
	}
	if g.Active {
		out.Body.Open = &OpenBreakGlass{g.Administrator, g.Opened, g.Until}
	}
	return out, nil
}

// NewBreakGlass says how many custodians there are.
type NewBreakGlass struct {
	Shares    int `json:"shares" minimum:"2" maximum:"32" doc:"custodians who get a code"`
	Threshold int `json:"threshold" minimum:"2" maximum:"32" doc:"custodians who open it"`
}

// Codes are break-glass codes, one for each custodian. They are secret and not
// kept: this answer is the only one that has them.
type Codes struct {
	Threshold int      `json:"threshold"`
	Codes     []string `json:"codes"`
}

func (a *api) setUpBreakGlass(ctx context.Context, in *body[NewBreakGlass]) (*body[Codes], error) {
	codes, err := a.Custody.SetUpBreakGlass(ctx, a.scope(ctx, ""), in.Body.Shares, in.Body.Threshold)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Codes]{Codes{Threshold: in.Body.Threshold}}
	for _, c := range codes {
		out.Body.Codes = append(out.Body.Codes, string(c.Reveal()))
		c.Destroy()
	}
	return out, nil
}

func (a *api) closeBreakGlass(ctx context.Context, _ *struct{}) (*struct{}, error) {
	if err := a.Custody.CloseBreakGlass(ctx, a.scope(ctx, "")); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

// GivenCodes open break-glass.
type GivenCodes struct {
	Codes []string `json:"codes"`
	Hours int      `json:"hours,omitempty"` // 4 when absent
}

// openBreakGlass answers whoever brings codes, without a certificate.
func (a *api) openBreakGlass(w http.ResponseWriter, r *http.Request) {
	var in GivenCodes
	err := decodeOne(http.MaxBytesReader(w, r.Body, maxOpenBody), &in)
	if err != nil || in.Hours < 0 || in.Hours > int(custody.BreakGlassLongest/time.Hour) {
		a.deny(w, r, kmip.FailFrom(err, kmip.KindInvalidField, "the body is JSON with codes and hours, 1 to 24"))
		return
	}
	codes := make([]*secret.Bytes, 0, len(in.Codes))
	for i, c := range in.Codes {
		codes = append(codes, secret.New([]byte(c)))
		in.Codes[i] = ""
	}
	defer func() {
		for _, c := range codes {
			c.Destroy()
		}
	}()
	sc := a.Custody.Begin(custody.Principal{}, "", "admin", r.RemoteAddr, auth.Correlation())
	made, err := a.Custody.OpenBreakGlass(r.Context(), sc, codes, time.Duration(in.Hours)*time.Hour)
	if err != nil {
		a.deny(w, r, err)
		return
	}
	out, err := a.issuedAdministrator(r.Context(), made, nil)
	if err != nil {
		a.deny(w, r, err)
		return
	}
	a.answer(w, http.StatusCreated, out.Body)
}
