// Package ops is what operators' machines ask a node: whether it is well. What
// people ask is the business of package api.
package ops

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// healthDeadline bounds a check, so that a hanging database is an answer too.
const healthDeadline = 5 * time.Second

// Health answers 200 when check finds nothing wrong, else 503. It asks for no
// authentication and therefore tells nothing more; the log does.
func Health(check func(context.Context) error, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthDeadline)
		defer cancel()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if err := check(ctx); err != nil {
			log.WarnContext(ctx, "not healthy", "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("unhealthy\n"))
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}
