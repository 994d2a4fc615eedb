package main

import (
	"crypto/fips140"
	"errors"

	"github.com/claviger/claviger/admin/api"
	"github.com/claviger/claviger/cmd/claviger/internal/config"
)

// checkFIPS refuses to start outside of FIPS 140-3 mode where it is required.
func checkFIPS(conf config.FIPS) error {
	if conf.Required && !fips140.Enabled() {
		return errors.New("fips.required is set, and the FIPS 140-3 mode of this process is off; build with `make build-fips`, or start with GODEBUG=fips140=on")
	}
	return nil
}

func fipsStatus(conf config.FIPS) api.FIPS {
	return api.FIPS{Active: fips140.Enabled(), Enforced: fips140.Enforced(), Required: conf.Required, Module: fips140.Version()}
}

func fipsText(f api.FIPS) string {
	text := "inactive"
	if f.Active {
		text = "active"
	}
	if f.Enforced {
		text += ", enforced"
	}
	if f.Required {
		text += ", required"
	}
	return text + ", module version " + f.Module
}
