package main

import (
	"fmt"
	"time"

	"github.com/claviger/claviger/admin/api"
)

// nextExpiry is, of each kind of certificate, the end of the next one.
func (c *core) nextExpiry() map[string]time.Time {
	next := map[string]time.Time{}
	for _, e := range c.custody.ExpiringCertificates() {
		if _, ok := next[e.Kind]; !ok { // soonest first
			next[e.Kind] = e.NotAfter
		}
	}
	return next
}

// maxListed is how many certificates a status lists.
const maxListed = 10

// expiring lists the certificates that expire next.
func (c *core) expiring() []api.Expiring {
	list := []api.Expiring{}
	for _, e := range c.custody.ExpiringCertificates() {
		if len(list) == maxListed {
			break
		}
		list = append(list, api.Expiring{Kind: e.Kind, Domain: e.Domain, Name: e.Name, NotAfter: e.NotAfter})
	}
	return list
}

// soonNotice is how long before its end a certificate is marked.
const soonNotice = 30 * 24 * time.Hour

// expiryRow says which certificate expires next, and how many do so soon.
func expiryRow(list []api.Expiring, now time.Time) []string {
	if len(list) == 0 {
		return nil
	}
	e := list[0]
	name := e.Name
	if e.Domain != "" {
		name = e.Domain + "/" + name
	}
	verb := "expires"
	if !now.Before(e.NotAfter) {
		verb = "EXPIRED"
	}
	text := fmt.Sprintf("%s %s %s %s", e.Kind, name, verb, stamp(e.NotAfter))
	soon := 0
	for _, e := range list {
		if e.NotAfter.Before(now.Add(soonNotice)) {
			soon++
		}
	}
	if soon > 0 {
		text += fmt.Sprintf("; %d within 30 days", soon)
	}
	return []string{"next certificate", text}
}
