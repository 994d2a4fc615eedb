package store

import "github.com/claviger/claviger/store/audit"

// Options are common to the backends.
type Options struct {
	// Node identifies this process in audit entries. It must be new at every
	// start (a UUID), because counting starts at 1.
	Node string
	// Sign sets the MAC of an entry whose Node and Counter have been filled in.
	// Called in the order of commits by one goroutine; nil leaves MAC empty.
	// An error fails the commit.
	Sign func(*audit.Entry) error
}
