// Package worker runs a token in a process of its own, so that foreign code in
// it, a PKCS#11 module, can hang or crash without the server. It knows nothing
// of PKCS#11: what the worker opens is the caller's choice.
//
// In the server, Open starts the worker and gives an hsm.Token whose calls go
// to it over one socket, many at once. In the worker, Serve (by Run) opens the
// token and answers. The worker is the same program, started with another
// command.
//
// Three things can happen to a worker.
//
//   - It ends: a crash in the module. What was under way is repeated once on the
//     next worker, within its deadline, if repeating is safe; what makes or
//     destroys something is not repeated and answers that nobody knows.
//   - It hangs: a call is not answered by its timeout. Its caller is answered in
//     time, the others get a short grace, the worker is killed, and the next one
//     started. A caller that gives up is no reason.
//   - The token refuses the PIN: then there is no next worker until Retry, because
//     every start is a login and every login brings the PIN nearer to being locked.
//     A worker that ends or hangs while it logs in may have spent an attempt as
//     well: after three of them there is no next one either.
//
// Starts are at once after a worker that lived, else with a back-off from 50 ms
// to 2 s, during which calls fail at once with hsm.ErrUnavailable.
//
// The PIN is asked from the server for each login and crosses the socket; it is
// in no argument and no environment. Frames are overwritten once they are used.
// What cannot be overwritten: the copies in the kernel's socket buffers.
//
// What a module prints does not reach the socket: standard output and standard
// error go to the log, in bounded lines and numbers.
package worker
