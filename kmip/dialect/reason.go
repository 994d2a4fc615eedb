package dialect

import (
	"errors"

	"github.com/claviger/claviger/kmip"
)

// reasons holds the Result Reason of a kind of failure: in KMIP 1.x (1.4 §11),
// in 2.0, in 2.1 (§6.1, §11.46) and in 3.0. 0 in a later column repeats the one
// before it.
var reasons = map[kmip.Kind][4]kmip.ResultReason{
	kmip.KindGeneral:                 {kmip.ResultReasonGeneralFailure},
	kmip.KindObjectNotFound:          {kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound},
	kmip.KindObjectDestroyed:         {kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectDestroyed},
	kmip.KindObjectArchived:          {kmip.ResultReasonObjectArchived},
	kmip.KindObjectExists:            {kmip.ResultReasonObjectAlreadyExists},
	kmip.KindNoPlaceholder:           {kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound},
	kmip.KindWrongState:              {kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.KindNoTransition:            {kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.KindUsageMask:               {kmip.ResultReasonPermissionDenied, kmip.ResultReasonIncompatibleCryptographicUsageMask},
	kmip.KindUsageExhausted:          {kmip.ResultReasonPermissionDenied},
	kmip.KindUsageLimit:              {kmip.ResultReasonPermissionDenied, kmip.ResultReasonUsageLimitExceeded},
	kmip.KindLeaseRefused:            {kmip.ResultReasonPermissionDenied},
	kmip.KindObjectType:              {kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidObjectType},
	kmip.KindObjectTypeMismatch:      {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType},
	kmip.KindPermissionDenied:        {kmip.ResultReasonPermissionDenied},
	kmip.KindNotAuthenticated:        {kmip.ResultReasonAuthenticationNotSuccessful},
	kmip.KindAttributeReadOnly:       {kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonAttributeReadOnly},
	kmip.KindAttributeSingleValued:   {kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeSingleValued},
	kmip.KindAttributeMultiValued:    {kmip.ResultReasonInvalidField, kmip.ResultReasonMultiValuedAttribute},
	kmip.KindAttributeUnsupported:    {kmip.ResultReasonInvalidField, kmip.ResultReasonUnsupportedAttribute},
	kmip.KindAttributeNotApplicable:  {kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidAttribute},
	kmip.KindAttributeValue:          {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttributeValue},
	kmip.KindAttributeNotFound:       {kmip.ResultReasonItemNotFound, kmip.ResultReasonAttributeNotFound},
	kmip.KindAttributeInstance:       {kmip.ResultReasonItemNotFound, kmip.ResultReasonAttributeInstanceNotFound},
	kmip.KindAttributeRepeated:       {kmip.ResultReasonInvalidMessage},
	kmip.KindAttributeIndex:          {kmip.ResultReasonInvalidField},
	kmip.KindNameNotUnique:           {kmip.ResultReasonInvalidField, kmip.ResultReasonNonUniqueNameAttribute},
	kmip.KindTooMany:                 {kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonServerLimitExceeded},
	kmip.KindMissingField:            {kmip.ResultReasonInvalidMessage},
	kmip.KindInvalidField:            {kmip.ResultReasonInvalidField},
	kmip.KindInvalidMessage:          {kmip.ResultReasonInvalidMessage},
	kmip.KindCodec:                   {kmip.ResultReasonInvalidMessage, kmip.ResultReasonCodecError},
	kmip.KindUnknownTag:              {kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownTag},
	kmip.KindUnknownEnumeration:      {kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownEnumeration},
	kmip.KindUnsupportedVersion:      {kmip.ResultReasonInvalidMessage, kmip.ResultReasonUnsupportedProtocolVersion},
	kmip.KindUnsupportedOperation:    {kmip.ResultReasonOperationNotSupported},
	kmip.KindUnsupportedFeature:      {kmip.ResultReasonFeatureNotSupported},
	kmip.KindUnsupportedExtension:    {kmip.ResultReasonFeatureNotSupported, kmip.ResultReasonUnknownMessageExtension},
	kmip.KindResponseTooLarge:        {kmip.ResultReasonResponseTooLarge},
	kmip.KindCryptographicFailure:    {kmip.ResultReasonCryptographicFailure},
	kmip.KindMissingIV:               {kmip.ResultReasonInvalidMessage},
	kmip.KindTagLength:               {kmip.ResultReasonGeneralFailure},
	kmip.KindParametersMissing:       {kmip.ResultReasonInvalidField, kmip.ResultReasonBadCryptographicParameters},
	kmip.KindParametersUnsupported:   {kmip.ResultReasonInvalidField, kmip.ResultReasonUnsupportedCryptographicParameters},
	kmip.KindKeyFormat:               {kmip.ResultReasonKeyFormatTypeNotSupported},
	kmip.KindKeyCompression:          {kmip.ResultReasonKeyCompressionTypeNotSupported},
	kmip.KindKeyWrapType:             {kmip.ResultReasonFeatureNotSupported, kmip.ResultReasonKeyWrapTypeNotSupported},
	kmip.KindEncodingOption:          {kmip.ResultReasonEncodingOptionError},
	kmip.KindKeyValueNotPresent:      {kmip.ResultReasonKeyValueNotPresent},
	kmip.KindSensitive:               {kmip.ResultReasonSensitive},
	kmip.KindNotExtractable:          {kmip.ResultReasonNotExtractable},
	kmip.KindNamespace:               {kmip.ResultReasonApplicationNamespaceNotSupported},
	kmip.KindStorageMask:             {kmip.ResultReasonGeneralFailure, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.KindPrivateStorage:          {kmip.ResultReasonGeneralFailure, kmip.ResultReasonPrivateProtectionStorageUnavailable},
	kmip.KindPublicStorage:           {kmip.ResultReasonGeneralFailure, kmip.ResultReasonPublicProtectionStorageUnavailable},
	kmip.KindTemplateNotFound:        {kmip.ResultReasonItemNotFound},
	kmip.KindOffsetWithDates:         {kmip.ResultReasonInvalidMessage},
	kmip.KindOffsetWithoutActivation: {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidField},
	kmip.KindBatchRefused:            {kmip.ResultReasonFeatureNotSupported},
	kmip.KindUnavailable:             {kmip.ResultReasonGeneralFailure},
	kmip.KindIntegrity:               {kmip.ResultReasonGeneralFailure},
	kmip.KindNotQuantumSafe:          {kmip.ResultReasonGeneralFailure},
	kmip.KindWrappingNotFound:        {kmip.ResultReasonItemNotFound, kmip.ResultReasonWrappingObjectNotFound},
	kmip.KindWrappingDestroyed:       {kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrappingObjectDestroyed},
	kmip.KindWrappingArchived:        {kmip.ResultReasonObjectArchived, kmip.ResultReasonWrappingObjectArchived},
	kmip.KindDataType:                {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidDataType},
	kmip.KindNumericRange:            {kmip.ResultReasonInvalidField, kmip.ResultReasonNumericRange},
	kmip.KindStream:                  {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidCorrelationValue},
	kmip.KindAsynchronous:            {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidAsynchronousCorrelationValue},
	kmip.KindCancelled:               {kmip.ResultReasonOperationCanceledByRequester},
	kmip.KindProcessed:               {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidField, kmip.ResultReasonDuplicateProcessRequest},
	kmip.KindTicket:                  {kmip.ResultReasonAuthenticationNotSuccessful, kmip.ResultReasonInvalidTicket},
	kmip.KindNotAuthorised:           {kmip.ResultReasonPermissionDenied, kmip.ResultReasonNotAuthorised},
	kmip.KindAttestationRequired:     {kmip.ResultReasonAttestationRequired},
	kmip.KindAttestationFailed:       {kmip.ResultReasonAttestationFailed},
	kmip.KindCSR:                     {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidCSR},
	kmip.KindPKCS12Password:          {kmip.ResultReasonInvalidField, kmip.ResultReasonBadPassword},
	kmip.KindConstraint:              {kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonConstraintViolation},
	kmip.KindUnknownGroup:            {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownObjectGroup, kmip.ResultReasonObjectNotFound},
	kmip.KindCircularLink:            {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidField, kmip.ResultReasonCircularLinkError},
	kmip.KindPKCS11Codec:             {kmip.ResultReasonInvalidField, kmip.ResultReasonPKCS11CodecError},
	kmip.KindPKCS11Function:          {kmip.ResultReasonInvalidField, kmip.ResultReasonPKCS11InvalidFunction},
	kmip.KindPKCS11Interface:         {kmip.ResultReasonInvalidField, kmip.ResultReasonPKCS11InvalidInterface},
}

type kindAt struct {
	kind kmip.Kind
	op   kmip.Operation
}

// operationReasons are the reasons that differ for one operation.
var operationReasons = map[kindAt][4]kmip.ResultReason{
	{kmip.KindObjectNotFound, kmip.OperationGetAttributes}:         {kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonObjectNotFound, kmip.ResultReasonItemNotFound},
	{kmip.KindObjectNotFound, kmip.OperationAdjustAttribute}:       {kmip.ResultReasonItemNotFound, kmip.ResultReasonItemNotFound},
	{kmip.KindAttributeNotFound, kmip.OperationGetUsageAllocation}: {kmip.ResultReasonIllegalOperation, kmip.ResultReasonAttributeNotFound},
	{kmip.KindAttributeReadOnly, kmip.OperationAdjustAttribute}:    {kmip.ResultReasonPermissionDenied, kmip.ResultReasonReadOnlyAttribute},
	{kmip.KindObjectDestroyed, kmip.OperationGet}:                  {kmip.ResultReasonIllegalOperation, kmip.ResultReasonObjectDestroyed},
	{kmip.KindObjectType, kmip.OperationActivate}:                  {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationRevoke}:                    {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationGet}:                       {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationGetUsageAllocation}:        {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationExport}:                    {kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidObjectType},
	{kmip.KindParametersMissing, kmip.OperationGet}:                {kmip.ResultReasonItemNotFound, kmip.ResultReasonBadCryptographicParameters},
	{kmip.KindParametersMissing, kmip.OperationExport}:             {kmip.ResultReasonItemNotFound, kmip.ResultReasonBadCryptographicParameters},
	{kmip.KindObjectType, kmip.OperationValidate}:                  {kmip.ResultReasonInvalidMessage, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationCheck}:                     {kmip.ResultReasonIllegalOperation, kmip.ResultReasonIllegalObjectType},
	{kmip.KindObjectType, kmip.OperationCreate}:                    {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationRegister}:                  {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType},
	{kmip.KindAttributeReadOnly, kmip.OperationAddAttribute}:       {kmip.ResultReasonPermissionDenied, kmip.ResultReasonPermissionDenied, kmip.ResultReasonReadOnlyAttribute},
	{kmip.KindAttributeReadOnly, kmip.OperationSetAttribute}:       {kmip.ResultReasonPermissionDenied, kmip.ResultReasonReadOnlyAttribute},
	{kmip.KindAttributeSingleValued, kmip.OperationAddAttribute}:   {kmip.ResultReasonIllegalOperation, kmip.ResultReasonAttributeSingleValued},
	{kmip.KindObjectType, kmip.OperationDeriveKey}:                 {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationCreateSplitKey}:            {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType},
	{kmip.KindObjectType, kmip.OperationJoinSplitKey}:              {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType},
	{kmip.KindUsageMask, kmip.OperationDeriveKey}:                  {kmip.ResultReasonInvalidField, kmip.ResultReasonIncompatibleCryptographicUsageMask},
	{kmip.KindObjectNotFound, kmip.OperationCertify}:               {kmip.ResultReasonItemNotFound, kmip.ResultReasonItemNotFound},
	{kmip.KindNoPlaceholder, kmip.OperationCertify}:                {kmip.ResultReasonItemNotFound, kmip.ResultReasonItemNotFound},
	{kmip.KindNoPlaceholder, kmip.OperationAdjustAttribute}:        {kmip.ResultReasonItemNotFound, kmip.ResultReasonItemNotFound},
	{kmip.KindObjectNotFound, kmip.OperationCreateSplitKey}:        {kmip.ResultReasonItemNotFound, kmip.ResultReasonItemNotFound},
	{kmip.KindAttributeUnsupported, kmip.OperationLocate}:          {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationAddAttribute}:    {kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationCreateKeyPair}:   {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationDeriveKey}:       {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationCreateSplitKey}:  {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationJoinSplitKey}:    {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationRegister}:        {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationImport}:          {kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute},
	{kmip.KindAttributeUnsupported, kmip.OperationModifyAttribute}: {kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeNotFound},
	{kmip.KindTemplateNotFound, kmip.OperationLocate}:              {kmip.ResultReasonInvalidField},
	{kmip.KindAttributeNotFound, kmip.OperationModifyAttribute}:    {kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeNotFound},
	{kmip.KindNameNotUnique, kmip.OperationAddAttribute}:           {kmip.ResultReasonIllegalOperation, kmip.ResultReasonNonUniqueNameAttribute},
	{kmip.KindWrongState, kmip.OperationRegister}:                  {kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState}, // of a PKCS#12 password
	{kmip.KindWrongState, kmip.OperationImport}:                    {kmip.ResultReasonPermissionDenied, kmip.ResultReasonWrongKeyLifecycleState},
	{kmip.KindNameNotUnique, kmip.OperationModifyAttribute}:        {kmip.ResultReasonIllegalOperation, kmip.ResultReasonNonUniqueNameAttribute},
}

// Reason gives a kind of failure its Result Reason in a version, for an
// operation (0 for a message that could not be read).
func Reason(v kmip.Version, op kmip.Operation, kind kmip.Kind) kmip.ResultReason {
	row, ok := operationReasons[kindAt{kind, op}]
	if !ok {
		if row, ok = reasons[kind]; !ok {
			return kmip.ResultReasonGeneralFailure
		}
	}
	column := 3
	switch {
	case v < kmip.V20:
		column = 0
	case v == kmip.V20:
		column = 1
	case v == kmip.V21:
		column = 2
	}
	for column > 0 && row[column] == 0 {
		column--
	}
	return codec{v}.reason(row[column])
}

// before are the reasons that KMIP 1.x gave what has a reason of its own since.
var before = map[kmip.ResultReason]kmip.ResultReason{
	kmip.ResultReasonSensitive:           kmip.ResultReasonPermissionDenied,
	kmip.ResultReasonNotExtractable:      kmip.ResultReasonPermissionDenied,
	kmip.ResultReasonKeyValueNotPresent:  kmip.ResultReasonIllegalOperation, // "only has attributes" (1.0 §11.11)
	kmip.ResultReasonEncodingOptionError: kmip.ResultReasonInvalidField,
	kmip.ResultReasonObjectAlreadyExists: kmip.ResultReasonInvalidField,
	kmip.ResultReasonAttestationRequired: kmip.ResultReasonPermissionDenied,
	kmip.ResultReasonAttestationFailed:   kmip.ResultReasonPermissionDenied,
}

// reason is a reason as the version has it.
func (c codec) reason(r kmip.ResultReason) kmip.ResultReason {
	if c.valueExists(kmip.TagResultReason, uint32(r)) {
		return r
	}
	if older, ok := before[r]; ok && c.old() {
		return older
	}
	return kmip.ResultReasonGeneralFailure
}

// messageOf is the sentence for the client: that of the failure, and nothing
// of an error that nobody made for clients.
func messageOf(err error) string {
	var f *kmip.Failure
	if errors.As(err, &f) && f.Message != "" {
		return f.Message
	}
	return "the server could not complete the operation"
}
