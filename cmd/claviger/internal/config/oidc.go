package config

import (
	"errors"
	"fmt"
	"net/url"
)

// OIDC says which identity provider knows administrators, beside those with
// certificates. There is none when no issuer is given.
type OIDC struct {
	Issuer   string            `toml:"issuer"`
	ClientID string            `toml:"client_id"`
	Audience string            `toml:"audience"` // client_id when empty
	Claim    string            `toml:"claim"`    // that holds the groups
	Roles    map[string]string `toml:"roles"`    // of groups
	CA       string            `toml:"ca"`       // file with certificates that are trusted; those of the system when empty
}

func (o OIDC) check() error {
	if o.Issuer == "" {
		if o.ClientID != "" || o.Audience != "" || len(o.Roles) > 0 || o.CA != "" {
			return errors.New("oidc.issuer is missing")
		}
		return nil
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("oidc.issuer is %q; it begins with https://", o.Issuer)
	}
	if o.ClientID == "" {
		return errors.New("oidc.client_id is missing")
	}
	if len(o.Roles) == 0 {
		return errors.New(`oidc.roles is missing: roles = { "GROUP" = "auditor" }`)
	}
	for group, role := range o.Roles {
		if role != "system" && role != "security-officer" && role != "auditor" {
			return fmt.Errorf(`oidc.roles: %q gives %q; a group gives "system", "security-officer" or "auditor"`, group, role)
		}
	}
	return nil
}
