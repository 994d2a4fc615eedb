package ops

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/claviger/claviger/kmip/secret"
)

// SealState tells whether a node can use its keys, and what it waits for.
type SealState struct {
	Sealed bool `json:"sealed"`
	// Reason is why it is sealed; for the log, and for who unseals.
	Reason string `json:"reason,omitempty"`
	Wants  []Want `json:"wants,omitempty"`
}

// Want is a secret that the node waits for.
type Want struct {
	Token  string `json:"token"`
	What   string `json:"what"`
	Needed int    `json:"needed"`
	Given  int    `json:"given"`
}

// Gate is the sealed node.
type Gate interface {
	SealState(ctx context.Context) SealState
	// Unseal takes a secret for the named token, for the only one that waits when
	// token is empty; no value means to try again. The value is the gate's to
	// destroy.
	Unseal(ctx context.Context, token string, value *secret.Bytes) (SealState, error)
}

// ErrNotWanted is wrapped by Gate.Unseal when nothing waits for such a value.
var ErrNotWanted = errors.New("nothing waits for it")

const (
	maxUnsealBody  = 16 << 10
	unsealPause    = time.Second // between attempts, against guessing
	unsealDeadline = 60 * time.Second
	unsealPath     = "/api/v1/unseal"
)

// Sealed is what a sealed node serves: its health, which is bad, to everybody, and
// the way to unseal it to those whom require lets through: each attempt may bring
// a PIN nearer to being locked.
func Sealed(g Gate, require func(http.Handler) http.Handler) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("sealed\n"))
	})
	routes.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusServiceUnavailable, problem{http.StatusServiceUnavailable, "the server is sealed; claviger unseal --status tells what it waits for"})
	})
	Unseal(routes, g, require)
	return routes
}

// Unseal adds the routes of unsealing, for those whom require lets through.
// Attempts come one after the other.
func Unseal(routes *http.ServeMux, g Gate, require func(http.Handler) http.Handler) {
	handle := func(pattern string, h http.HandlerFunc) { routes.Handle(pattern, require(h)) }
	handle("GET "+unsealPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, g.SealState(r.Context()))
	})
	one := make(chan struct{}, 1)
	handle("POST "+unsealPath, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Token string `json:"token"`
			Value string `json:"value"`
		}
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxUnsealBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			answer(w, http.StatusBadRequest, problem{http.StatusBadRequest, "the body is JSON with token and value"})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), unsealDeadline)
		defer cancel()
		select {
		case one <- struct{}{}:
			defer func() { time.Sleep(unsealPause); <-one }()
		case <-ctx.Done():
			answer(w, http.StatusServiceUnavailable, problem{http.StatusServiceUnavailable, "others unseal; try again"})
			return
		}
		value := secret.New([]byte(in.Value))
		in.Value = ""
		state, err := g.Unseal(ctx, in.Token, value)
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, problem{http.StatusUnprocessableEntity, err.Error()})
			return
		}
		answer(w, http.StatusOK, state)
	})
}

// problem is the form of errors that the administrative interface has (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func answer(w http.ResponseWriter, status int, v any) {
	kind := "application/json"
	if _, ok := v.(problem); ok {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
