package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
)

// statusOf gives a kind of failure its HTTP status. What administrators cannot
// cause, because no route leads there, is the server's fault: 500.
func statusOf(k kmip.Kind) int {
	switch k {
	case kmip.KindNotAuthenticated:
		return http.StatusUnauthorized
	case kmip.KindPermissionDenied:
		return http.StatusForbidden
	case kmip.KindObjectNotFound, kmip.KindAttributeNotFound:
		return http.StatusNotFound
	case kmip.KindObjectExists, kmip.KindNameNotUnique, kmip.KindWrongState, kmip.KindNoTransition,
		kmip.KindObjectDestroyed, kmip.KindObjectArchived:
		return http.StatusConflict
	case kmip.KindInvalidField, kmip.KindMissingField, kmip.KindInvalidMessage, kmip.KindAttributeValue,
		kmip.KindUnknownEnumeration, kmip.KindTooMany:
		return http.StatusBadRequest
	case kmip.KindUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// NeedsApproval is the type of problem of what is refused until it is approved; its
// instance is the request for approval.
const NeedsApproval = "urn:claviger:needs-approval"

// problem turns an error of custody into one of HTTP (RFC 9457). The message of
// a failure is for its caller; its cause, and every other error, is not, and is
// in the log.
func (a *api) problem(ctx context.Context, err error) error {
	kind := kmip.KindOf(err)
	p := &huma.ErrorModel{
		Type: "urn:claviger:" + strings.ReplaceAll(kind.String(), " ", "-"), Status: statusOf(kind),
		Detail: "the server could not complete the request; its log tells more",
	}
	p.Title = http.StatusText(p.Status)
	if id, ok := custody.NeedsApproval(err); ok {
		p.Type, p.Instance = NeedsApproval, "/api/v1/approvals/"+id
	}
	var f *kmip.Failure
	if p.Status != http.StatusInternalServerError && errors.As(err, &f) {
		p.Detail = f.Message
	} else {
		a.Log.ErrorContext(ctx, "administrative request failed", "error", err)
	}
	return p
}

// deny answers a request that authentication refused.
func (a *api) deny(w http.ResponseWriter, r *http.Request, err error) {
	var p *huma.ErrorModel
	if !errors.As(a.problem(r.Context(), err), &p) {
		p = &huma.ErrorModel{Status: http.StatusInternalServerError}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
