package operation_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/policy"
	"github.com/claviger/claviger/testenv/service"
)

// governed is a server on which Destroy and Get need an approval, and somebody who
// gives it.
func governed(t *testing.T) (*server, *officer) {
	t.Helper()
	svc := service.With(t, service.Options{Decide: func(r policy.Request) policy.Decision {
		if (r.Action == "Destroy" || r.Action == "Get") && r.Context.Approvals < 1 {
			return policy.Decision{Reason: "needs approval", Approvals: 1}
		}
		return policy.NewSet(nil, nil).Decide(r)
	}})
	made, err := svc.CreateAdministrator(context.Background(), svc.Administrator(""), "ann", policy.RoleOfficer, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serverOf(t, svc)
	s, _ = s.client("array")
	return s, &officer{svc, made.Issued}
}

type officer struct {
	svc    *service.Service
	issued *pki.Issued
}

func (o *officer) scope(t *testing.T) *custody.Scope {
	t.Helper()
	p, err := o.svc.AuthenticateAdministrator(context.Background(), o.issued.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return o.svc.Begin(p, "", "admin", "127.0.0.1:3", "test")
}

// open is the only open request for approval.
func (o *officer) open(t *testing.T) custody.ApprovalRequest {
	t.Helper()
	list, err := o.svc.Approvals(context.Background(), o.scope(t), "", false)
	if err != nil || len(list) != 1 {
		t.Fatalf("open requests: %+v, %v; want one", list, err)
	}
	return list[0]
}

func (o *officer) approve(t *testing.T) {
	t.Helper()
	r := o.open(t)
	signature, err := custody.SignApproval(o.issued.Key, r.Canonical, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.svc.Approve(context.Background(), o.scope(t), r.Subject.ID, custody.GivenApproval{Certificate: o.issued.Certificate, Signature: signature}); err != nil {
		t.Fatal(err)
	}
}

func destroyItem(uid string) payload.RequestItem {
	return batch(kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uid)})
}

func eachVersion(t *testing.T, from kmip.Version, run func(t *testing.T, s *server, o *officer, v kmip.Version)) {
	for _, v := range since(from) {
		t.Run(v.String(), func(t *testing.T) {
			s, o := governed(t)
			run(t, s, o, v)
		})
	}
}

// A client that does not wait is told what to do, and its retry succeeds, once.
func TestApprovalOfClientsThatDoNotWait(t *testing.T) {
	eachVersion(t, kmip.V10, func(t *testing.T, s *server, o *officer, v kmip.Version) {
		uid := s.create(v, items(aes(name("k")))...)
		destroy := func() payload.ResponseItem { return s.submit(v, 0, destroyItem(uid))[0] }
		r := destroy()
		if r.Status != failed || r.Reason != kmip.ResultReasonPermissionDenied || !strings.Contains(r.Message, "request "+o.open(t).Subject.ID+" was made") {
			t.Fatalf("%s %s (%s)", r.Status, r.Reason, r.Message)
		}
		destroy()
		o.approve(t)
		// What was approved is this, and nothing beside it.
		if r := s.submit(v, 0, getItem(uid))[0]; r.Status != failed || r.Reason != kmip.ResultReasonPermissionDenied {
			t.Errorf("another operation: %s %s", r.Status, r.Reason)
		}
		if r := destroy(); r.Status != ok {
			t.Fatalf("approved: %s %s (%s)", r.Status, r.Reason, r.Message)
		}
		if got := s.state(uid); got != kmip.StateDestroyed {
			t.Errorf("state %s", got)
		}
	})
}

// A client that can wait gets Operation Pending, and the request is processed when it
// is approved.
func TestApprovalOfClientsThatWait(t *testing.T) {
	eachVersion(t, kmip.V10, func(t *testing.T, s *server, o *officer, v kmip.Version) {
		uid := s.create(v, items(aes())...)
		c := s.correlation(v, allowed, destroyItem(uid))
		if again := s.correlation(v, allowed, destroyItem(uid)); !bytes.Equal(again, c) {
			t.Errorf("the same request waits twice: %x, %x", c, again)
		}
		s.idle()
		if r := s.poll(v, c); r.Status != pending {
			t.Fatalf("before it is approved: %+v", r)
		}
		if v >= kmip.V21 {
			if list := s.outstanding(v, &payload.QueryAsynchronousRequestsRequest{}); len(list) != 1 || list[0].ProcessingStage != kmip.ProcessingStageSubmitted {
				t.Errorf("outstanding: %+v", list)
			}
			if r := s.process(v, c); r.Status != failed || r.Reason != kmip.ResultReasonPermissionDenied {
				t.Errorf("Process: %s %s", r.Status, r.Reason)
			}
		}
		o.approve(t)
		s.work(v, c)
		if r := s.poll(v, c); r.Status != ok || r.Operation != kmip.OperationDestroy {
			t.Fatalf("Poll: %+v", r)
		}
		if got := s.state(uid); got != kmip.StateDestroyed {
			t.Errorf("state %s", got)
		}
		if list, err := o.svc.Approvals(context.Background(), o.scope(t), "", false); err != nil || len(list) != 0 {
			t.Errorf("open requests %+v, %v", list, err)
		}
	})
}

// What is put off anyhow waits for its approval when its turn comes.
func TestApprovalOfWhatMustWait(t *testing.T) {
	eachVersion(t, kmip.V20, func(t *testing.T, s *server, o *officer, v kmip.Version) {
		uid := s.create(v, items(aes())...)
		c := s.correlation(v, demanded, getItem(uid))
		s.idle()
		if r := s.poll(v, c); r.Status != pending {
			t.Fatalf("before it is approved: %+v", r)
		}
		o.approve(t)
		s.work(v, c)
		r := s.poll(v, c)
		if r.Status != ok {
			t.Fatalf("Poll: %+v", r)
		}
		if got := r.Payload.(*payload.GetResponse); got.UniqueIdentifier != uid {
			t.Errorf("got %s, want %s", got.UniqueIdentifier, uid)
		}
	})
}

// An approver who is revoked before the request is processed does not count: it waits
// again.
func TestWaitingForAnotherApprover(t *testing.T) {
	ctx := context.Background()
	s, ann := governed(t)
	made, err := ann.svc.CreateAdministrator(ctx, ann.svc.Administrator(""), "bob", policy.RoleOfficer, nil)
	if err != nil {
		t.Fatal(err)
	}
	bob := &officer{ann.svc, made.Issued}
	uid := s.create(kmip.V21, items(aes())...)
	c := s.correlation(kmip.V21, allowed, destroyItem(uid))
	ann.approve(t)
	if err := ann.svc.RevokeAdministrator(ctx, ann.svc.Administrator(""), "ann"); err != nil {
		t.Fatal(err)
	}
	s.idle()
	if r := s.poll(kmip.V21, c); r.Status != pending {
		t.Fatalf("with a revoked approver: %+v", r)
	}
	if got := s.state(uid); got != kmip.StatePreActive {
		t.Errorf("state %s", got)
	}
	bob.approve(t)
	s.work(kmip.V21, c)
	if r := s.poll(kmip.V21, c); r.Status != ok {
		t.Errorf("with another approver: %+v", r)
	}
}

// What waits ends when its request for approval does, and the other way round.
func TestWaitingForApprovalEnds(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		end     func(t *testing.T, s *server, o *officer, c []byte)
		reason  kmip.ResultReason
		message string
		state   custody.ApprovalState
	}{
		"refused": {func(t *testing.T, _ *server, o *officer, _ []byte) {
			if err := o.svc.RefuseApproval(ctx, o.scope(t), o.open(t).Subject.ID, ""); err != nil {
				t.Fatal(err)
			}
		}, kmip.ResultReasonPermissionDenied, "was refused", custody.ApprovalRefused},
		"cancelled by an officer": {func(t *testing.T, _ *server, o *officer, _ []byte) {
			if err := o.svc.CancelApproval(ctx, o.scope(t), o.open(t).Subject.ID); err != nil {
				t.Fatal(err)
			}
		}, kmip.ResultReasonPermissionDenied, "was cancelled", custody.ApprovalCancelled},
		"expired": {func(t *testing.T, _ *server, o *officer, _ []byte) {
			o.svc.Clock.Advance(25 * time.Hour)
			if err := o.svc.EndApprovals(ctx); err != nil {
				t.Fatal(err)
			}
		}, kmip.ResultReasonPermissionDenied, "has expired", custody.ApprovalExpired},
		"cancelled by the client": {func(t *testing.T, s *server, _ *officer, c []byte) {
			r := one[payload.CancelResponse](s, kmip.V21, kmip.OperationCancel, &payload.CancelRequest{AsynchronousCorrelationValue: c})
			if r.CancellationResult != kmip.CancellationResultCanceled {
				t.Errorf("Cancel: %s", r.CancellationResult)
			}
		}, kmip.ResultReasonOperationCanceledByRequester, "cancelled", custody.ApprovalCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			s, o := governed(t)
			uid := s.create(kmip.V21, items(aes())...)
			correlation := s.correlation(kmip.V21, allowed, destroyItem(uid))
			c.end(t, s, o, correlation)
			s.idle()
			r := s.poll(kmip.V21, correlation)
			if r.Status != failed || r.Reason != c.reason || !strings.Contains(r.Message, c.message) {
				t.Errorf("Poll: %s %s (%s)", r.Status, r.Reason, r.Message)
			}
			if got := s.state(uid); got != kmip.StatePreActive {
				t.Errorf("state %s", got)
			}
			all, err := o.svc.Approvals(ctx, o.scope(t), "", true)
			if err != nil || len(all) != 1 || all[0].State != c.state {
				t.Errorf("requests %+v, %v; want one that was %s", all, err, c.state)
			}
		})
	}
}

// A request that refers to the item before it cannot be done later; nor can one of
// several that are undone together.
func TestWhatCannotWaitIsDenied(t *testing.T) {
	s, _ := governed(t)
	uid := s.create(kmip.V21, items(aes())...)
	r := s.submit(kmip.V21, allowed, createItem("z"), batch(kmip.OperationDestroy, &payload.DestroyRequest{}))
	if last := r[len(r)-1]; last.Status != failed || last.Reason != kmip.ResultReasonPermissionDenied {
		t.Errorf("by placeholder: %+v", last)
	}
	undo := s.message(&payload.Request{
		Version: kmip.V21, AsynchronousIndicator: allowed, ErrorContinuation: kmip.BatchErrorContinuationOptionUndo,
		Items: []payload.RequestItem{createItem("k"), destroyItem(uid)},
	}).Items
	if last := undo[len(undo)-1]; last.Status != failed || undo[0].Status != kmip.ResultStatusOperationUndone {
		t.Errorf("in a batch that is undone: %+v", undo)
	}
}

// idle lets the worker look at what waits.
func (s *server) idle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
	defer cancel()
	s.ops.Work(ctx)
}
