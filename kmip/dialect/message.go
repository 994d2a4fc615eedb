package dialect

import (
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// DecodeRequest reads a request message. An error concerns the message as a
// whole; the request then tells at least the version to answer in. What is
// wrong with one batch item is the Err of that item.
func DecodeRequest(i kmip.Item) (*payload.Request, error) {
	r := &payload.Request{Version: kmip.Versions[0], ErrorContinuation: kmip.BatchErrorContinuationOptionStop}
	if i.Tag != kmip.TagRequestMessage || i.Type != kmip.TypeStructure || len(i.Items) == 0 || i.Items[0].Tag != kmip.TagRequestHeader {
		return r, kmip.Fail(kmip.KindInvalidMessage, "not a request message")
	}
	header := i.Items[0]
	pv, ok := header.Field(kmip.TagProtocolVersion)
	if !ok {
		return r, kmip.Fail(kmip.KindInvalidMessage, "the header has no Protocol Version")
	}
	v, err := readVersion(pv)
	if err != nil {
		return r, err
	}
	r.Version = nearest(v)
	if !v.Supported() {
		return r, kmip.Fail(kmip.KindUnsupportedVersion, "KMIP %s is not supported; the highest is %s", v, kmip.Versions[0])
	}
	c := codec{v}
	count, err := c.header(header, r)
	if err != nil {
		return r, err
	}
	for _, item := range i.Items[1:] {
		if item.Tag != kmip.TagBatchItem || item.Type != kmip.TypeStructure {
			return r, kmip.Fail(kmip.KindInvalidMessage, "%s where a Batch Item belongs", item.Tag.Title())
		}
		ri, err := c.requestItem(item)
		if err != nil {
			return r, err
		}
		r.Items = append(r.Items, ri)
	}
	switch {
	case len(r.Items) == 0:
		return r, kmip.Fail(kmip.KindInvalidMessage, "the message has no Batch Item")
	case count >= 0 && count != len(r.Items):
		return r, kmip.Fail(kmip.KindInvalidMessage, "Batch Count is %d, there are %d Batch Items", count, len(r.Items))
	case c.v < kmip.V30 && count < 0:
		return r, kmip.Fail(kmip.KindInvalidMessage, "the header has no Batch Count")
	}
	if len(r.Items) > 1 && c.v < kmip.V30 {
		for _, item := range r.Items {
			if item.UniqueBatchItemID == nil {
				return r, kmip.Fail(kmip.KindInvalidMessage, "a batch of several items needs Unique Batch Item IDs")
			}
		}
	}
	return r, nil
}

// nearest is the version to answer in: the highest with the same major number,
// else the highest.
func nearest(v kmip.Version) kmip.Version {
	if v.Supported() {
		return v
	}
	for _, s := range kmip.Versions {
		if s.Major() == v.Major() {
			return s
		}
	}
	return kmip.Versions[0]
}

// header reads the request header (§8.2). It returns the Batch Count, -1 when
// there is none. Fields of later versions are passed over, as clients send
// them; fields that no header has are refused.
func (c codec) header(h kmip.Item, r *payload.Request) (count int, err error) {
	count = -1
	seen := map[kmip.Tag]bool{}
	for _, f := range h.Items {
		if seen[f.Tag] && f.Tag != kmip.TagAttestationType {
			return count, kmip.Fail(kmip.KindInvalidMessage, "%s appears twice in the header", f.Tag.Title())
		}
		seen[f.Tag] = true
		var wanted kmip.ItemType
		switch f.Tag {
		case kmip.TagProtocolVersion, kmip.TagAuthentication:
			wanted = kmip.TypeStructure
		case kmip.TagMaximumResponseSize, kmip.TagBatchCount:
			wanted = kmip.TypeInteger
		case kmip.TagBatchErrorContinuationOption, kmip.TagAttestationType:
			wanted = kmip.TypeEnumeration
		case kmip.TagAttestationCapableIndicator, kmip.TagBatchOrderOption:
			wanted = kmip.TypeBoolean
		case kmip.TagClientCorrelationValue, kmip.TagServerCorrelationValue:
			wanted = kmip.TypeTextString
		case kmip.TagTimeStamp:
			wanted = kmip.TypeDateTime
		case kmip.TagAsynchronousIndicator:
			wanted = kmip.TypeEnumeration
			if c.old() {
				wanted = kmip.TypeBoolean
			}
		default:
			return count, kmip.Fail(kmip.KindUnknownTag, "a request header has no field %s", f.Tag.Title())
		}
		if err := want(f, wanted); err != nil {
			return count, err
		}
		if err := c.checkValue(f); err != nil && f.Tag != kmip.TagAuthentication {
			return count, err
		}
		switch f.Tag {
		case kmip.TagMaximumResponseSize:
			r.MaximumResponseSize = int32(f.Int) //nolint:gosec // an Integer has 32 bits
			if r.MaximumResponseSize <= 0 {
				return count, kmip.Fail(kmip.KindInvalidField, "Maximum Response Size is not positive")
			}
		case kmip.TagBatchCount:
			count = max(int(f.Int), 0)
		case kmip.TagBatchErrorContinuationOption:
			r.ErrorContinuation = kmip.BatchErrorContinuationOption(f.Uint32())
		case kmip.TagClientCorrelationValue:
			r.ClientCorrelationValue = f.Text()
		case kmip.TagTimeStamp:
			r.TimeStamp = f.Time()
		case kmip.TagAttestationCapableIndicator:
			r.AttestationCapable = f.Bool()
		case kmip.TagAsynchronousIndicator:
			r.AsynchronousIndicator = kmip.AsynchronousIndicator(f.Uint32())
			if c.old() {
				r.AsynchronousIndicator = kmip.AsynchronousIndicatorProhibited
				if f.Bool() {
					r.AsynchronousIndicator = kmip.AsynchronousIndicatorOptional
				}
			}
		case kmip.TagAuthentication:
			if r.Credentials, err = credentials(f); err != nil {
				return count, err
			}
		}
	}
	return count, nil
}

// credentials reads Authentication (§9.4). Some 1.0 clients put type and value
// into it without the Credential between.
func credentials(i kmip.Item) ([]payload.Credential, error) {
	list := i.Items
	if _, bare := i.Field(kmip.TagCredentialType); bare {
		list = []kmip.Item{i.WithTag(kmip.TagCredential)}
	}
	creds := make([]payload.Credential, 0, len(list))
	for _, f := range list {
		kind, ok1 := f.Field(kmip.TagCredentialType)
		value, ok2 := f.Field(kmip.TagCredentialValue)
		if f.Tag != kmip.TagCredential || !ok1 || !ok2 || kind.Type != kmip.TypeEnumeration {
			return nil, kmip.Fail(kmip.KindInvalidMessage, "Authentication holds Credentials of a type and a value")
		}
		cr, err := credential(kmip.CredentialType(kind.Uint32()), value)
		if err != nil {
			return nil, err
		}
		creds = append(creds, cr)
	}
	if len(creds) == 0 {
		return nil, kmip.Fail(kmip.KindInvalidMessage, "Authentication without Credential")
	}
	return creds, nil
}

// needed are the fields that a Credential Value of a type must have (§7.8).
var needed = map[kmip.CredentialType][]kmip.Tag{
	kmip.CredentialTypeUsernameAndPassword: {kmip.TagUsername},
	kmip.CredentialTypeOneTimePassword:     {kmip.TagUsername, kmip.TagOneTimePassword},
	kmip.CredentialTypeHashedPassword:      {kmip.TagUsername, kmip.TagTimeStamp, kmip.TagHashedPassword},
	kmip.CredentialTypeAttestation:         {kmip.TagNonce, kmip.TagAttestationType},
	kmip.CredentialTypeTicket:              {kmip.TagTicket},
}

// credential reads a Credential Value.
func credential(t kmip.CredentialType, value kmip.Item) (payload.Credential, error) {
	cr := payload.Credential{Type: t, Value: value}
	for _, tag := range needed[t] {
		if _, ok := value.Field(tag); !ok {
			return cr, kmip.Fail(kmip.KindInvalidMessage, "a %s credential needs %s", t, tag.Title())
		}
	}
	if t == kmip.CredentialTypeDevice && len(value.Items) == 0 {
		return cr, kmip.Fail(kmip.KindInvalidMessage, "a Device credential needs one of its fields")
	}
	for _, f := range value.Items {
		if err := checkType(f); err != nil {
			return cr, err
		}
	}
	user, _ := value.Field(kmip.TagUsername)
	pass, has := value.Field(kmip.TagPassword)
	cr.Username, cr.Password, cr.HasPass = user.Text(), pass.Bytes, has
	return cr, nil
}

// ephemeral reads Ephemeral: a Boolean that means the Data, and from 3.0 an
// enumeration.
func (c codec) ephemeral(i kmip.Item) (kmip.Ephemeral, error) {
	if c.v >= kmip.V30 {
		if err := want(i, kmip.TypeEnumeration); err != nil {
			return 0, err
		}
		return kmip.Ephemeral(i.Uint32()), c.checkValue(i)
	}
	if err := want(i, kmip.TypeBoolean); err != nil {
		return 0, err
	}
	if !i.Bool() {
		return 0, nil
	}
	return kmip.EphemeralData, nil
}

// requestItem reads a batch item. An error of its own concerns the whole
// message: a critical extension, or an item without operation.
func (c codec) requestItem(i kmip.Item) (payload.RequestItem, error) {
	var r payload.RequestItem
	op, ok := i.Field(kmip.TagOperation)
	if !ok || op.Type != kmip.TypeEnumeration {
		return r, kmip.Fail(kmip.KindInvalidMessage, "a Batch Item has no Operation")
	}
	r.Operation = kmip.Operation(op.Uint32())
	if id, ok := i.Field(kmip.TagUniqueBatchItemID); ok {
		if err := want(id, kmip.TypeByteString); err != nil {
			return r, err
		}
		r.UniqueBatchItemID = append([]byte{}, id.Bytes...)
	}
	for _, f := range i.Items {
		switch f.Tag {
		case kmip.TagOperation, kmip.TagUniqueBatchItemID, kmip.TagRequestPayload:
		case kmip.TagEphemeral:
			var err error
			if r.Ephemeral, err = c.ephemeral(f); err != nil {
				return r, err
			}
		case kmip.TagMessageExtension:
			if critical, ok := f.Field(kmip.TagCriticalityIndicator); ok && critical.Bool() {
				return r, kmip.Fail(kmip.KindUnsupportedExtension, "critical message extensions are not supported")
			}
		default:
			return r, kmip.Fail(kmip.KindUnknownTag, "a Batch Item has no field %s", f.Tag.Title())
		}
	}
	p, ok := i.Field(kmip.TagRequestPayload)
	if !ok {
		r.Err = kmip.Fail(kmip.KindInvalidMessage, "the Batch Item has no Request Payload")
		return r, nil
	}
	if r.Payload = payload.NewRequest(r.Operation); r.Payload == nil || !c.valueExists(kmip.TagOperation, uint32(r.Operation)) {
		r.Payload = nil
		r.Err = kmip.Fail(kmip.KindUnsupportedOperation, "operation %s is not supported in KMIP %s", r.Operation, c.v)
		return r, nil
	}
	r.Err = c.payload(r.Operation, request, p, r.Payload)
	return r, nil
}

// EncodeResponse writes a response message in its version.
func EncodeResponse(r *payload.Response) kmip.Item {
	c := codec{r.Version}
	header := kmip.Structure(kmip.TagResponseHeader,
		versionItem(kmip.TagProtocolVersion, r.Version), kmip.DateTime(kmip.TagTimeStamp, r.TimeStamp))
	if r.Nonce != nil && c.v >= kmip.V12 {
		header.Items = append(header.Items, *r.Nonce)
	}
	if r.ServerHashedPassword != nil && c.v >= kmip.V20 {
		header.Items = append(header.Items, kmip.ByteString(kmip.TagServerHashedPassword, r.ServerHashedPassword))
	}
	for _, t := range r.AttestationTypes {
		if c.v >= kmip.V12 {
			header.Items = append(header.Items, kmip.Enumeration(kmip.TagAttestationType, t))
		}
	}
	if r.ServerCorrelationValue != "" && c.v >= kmip.V14 {
		header.Items = append(header.Items, kmip.Text(kmip.TagServerCorrelationValue, r.ServerCorrelationValue))
	}
	if c.v < kmip.V30 {
		header.Items = append(header.Items, kmip.Integer(kmip.TagBatchCount, int32(len(r.Items)))) //nolint:gosec // bounded by the request
	}
	message := kmip.Item{Tag: kmip.TagResponseMessage, Type: kmip.TypeStructure, Items: make([]kmip.Item, 0, len(r.Items)+1)}
	message.Items = append(message.Items, header)
	for n := range r.Items {
		message.Items = append(message.Items, c.responseItem(&r.Items[n]))
	}
	return message
}

func (c codec) responseItem(r *payload.ResponseItem) kmip.Item {
	i := kmip.Item{Tag: kmip.TagBatchItem, Type: kmip.TypeStructure, Items: make([]kmip.Item, 0, 5)}
	if r.Operation != 0 {
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagOperation, r.Operation))
	}
	if r.UniqueBatchItemID != nil && c.v < kmip.V30 {
		i.Items = append(i.Items, kmip.ByteString(kmip.TagUniqueBatchItemID, r.UniqueBatchItemID))
	}
	status, err := r.Status, r.Err
	if o := objectIn(r.Payload); o != nil && status != kmip.ResultStatusOperationFailed {
		if err = c.expressible(o); err != nil {
			status = kmip.ResultStatusOperationFailed
		}
	}
	i.Items = append(i.Items, kmip.Enumeration(kmip.TagResultStatus, status))
	if status == kmip.ResultStatusOperationFailed {
		reason, message := r.Reason, r.Message // of a response that was kept
		if reason == 0 || !c.valueExists(kmip.TagResultReason, uint32(reason)) {
			reason = Reason(c.v, r.Operation, kmip.KindOf(err))
		}
		if message == "" {
			message = messageOf(err)
		}
		i.Items = append(i.Items, kmip.Enumeration(kmip.TagResultReason, reason), kmip.Text(kmip.TagResultMessage, message))
		return i
	}
	if status == kmip.ResultStatusOperationPending {
		i.Items = append(i.Items, kmip.ByteString(kmip.TagAsynchronousCorrelationValue, r.AsynchronousCorrelationValue))
		return i
	}
	return withPayload(i, c.payloadItem(r.Operation, response, r.Payload))
}

// objectIn returns the object that a response carries; nil when it has none.
func objectIn(p any) *kmip.Object {
	switch r := p.(type) {
	case *payload.GetResponse:
		return r.Object
	case *payload.ExportResponse:
		return r.Object
	}
	return nil
}

func withPayload(i, p kmip.Item) kmip.Item {
	i.Items = append(i.Items, p)
	return i
}

// EncodeRequest writes a request message in its version.
func EncodeRequest(r *payload.Request) kmip.Item {
	c := codec{r.Version}
	header := kmip.Structure(kmip.TagRequestHeader, versionItem(kmip.TagProtocolVersion, r.Version))
	add := func(i kmip.Item) { header.Items = append(header.Items, i) }
	if r.MaximumResponseSize > 0 {
		add(kmip.Integer(kmip.TagMaximumResponseSize, r.MaximumResponseSize))
	}
	if r.ClientCorrelationValue != "" && c.v >= kmip.V14 {
		add(kmip.Text(kmip.TagClientCorrelationValue, r.ClientCorrelationValue))
	}
	if r.AsynchronousIndicator != 0 {
		if c.old() {
			add(kmip.Boolean(kmip.TagAsynchronousIndicator, r.AsynchronousIndicator != kmip.AsynchronousIndicatorProhibited))
		} else {
			add(kmip.Enumeration(kmip.TagAsynchronousIndicator, r.AsynchronousIndicator))
		}
	}
	if len(r.Credentials) > 0 {
		add(credentialItems(r.Credentials))
	}
	if len(r.Items) > 1 {
		if r.ErrorContinuation != 0 {
			add(kmip.Enumeration(kmip.TagBatchErrorContinuationOption, r.ErrorContinuation))
		}
		if c.v < kmip.V30 {
			add(kmip.Boolean(kmip.TagBatchOrderOption, true))
		}
	}
	if !r.TimeStamp.IsZero() {
		add(kmip.DateTime(kmip.TagTimeStamp, r.TimeStamp))
	}
	if c.v < kmip.V30 {
		add(kmip.Integer(kmip.TagBatchCount, int32(len(r.Items)))) //nolint:gosec // a client's own batch
	}
	message := kmip.Structure(kmip.TagRequestMessage, header)
	for _, item := range r.Items {
		i := kmip.Structure(kmip.TagBatchItem, kmip.Enumeration(kmip.TagOperation, item.Operation))
		switch {
		case item.Ephemeral == 0:
		case c.v >= kmip.V30:
			i.Items = append(i.Items, kmip.Enumeration(kmip.TagEphemeral, item.Ephemeral))
		default:
			i.Items = append(i.Items, kmip.Boolean(kmip.TagEphemeral, true))
		}
		if item.UniqueBatchItemID != nil && c.v < kmip.V30 {
			i.Items = append(i.Items, kmip.ByteString(kmip.TagUniqueBatchItemID, item.UniqueBatchItemID))
		}
		message.Items = append(message.Items, withPayload(i, c.payloadItem(item.Operation, request, item.Payload)))
	}
	return message
}

// credentialItems writes Authentication (§9.4).
func credentialItems(list []payload.Credential) kmip.Item {
	i := kmip.Structure(kmip.TagAuthentication)
	for _, cr := range list {
		value := cr.Value.WithTag(kmip.TagCredentialValue)
		if cr.Type == kmip.CredentialTypeUsernameAndPassword {
			value = kmip.Structure(kmip.TagCredentialValue, kmip.Text(kmip.TagUsername, cr.Username))
			if cr.HasPass {
				value.Items = append(value.Items, kmip.Item{Tag: kmip.TagPassword, Type: kmip.TypeTextString, Bytes: cr.Password})
			}
		}
		i.Items = append(i.Items, kmip.Structure(kmip.TagCredential, kmip.Enumeration(kmip.TagCredentialType, cr.Type), value))
	}
	return i
}

// DecodeResponse reads a response message, as a client does.
func DecodeResponse(i kmip.Item) (*payload.Response, error) {
	if i.Tag != kmip.TagResponseMessage || len(i.Items) == 0 || i.Items[0].Tag != kmip.TagResponseHeader {
		return nil, kmip.Fail(kmip.KindInvalidMessage, "not a response message")
	}
	header := i.Items[0]
	pv, _ := header.Field(kmip.TagProtocolVersion)
	v, err := readVersion(pv)
	if err != nil {
		return nil, err
	}
	c := codec{nearest(v)}
	r := &payload.Response{Version: v}
	if ts, ok := header.Field(kmip.TagTimeStamp); ok {
		r.TimeStamp = ts.Time()
	}
	if s, ok := header.Field(kmip.TagServerCorrelationValue); ok {
		r.ServerCorrelationValue = s.Text()
	}
	for _, item := range i.Items[1:] {
		ri, err := c.readResponseItem(item)
		if err != nil {
			return nil, err
		}
		r.Items = append(r.Items, ri)
	}
	return r, nil
}

func (c codec) readResponseItem(item kmip.Item) (payload.ResponseItem, error) {
	var r payload.ResponseItem
	status, ok := item.Field(kmip.TagResultStatus)
	if !ok {
		return r, kmip.Fail(kmip.KindInvalidMessage, "a Batch Item has no Result Status")
	}
	r.Status = kmip.ResultStatus(status.Uint32())
	if op, ok := item.Field(kmip.TagOperation); ok {
		r.Operation = kmip.Operation(op.Uint32())
	}
	if id, ok := item.Field(kmip.TagUniqueBatchItemID); ok {
		r.UniqueBatchItemID = id.Bytes
	}
	if reason, ok := item.Field(kmip.TagResultReason); ok {
		r.Reason = kmip.ResultReason(reason.Uint32())
	}
	if m, ok := item.Field(kmip.TagResultMessage); ok {
		r.Message = m.Text()
	}
	if v, ok := item.Field(kmip.TagAsynchronousCorrelationValue); ok {
		r.AsynchronousCorrelationValue = v.Bytes
	}
	if p, ok := item.Field(kmip.TagResponsePayload); ok {
		if into := payload.NewResponse(r.Operation); into != nil {
			if err := c.payload(r.Operation, response, p, into); err != nil {
				return r, err
			}
			r.Payload = into
		}
	}
	return r, nil
}

// Failed makes the response to a request that cannot be processed as a whole:
// one item without operation.
func Failed(v kmip.Version, now time.Time, err error) *payload.Response {
	return &payload.Response{Version: v, TimeStamp: now, Items: []payload.ResponseItem{{Status: kmip.ResultStatusOperationFailed, Err: err}}}
}
