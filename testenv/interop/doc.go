// Package interop holds tests of a whole server, in a process of its own: with
// clients that others wrote, against hostile bytes, through crashes, and for
// key material where none may be.
package interop
