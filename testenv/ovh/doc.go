// Package ovh tests a server with the KMIP client of OVHcloud
// (github.com/ovh/kmip-go), which we did not write. It is a module of its own,
// so that Claviger does not depend on that client; TestOVH of testenv/interop
// starts the servers and runs it.
package ovh
