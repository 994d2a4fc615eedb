// Package payload holds the canonical requests and responses: one file for
// each operation, one struct for each direction, holding whatever any version
// of the protocol can say. Package dialect fills and writes them; it knows
// which fields a version has. A field is named like its tag; a zero value, nil
// or empty slice means that it is not there, and where zero has a meaning of
// its own the field is a pointer.
//
// Byte slices of a request alias the message: they are good until the
// response has been made.
package payload

import "github.com/claviger/claviger/kmip"

// Template are attributes for an object to be made, with the names of
// templates that KMIP 1.x allows beside them (1.4 §2.1.8).
type Template struct {
	Templates  []kmip.NameValue
	Attributes kmip.Attributes
}

// AttributeList is a list of attributes: repeated Attribute fields in KMIP
// 1.x, one Attributes structure from 2.0.
type AttributeList struct {
	Attributes kmip.Attributes
}

// Instance is one attribute of an attribute operation. Index is the Attribute
// Index that a KMIP 1.x client gave, nil when it gave none.
type Instance struct {
	kmip.Attribute
	Index *int32
}

// Data is what a cryptographic operation works on (§7.9): bytes, or from KMIP 2.0
// the result of an earlier item of the batch, by its operation or its place.
type Data struct {
	Bytes []byte
	From  *kmip.Item
}

// ObjectMasks are Protection Storage Masks, in order of preference (§7.32).
type ObjectMasks struct {
	ProtectionStorageMask []int32
}

// entry makes empty payloads of an operation.
type entry struct {
	request, response func() any
}

// table lists the operations whose payloads are known.
var table = map[kmip.Operation]entry{
	kmip.OperationCreate:                    of[CreateRequest, CreateResponse](),
	kmip.OperationCreateKeyPair:             of[CreateKeyPairRequest, CreateKeyPairResponse](),
	kmip.OperationRegister:                  of[RegisterRequest, RegisterResponse](),
	kmip.OperationReKey:                     of[ReKeyRequest, ReKeyResponse](),
	kmip.OperationLocate:                    of[LocateRequest, LocateResponse](),
	kmip.OperationCheck:                     of[CheckRequest, CheckResponse](),
	kmip.OperationGet:                       of[GetRequest, GetResponse](),
	kmip.OperationGetAttributes:             of[GetAttributesRequest, GetAttributesResponse](),
	kmip.OperationGetAttributeList:          of[GetAttributeListRequest, GetAttributeListResponse](),
	kmip.OperationAddAttribute:              of[AddAttributeRequest, AddAttributeResponse](),
	kmip.OperationModifyAttribute:           of[ModifyAttributeRequest, ModifyAttributeResponse](),
	kmip.OperationSetAttribute:              of[SetAttributeRequest, SetAttributeResponse](),
	kmip.OperationDeleteAttribute:           of[DeleteAttributeRequest, DeleteAttributeResponse](),
	kmip.OperationActivate:                  of[ActivateRequest, ActivateResponse](),
	kmip.OperationRevoke:                    of[RevokeRequest, RevokeResponse](),
	kmip.OperationDestroy:                   of[DestroyRequest, DestroyResponse](),
	kmip.OperationQuery:                     of[QueryRequest, QueryResponse](),
	kmip.OperationDiscoverVersions:          of[DiscoverVersionsRequest, DiscoverVersionsResponse](),
	kmip.OperationEncrypt:                   of[EncryptRequest, EncryptResponse](),
	kmip.OperationDecrypt:                   of[DecryptRequest, DecryptResponse](),
	kmip.OperationSign:                      of[SignRequest, SignResponse](),
	kmip.OperationSignatureVerify:           of[SignatureVerifyRequest, SignatureVerifyResponse](),
	kmip.OperationMAC:                       of[MACRequest, MACResponse](),
	kmip.OperationMACVerify:                 of[MACVerifyRequest, MACVerifyResponse](),
	kmip.OperationHash:                      of[HashRequest, HashResponse](),
	kmip.OperationRNGRetrieve:               of[RNGRetrieveRequest, RNGRetrieveResponse](),
	kmip.OperationRNGSeed:                   of[RNGSeedRequest, RNGSeedResponse](),
	kmip.OperationLog:                       of[LogRequest, LogResponse](),
	kmip.OperationPing:                      of[PingRequest, PingResponse](),
	kmip.OperationArchive:                   of[ArchiveRequest, ArchiveResponse](),
	kmip.OperationRecover:                   of[RecoverRequest, RecoverResponse](),
	kmip.OperationObliterate:                of[ObliterateRequest, ObliterateResponse](),
	kmip.OperationObtainLease:               of[ObtainLeaseRequest, ObtainLeaseResponse](),
	kmip.OperationGetUsageAllocation:        of[GetUsageAllocationRequest, GetUsageAllocationResponse](),
	kmip.OperationAdjustAttribute:           of[AdjustAttributeRequest, AdjustAttributeResponse](),
	kmip.OperationReKeyKeyPair:              of[ReKeyKeyPairRequest, ReKeyKeyPairResponse](),
	kmip.OperationInterop:                   of[InteropRequest, InteropResponse](),
	kmip.OperationDeriveKey:                 of[DeriveKeyRequest, DeriveKeyResponse](),
	kmip.OperationCertify:                   of[CertifyRequest, CertifyResponse](),
	kmip.OperationReCertify:                 of[ReCertifyRequest, ReCertifyResponse](),
	kmip.OperationValidate:                  of[ValidateRequest, ValidateResponse](),
	kmip.OperationCreateSplitKey:            of[CreateSplitKeyRequest, CreateSplitKeyResponse](),
	kmip.OperationJoinSplitKey:              of[JoinSplitKeyRequest, JoinSplitKeyResponse](),
	kmip.OperationExport:                    of[ExportRequest, ExportResponse](),
	kmip.OperationImport:                    of[ImportRequest, ImportResponse](),
	kmip.OperationLogin:                     of[LoginRequest, LoginResponse](),
	kmip.OperationLogout:                    of[LogoutRequest, LogoutResponse](),
	kmip.OperationDelegatedLogin:            of[DelegatedLoginRequest, DelegatedLoginResponse](),
	kmip.OperationSetEndpointRole:           of[SetEndpointRoleRequest, SetEndpointRoleResponse](),
	kmip.OperationPKCS11:                    of[PKCS11Request, PKCS11Response](),
	kmip.OperationReProvision:               of[ReProvisionRequest, ReProvisionResponse](),
	kmip.OperationSetDefaults:               of[SetDefaultsRequest, SetDefaultsResponse](),
	kmip.OperationSetConstraints:            of[SetConstraintsRequest, SetConstraintsResponse](),
	kmip.OperationGetConstraints:            of[GetConstraintsRequest, GetConstraintsResponse](),
	kmip.OperationPoll:                      of[PollRequest, PollResponse](),
	kmip.OperationCancel:                    of[CancelRequest, CancelResponse](),
	kmip.OperationProcess:                   of[ProcessRequest, ProcessResponse](),
	kmip.OperationQueryAsynchronousRequests: of[QueryAsynchronousRequestsRequest, QueryAsynchronousRequestsResponse](),
	kmip.OperationDeactivate:                of[DeactivateRequest, DeactivateResponse](),
	kmip.OperationCreateUser:                of[CreateUserRequest, CreateUserResponse](),
	kmip.OperationCreateGroup:               of[CreateGroupRequest, CreateGroupResponse](),
	kmip.OperationCreateCredential:          of[CreateCredentialRequest, CreateCredentialResponse](),
	kmip.OperationNotify:                    of[NotifyRequest, NotifyResponse](),
	kmip.OperationPut:                       of[PutRequest, PutResponse](),
}

func of[Req, Resp any]() entry {
	return entry{func() any { return new(Req) }, func() any { return new(Resp) }}
}

// NewRequest makes an empty request of an operation; nil when the operation
// has no payload here.
func NewRequest(op kmip.Operation) any {
	if e, ok := table[op]; ok {
		return e.request()
	}
	return nil
}

// NewResponse makes an empty response of an operation; nil when the operation
// has no payload here.
func NewResponse(op kmip.Operation) any {
	if e, ok := table[op]; ok {
		return e.response()
	}
	return nil
}
