package worker

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Run is the whole of a worker: Serve over the socket that Open gave to this
// process. It ignores the signals that end a server, because a server that
// drains still needs its token; the worker ends when the server closes it or has
// ended. The caller ends the process after it, at once: calls may still hang.
func Run(ctx context.Context, open OpenFunc) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	conn, err := channel()
	if err != nil {
		return err
	}
	return Serve(ctx, conn, open)
}
