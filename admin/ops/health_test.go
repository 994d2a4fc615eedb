package ops

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"well is 200":                       {nil, http.StatusOK},
		"unwell is 503 without any details": {errors.New("database at 192.0.2.1 is gone"), http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Health(func(context.Context) error { return c.err }, slog.New(slog.DiscardHandler)).
				ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil))
			if w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
			if strings.Contains(w.Body.String(), "192.0.2.1") {
				t.Errorf("the body tells details: %s", w.Body)
			}
		})
	}
}
