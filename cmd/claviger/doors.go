package main

import (
	"net/http"

	"github.com/claviger/claviger/kmip/server"
)

// handler is what the HTTPS door serves.
func (c *core) handler(_ *server.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		if c.store.Ping(r.Context()) != nil || c.ring.Check(r.Context()) != nil {
			http.Error(w, "unhealthy", http.StatusServiceUnavailable)
		}
	})
	return mux
}
