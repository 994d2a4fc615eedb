package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

func reProvision(ctx context.Context, c *call, r *payload.ReProvisionRequest) (*payload.ReProvisionResponse, error) {
	var requestType kmip.CertificateRequestType
	var request, certificate []byte
	if r.CertificateRequest != nil {
		t, _ := r.CertificateRequest.Field(kmip.TagCertificateRequestType)
		v, _ := r.CertificateRequest.Field(kmip.TagCertificateRequestValue)
		requestType, request = kmip.CertificateRequestType(t.Uint32()), present(v.Bytes)
	}
	if r.Certificate != nil {
		v, _ := r.Certificate.Field(kmip.TagCertificateValue)
		certificate = present(v.Bytes)
	}
	if request != nil && certificate != nil {
		return nil, refused(ctx, c, kmip.OperationReProvision, kmip.Fail(kmip.KindInvalidField, "a certificate request and a certificate exclude each other"))
	}
	uid, err := c.server.Custody.ReProvision(ctx, c.scope, requestType, request, certificate)
	if err != nil {
		return nil, err
	}
	return &payload.ReProvisionResponse{UniqueIdentifier: uid}, nil
}
