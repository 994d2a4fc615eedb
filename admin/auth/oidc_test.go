package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/testenv/idp"
)

func TestTokensOfTheProviderAreJudged(t *testing.T) {
	p, now := idp.New(t), time.Now()
	o := auth.NewOIDC(auth.OIDCConfig{
		Issuer: p.Issuer(), ClientID: idp.ClientID, Claim: "groups", CA: p.CA(),
		Roles: map[string]string{"kms-officers": "security-officer", "kms-heads": "security-officer", "kms-audit": "auditor"},
	})
	good := p.Claims(now, "1234", "staff", "kms-officers", "kms-heads")
	unsigned := func() string {
		b, err := json.Marshal(good)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
	}
	for _, c := range []struct {
		name  string
		token string
		kind  kmip.Kind // 0: it is accepted
		role  string
	}{
		{"good", p.Token(good), 0, "security-officer"},
		{"a claim that is one text", p.Token(idp.With(good, map[string]any{"groups": "kms-audit"})), 0, "auditor"},
		{"audiences with an authorized party", p.Token(idp.With(good, map[string]any{"aud": []string{idp.ClientID, "x"}, "azp": idp.ClientID})), 0, "security-officer"},
		{"no group with a role", p.Token(idp.With(good, map[string]any{"groups": []string{"staff"}})), kmip.KindPermissionDenied, ""},
		{"no groups", p.Token(idp.With(good, map[string]any{"groups": nil})), kmip.KindPermissionDenied, ""},
		{"groups of two roles", p.Token(idp.With(good, map[string]any{"groups": []string{"kms-audit", "kms-heads"}})), kmip.KindPermissionDenied, ""},
		{"another audience", p.Token(idp.With(good, map[string]any{"aud": "x"})), kmip.KindNotAuthenticated, ""},
		{"another authorized party", p.Token(idp.With(good, map[string]any{"azp": "x"})), kmip.KindNotAuthenticated, ""},
		{"audiences without an authorized party", p.Token(idp.With(good, map[string]any{"aud": []string{idp.ClientID, "x"}})), kmip.KindNotAuthenticated, ""},
		{"another issuer", p.Token(idp.With(good, map[string]any{"iss": "https://elsewhere.example"})), kmip.KindNotAuthenticated, ""},
		{"expired", p.Token(idp.With(good, map[string]any{"exp": now.Add(-time.Hour).Unix()})), kmip.KindNotAuthenticated, ""},
		{"no subject", p.Token(idp.With(good, map[string]any{"sub": ""})), kmip.KindNotAuthenticated, ""},
		{"another key", p.ForeignToken(good), kmip.KindNotAuthenticated, ""},
		{"HMAC by the public key", p.ConfusedToken(good), kmip.KindNotAuthenticated, ""},
		{"not signed", unsigned(), kmip.KindNotAuthenticated, ""},
		{"nothing", "", kmip.KindNotAuthenticated, ""},
		{"no token", "a.b.c", kmip.KindNotAuthenticated, ""},
		{"too long", strings.Repeat("a", 20<<10), kmip.KindNotAuthenticated, ""},
	} {
		who, err := o.Verify(t.Context(), c.token)
		if c.kind == 0 && (err != nil || who.Role != c.role || who.Name != "oidc:"+p.Issuer()+"#1234") {
			t.Errorf("%s: %+v, %v", c.name, who, err)
		}
		if c.kind != 0 && (err == nil || kmip.KindOf(err) != c.kind || who.Role != "") {
			t.Errorf("%s: %+v, %v; want %s", c.name, who, err, c.kind)
		}
	}
}

// Nothing of the provider is kept: one that is away lets nobody in.
func TestAProviderThatIsAwayLetsNobodyIn(t *testing.T) {
	p := idp.New(t)
	token := p.Token(p.Claims(time.Now(), "1", "g"))
	conf := auth.OIDCConfig{Issuer: p.Issuer(), ClientID: idp.ClientID, Claim: "groups", Roles: map[string]string{"g": "auditor"}, CA: p.CA()}
	o := auth.NewOIDC(conf)
	for _, down := range []bool{false, true, false} {
		p.Down(down)
		_, err := o.Verify(t.Context(), token)
		if down != (err != nil) || down && kmip.KindOf(err) != kmip.KindUnavailable {
			t.Errorf("down %t: %v", down, err)
		}
	}
	conf.CA = nil // a certificate that nobody has signed
	if _, err := auth.NewOIDC(conf).Verify(t.Context(), token); kmip.KindOf(err) != kmip.KindUnavailable {
		t.Errorf("with a certificate that is not trusted: %v", err)
	}
}
