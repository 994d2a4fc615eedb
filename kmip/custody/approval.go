package custody

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/store"
)

// Requests for approval are records of the system domain, sealed like all
// records. One that is open is found by its identifier, and by the question that
// it asks: nobody makes a second one meanwhile.
const (
	recordApproval      = "approval"       // open; the key is its identifier
	recordApprovalAsked = "approval.asked" // identifier of the open one; the key is a MAC of the question
	recordApprovalEnded = "approval.ended" // used, refused, cancelled or expired
)

// ApprovalState is how a request for approval is.
type ApprovalState string

// The states of requests for approval. An open one that has its approvals is
// used by the next attempt at what was asked, once.
const (
	ApprovalOpen      ApprovalState = "open"
	ApprovalUsed      ApprovalState = "used"
	ApprovalRefused   ApprovalState = "refused"
	ApprovalCancelled ApprovalState = "cancelled"
	ApprovalExpired   ApprovalState = "expired"
)

// Bounds of requests for approval.
const (
	maxApprovalsOfPrincipal = 16 // open, of one principal
	maxApprovalsOfDomain    = 128
	maxApprovals            = 1000 // open, of the installation
	maxApprovers            = 32   // of one request
	approvalKept            = 30 * 24 * time.Hour
	maxShownBytes           = 16 << 10
)

// ApprovalSubject is what is to be approved. Its canonical form is the JSON of
// this struct as the server wrote it; approvers sign exactly those bytes.
type ApprovalSubject struct {
	ID          string `json:"id"`
	Actor       string `json:"actor"` // who asks: "client:demo"
	Role        string `json:"role,omitempty"`
	Beside      string `json:"beside,omitempty"` // the client through which a user asks
	Fingerprint string `json:"fingerprint,omitempty"`
	Source      string `json:"source,omitempty"`
	Door        string `json:"door"`
	Domain      string `json:"domain,omitempty"`
	Action      string `json:"action"`
	UID         string `json:"uid,omitempty"`
	// Object is what it is about; nil when that is no object, or none that is there.
	Object *ApprovalObject `json:"object,omitempty"`
	// Asked is what is asked, as far as it can be shown; it never holds a secret.
	Asked string `json:"asked,omitempty"`
	// Arguments is a MAC of everything that is asked, word by word, under a key of the
	// installation: what is done is what was approved.
	Arguments string    `json:"arguments"`
	Reason    string    `json:"reason,omitempty"` // as whoever asks gives it
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
}

// ApprovalObject tells approvers what an object is like.
type ApprovalObject struct {
	Names     []string  `json:"names,omitempty"`
	Type      string    `json:"type"`
	State     string    `json:"state,omitempty"`
	Algorithm string    `json:"algorithm,omitempty"`
	Bits      int32     `json:"bits,omitempty"`
	Creator   string    `json:"creator,omitempty"`
	Created   time.Time `json:"created,omitzero"`
	LastUsed  time.Time `json:"last_used,omitzero"`
}

// Approval is one that was given. Who has Subject in its canonical form can verify
// it by VerifyApproval, without the server.
type Approval struct {
	Approver    string    `json:"approver"` // name of the administrator
	Role        string    `json:"role"`
	Source      string    `json:"source,omitempty"`
	Certificate []byte    `json:"certificate"` // DER
	Signature   []byte    `json:"signature"`
	Comment     string    `json:"comment,omitempty"` // signed too
	Given       time.Time `json:"given"`
	// Counts is whether it counts now: not when its approver is revoked, or may no
	// longer approve.
	Counts bool `json:"-"`
}

// ApprovalRequest is a request for approval.
type ApprovalRequest struct {
	Subject ApprovalSubject
	// Canonical are the bytes that are signed.
	Canonical []byte
	State     ApprovalState
	Needed    int
	// OtherRole tells that one approval must be by an administrator of another role
	// than that of whoever asks.
	OtherRole bool
	Approvals []Approval
	Ended     time.Time // zero while it is open
	EndedBy   string
	Note      string // of whoever ended it
}

// Approved reports whether the request has what it needs.
func (r *ApprovalRequest) Approved() bool {
	n, other := 0, false
	for _, a := range r.Approvals {
		if a.Counts {
			n++
			other = other || a.Role != r.Subject.Role
		}
	}
	return n >= r.Needed && (other || !r.OtherRole)
}

// storedApproval is the form that records keep.
type storedApproval struct {
	Canonical []byte          `json:"canonical"`
	Principal Principal       `json:"principal"`
	Resource  policy.Resource `json:"resource"`
	Question  string          `json:"question"` // key of the record that finds it
	Needed    int             `json:"needed"`
	OtherRole bool            `json:"other_role,omitempty"`
	Approvals []Approval      `json:"approvals,omitempty"`
	State     ApprovalState   `json:"state"`
	Ended     time.Time       `json:"ended,omitzero"`
	EndedBy   string          `json:"ended_by,omitempty"`
	Note      string          `json:"note,omitempty"`
	Waiting   []string        `json:"waiting,omitempty"` // keys of asynchronous requests

	subject ApprovalSubject
}

// Arguments is what a caller asks, word by word, as the door says it. It is only
// called when an approval is needed.
type Arguments interface {
	// Canonical is the same for the same question, and different for every other. It
	// may be secret; it is not kept, and overwritten after use.
	Canonical() []byte
	// Shown is what of it approvers may read; no secret.
	Shown() string
	// Reason is why, in the words of the caller.
	Reason() string
}

// About says what the caller asks. Without it nothing that needs approval can be
// done in the scope.
func (sc *Scope) About(a Arguments) { sc.about = a }

// approvalTable is what a node remembers of approvals.
type approvalTable struct {
	life time.Duration // how long a request is open

	mu  sync.Mutex
	key *secret.Bytes // of questions; nil until it is read; guarded by mu
}

// settingApprovalKey is the key of the MACs by which questions are found: their
// arguments may be secrets that could be guessed.
const settingApprovalKey = "approval.key"

const approvalKeyBytes = 32

func (s *Service) approvalKey(ctx context.Context) (*secret.Bytes, error) {
	s.approvals.mu.Lock()
	defer s.approvals.mu.Unlock()
	if s.approvals.key != nil {
		return s.approvals.key, nil
	}
	key, err := s.openSetting(ctx, settingApprovalKey)
	if errors.Is(err, store.ErrNotFound) {
		fresh := make([]byte, approvalKeyBytes)
		_, _ = rand.Read(fresh) // never fails
		sealed, serr := s.sealSetting(ctx, settingApprovalKey, secret.New(fresh))
		if serr != nil {
			return nil, serr
		}
		err = s.store.Commit(ctx, store.Change{AddSettings: []store.Setting{{Name: settingApprovalKey, Value: sealed}}})
		if err != nil && !errors.Is(err, store.ErrExists) { // another node may have been faster
			return nil, err
		}
		key, err = s.openSetting(ctx, settingApprovalKey)
	}
	if err != nil {
		return nil, err
	}
	s.approvals.key = key
	return key, nil
}

// question is what somebody asks, by MACs.
type question struct{ key, arguments string }

// question tells apart: domain, who asks through whom, action, object, arguments.
func (s *Service) question(ctx context.Context, sc *Scope, action, uid string) (question, error) {
	key, err := s.approvalKey(ctx)
	if err != nil {
		return question{}, err
	}
	mac := func(label string, b []byte) string {
		h := hmac.New(sha256.New, key.Reveal())
		h.Write([]byte("claviger approval " + label + "\x00"))
		h.Write(b)
		return hex.EncodeToString(h.Sum(nil))
	}
	canonical := sc.about.Canonical()
	q := question{arguments: mac("arguments", canonical)}
	clear(canonical)
	p, beside := sc.Principal.Principal, policy.Principal{}
	if sc.Principal.Beside != nil {
		beside = *sc.Principal.Beside
	}
	text, err := json.Marshal([]string{
		sc.Domain, p.Kind, p.Domain, p.Name, beside.Kind, beside.Domain, beside.Name, action, uid, q.arguments,
	})
	q.key = mac("question", text)
	return q, err
}

// approvalNeed is the cause of a denial that approvals would lift.
type approvalNeed struct {
	question
	action    string
	resource  policy.Resource
	needed    int
	otherRole bool
	id        string // of the request; empty until there is one
}

func (n *approvalNeed) Error() string { return n.action + " needs approval" }

// NeedsApproval tells the request for approval that a failure waits for.
func NeedsApproval(err error) (id string, ok bool) {
	var n *approvalNeed
	if !errors.As(err, &n) || n.id == "" {
		return "", false
	}
	return n.id, true
}

// unapprovable are the actions that nothing approves: the approvals themselves.
var unapprovable = map[string]bool{
	policy.ActionApprovalList: true, policy.ActionApprovalGive: true, policy.ActionApprovalVouch: true,
}

// alone are the actions that no one role does by itself, whatever policy says: what
// makes administrators, and what lets somebody else come as a client that may do
// something.
var alone = map[string]bool{policy.ActionAdminCreate: true, policy.ActionBreakGlass: true, policy.ActionClientAccess: true}

// needsOtherRole is how many approvals an action needs whatever policy says. Whoever has
// all roles, and a break-glass administrator behind whom there are custodians, is not
// asked.
func needsOtherRole(sc *Scope, action string) int {
	p := sc.Principal
	if alone[action] && p.Kind == policy.KindAdministrator && p.Role != policy.RoleAdministrator {
		return 1
	}
	return 0
}

// approved looks whether a request has the approvals that it needs.
func (s *Service) approved(ctx context.Context, sc *Scope, action string, r policy.Resource, needed int) error {
	denied := kmip.Fail(kmip.KindPermissionDenied, "%s is not permitted without approval (%d)", action, needed)
	if !sc.spending || sc.about == nil || unapprovable[action] || sc.Principal.Kind == policy.KindSystem {
		return denied
	}
	q, err := s.question(ctx, sc, action, r.UID)
	if err != nil {
		return err
	}
	n := &approvalNeed{question: q, action: action, resource: r, needed: needed, otherRole: needsOtherRole(sc, action) > 0}
	need := kmip.FailFrom(n, kmip.KindPermissionDenied, action+" needs approval")
	record, p, asked, err := s.approvalAsked(ctx, q.key)
	if errors.Is(err, store.ErrNotFound) {
		return need
	}
	if err != nil {
		return err
	}
	if sc.spends(record) {
		return kmip.Fail(kmip.KindPermissionDenied, "the approval is used by another item of the batch")
	}
	p.Needed, p.OtherRole = needed, n.otherRole
	v, err := s.viewApproval(ctx, p)
	if err != nil {
		return err
	}
	if s.approvalOver(p) || !v.Approved() {
		return need
	}
	var by []string
	for _, a := range v.Approvals {
		if a.Counts {
			by = append(by, a.Approver)
		}
	}
	still, err := s.ask(ctx, sc, action, r, len(by))
	if err != nil {
		return err
	}
	if still > 0 {
		n.needed = still
		return need
	}
	sc.used = append(sc.used, usedApproval{record, asked, p, by, r.UID})
	return nil
}

// usedApproval is a request for approval that a use case spends.
type usedApproval struct {
	record, asked store.Record
	stored        storedApproval
	by            []string
	uid           string // of the object that it is about
}

// given is how many have approved what the use case does with an object. Asked in these
// words, it is approved with all that it amounts to.
func (sc *Scope) given(uid string) int {
	most := 0
	for _, u := range sc.used {
		if u.uid == uid && uid != "" {
			most = max(most, len(u.by))
		}
	}
	return most
}

// spends reports whether the scope has planned already to spend a request.
func (sc *Scope) spends(r store.Record) bool {
	for _, u := range sc.used {
		if u.record.Key == r.Key {
			return true
		}
	}
	if sc.undo == nil {
		return false
	}
	for _, d := range sc.undo.change.DeleteRecords {
		if d.Kind == r.Kind && d.Key == r.Key && d.Domain == r.Domain {
			return true
		}
	}
	return false
}
