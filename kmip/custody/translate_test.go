package custody

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/claviger/claviger/hsm/seal"
	"github.com/claviger/claviger/kmip"
)

func TestAnExhaustedDomainKeyTellsWhatToDo(t *testing.T) {
	s := &Service{log: slog.New(slog.DiscardHandler)}
	err := s.translate(t.Context(), fmt.Errorf("domain %q, generation 1: %w", "d", seal.ErrExhausted))
	var f *kmip.Failure
	if !errors.As(err, &f) || f.Kind != kmip.KindUnavailable || !strings.Contains(f.Message, "claviger domain rotate-key") {
		t.Errorf("translate = %v, want a failure of kind unavailable that names the command", err)
	}
}
