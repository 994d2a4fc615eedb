package api

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/claviger/claviger/admin/auth"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/custody/pki"
)

// Approval is a request for approval, with all that is needed to verify its
// approvals without the server: each signature is by the key of the certificate,
// over SHA-256 of "claviger approval 1", a zero byte, the length of canonical in 8
// bytes, canonical, and the comment.
type Approval struct {
	ID        string                  `json:"id"`
	State     string                  `json:"state" enum:"open,used,refused,cancelled,expired"`
	Approved  bool                    `json:"approved" doc:"it has what it needs"`
	Needed    int                     `json:"needed" doc:"number of approvals"`
	OtherRole bool                    `json:"other_role,omitempty" doc:"one must be by an administrator of another role"`
	Subject   custody.ApprovalSubject `json:"subject" doc:"canonical, decoded"`
	Canonical []byte                  `json:"canonical" doc:"what is signed"`
	Approvals []GivenApproval         `json:"approvals"`
	Ended     *time.Time              `json:"ended,omitempty"`
	EndedBy   string                  `json:"ended_by,omitempty"`
	Note      string                  `json:"note,omitempty" doc:"of whoever ended it"`
}

// GivenApproval is an approval that was given.
type GivenApproval struct {
	Approver    string    `json:"approver"`
	Role        string    `json:"role"`
	Certificate string    `json:"certificate" doc:"PEM"`
	Signature   []byte    `json:"signature"`
	Comment     string    `json:"comment,omitempty"`
	Given       time.Time `json:"given"`
	Counts      bool      `json:"counts" doc:"false when its approver is revoked, or may no longer approve it"`
}

// Approvals is a list of requests for approval.
type Approvals struct {
	Approvals []Approval `json:"approvals"`
}

func approvalOf(r custody.ApprovalRequest) Approval {
	a := Approval{
		ID: r.Subject.ID, State: string(r.State), Approved: r.Approved(), Needed: r.Needed, OtherRole: r.OtherRole, Subject: r.Subject,
		Canonical: r.Canonical, Approvals: []GivenApproval{}, Ended: date(r.Ended), EndedBy: r.EndedBy, Note: r.Note,
	}
	for _, g := range r.Approvals {
		given := GivenApproval{Approver: g.Approver, Role: g.Role, Signature: g.Signature, Comment: g.Comment, Given: g.Given, Counts: g.Counts}
		if cert, err := x509.ParseCertificate(g.Certificate); err == nil {
			given.Certificate = string(pki.CertificatePEM(cert))
		}
		a.Approvals = append(a.Approvals, given)
	}
	return a
}

type approvalsInput struct {
	Domain string `query:"domain" maxLength:"63" doc:"all when empty"`
	State  string `query:"state" enum:"open,all" default:"open"`
}

func (a *api) approvals(ctx context.Context, in *approvalsInput) (*body[Approvals], error) {
	list, err := a.Custody.Approvals(ctx, a.scope(ctx, ""), in.Domain, in.State == "all")
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &body[Approvals]{Approvals{make([]Approval, 0, len(list))}}
	for _, r := range list {
		out.Body.Approvals = append(out.Body.Approvals, approvalOf(r))
	}
	return out, nil
}

// ApprovalPath names a request for approval.
type ApprovalPath struct {
	ID string `path:"id" maxLength:"32"`
}

func (a *api) approval(ctx context.Context, in *ApprovalPath) (*body[Approval], error) {
	r, err := a.Custody.Approval(ctx, a.scope(ctx, ""), in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Approval]{approvalOf(r)}, nil
}

// NewApproval is an approval to be given.
type NewApproval struct {
	Signature []byte `json:"signature" maxLength:"4096"`
	Comment   string `json:"comment,omitempty" maxLength:"1024"`
}

type approveInput struct {
	ApprovalPath
	Body NewApproval
}

func (a *api) approve(ctx context.Context, in *approveInput) (*body[Approval], error) {
	c, _ := auth.From(ctx)
	r, err := a.Custody.Approve(ctx, a.scope(ctx, ""), in.ID, custody.GivenApproval{
		Certificate: c.Certificate, Signature: in.Body.Signature, Comment: in.Body.Comment,
	})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &body[Approval]{approvalOf(r)}, nil
}

type refuseInput struct {
	ApprovalPath
	Body struct {
		Comment string `json:"comment,omitempty" maxLength:"1024"`
	}
}

func (a *api) refuseApproval(ctx context.Context, in *refuseInput) (*struct{}, error) {
	if err := a.Custody.RefuseApproval(ctx, a.scope(ctx, ""), in.ID, in.Body.Comment); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}

func (a *api) cancelApproval(ctx context.Context, in *ApprovalPath) (*struct{}, error) {
	if err := a.Custody.CancelApproval(ctx, a.scope(ctx, ""), in.ID); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil //nolint:nilnil // 204: there is nothing to say
}
