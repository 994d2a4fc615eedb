package operation_test

import (
	"slices"
	"testing"

	"github.com/claviger/claviger/kmip"
)

// listed21 are the Result Reasons that KMIP 2.1 lists for each operation (§6.1),
// besides the eight that it lists for all.
var listed21 = map[kmip.Operation][]kmip.ResultReason{
	kmip.OperationActivate:                  {kmip.ResultReasonInvalidObjectType, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationAddAttribute:              {kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonObjectNotFound, kmip.ResultReasonReadOnlyAttribute, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationAdjustAttribute:           {kmip.ResultReasonInvalidDataType, kmip.ResultReasonItemNotFound, kmip.ResultReasonMultiValuedAttribute, kmip.ResultReasonNumericRange, kmip.ResultReasonObjectArchived, kmip.ResultReasonReadOnlyAttribute, kmip.ResultReasonUnsupportedAttribute, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationArchive:                   {kmip.ResultReasonObjectArchived, kmip.ResultReasonObjectNotFound},
	kmip.OperationCancel:                    {kmip.ResultReasonInvalidAsynchronousCorrelationValue},
	kmip.OperationCertify:                   {kmip.ResultReasonInvalidCSR, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonItemNotFound, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationCheck:                     {kmip.ResultReasonIllegalObjectType, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUsageLimitExceeded},
	kmip.OperationCreate:                    {kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonReadOnlyAttribute, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonUnsupportedAttribute, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationCreateKeyPair:             {kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonPrivateProtectionStorageUnavailable, kmip.ResultReasonPublicProtectionStorageUnavailable},
	kmip.OperationCreateSplitKey:            {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonItemNotFound, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationDecrypt:                   {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidCorrelationValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonMissingInitializationVector, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationDelegatedLogin:            {},
	kmip.OperationDeleteAttribute:           {kmip.ResultReasonAttributeInstanceNotFound, kmip.ResultReasonAttributeNotFound, kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationDeriveKey:                 {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationDestroy:                   {kmip.ResultReasonObjectDestroyed, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationDiscoverVersions:          {},
	kmip.OperationEncrypt:                   {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidCorrelationValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonMissingInitializationVector, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonUsageLimitExceeded, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationExport:                    {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonEncodingOptionError, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyCompressionTypeNotSupported, kmip.ResultReasonKeyFormatTypeNotSupported, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonKeyWrapTypeNotSupported, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrappingObjectArchived, kmip.ResultReasonWrappingObjectDestroyed, kmip.ResultReasonWrappingObjectNotFound},
	kmip.OperationGet:                       {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonEncodingOptionError, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyCompressionTypeNotSupported, kmip.ResultReasonKeyFormatTypeNotSupported, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonKeyWrapTypeNotSupported, kmip.ResultReasonNotExtractable, kmip.ResultReasonObjectNotFound, kmip.ResultReasonSensitive, kmip.ResultReasonWrappingObjectArchived, kmip.ResultReasonWrappingObjectDestroyed, kmip.ResultReasonWrappingObjectNotFound},
	kmip.OperationGetAttributes:             {kmip.ResultReasonInvalidAttribute, kmip.ResultReasonObjectNotFound},
	kmip.OperationGetAttributeList:          {kmip.ResultReasonObjectNotFound},
	kmip.OperationGetConstraints:            {kmip.ResultReasonInvalidObjectType},
	kmip.OperationGetUsageAllocation:        {kmip.ResultReasonAttributeNotFound, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUsageLimitExceeded},
	kmip.OperationHash:                      {kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidCorrelationValue},
	kmip.OperationImport:                    {kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonEncodingOptionError, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonObjectAlreadyExists, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationInterop:                   {},
	kmip.OperationJoinSplitKey:              {kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonObjectNotFound, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationLocate:                    {kmip.ResultReasonInvalidAttribute},
	kmip.OperationLog:                       {},
	kmip.OperationLogin:                     {},
	kmip.OperationLogout:                    {kmip.ResultReasonInvalidTicket},
	kmip.OperationMAC:                       {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidCorrelationValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUsageLimitExceeded, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationMACVerify:                 {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidCorrelationValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationModifyAttribute:           {kmip.ResultReasonAttributeInstanceNotFound, kmip.ResultReasonAttributeNotFound, kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationObtainLease:               {kmip.ResultReasonObjectNotFound, kmip.ResultReasonUsageLimitExceeded},
	kmip.OperationPKCS11:                    {kmip.ResultReasonInvalidAsynchronousCorrelationValue, kmip.ResultReasonPKCS11CodecError, kmip.ResultReasonPKCS11InvalidFunction, kmip.ResultReasonPKCS11InvalidInterface},
	kmip.OperationPoll:                      {kmip.ResultReasonInvalidAsynchronousCorrelationValue},
	kmip.OperationProcess:                   {kmip.ResultReasonInvalidAsynchronousCorrelationValue},
	kmip.OperationQuery:                     {kmip.ResultReasonUnknownObjectGroup},
	kmip.OperationQueryAsynchronousRequests: {},
	kmip.OperationRecover:                   {kmip.ResultReasonObjectNotFound},
	kmip.OperationRegister:                  {kmip.ResultReasonAttributeReadOnly, kmip.ResultReasonAttributeSingleValued, kmip.ResultReasonBadPassword, kmip.ResultReasonEncodingOptionError, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonServerLimitExceeded, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationRevoke:                    {kmip.ResultReasonInvalidObjectType, kmip.ResultReasonObjectNotFound, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationReCertify:                 {kmip.ResultReasonInvalidCSR, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonObjectNotFound, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationReKey:                     {kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonObjectNotFound, kmip.ResultReasonProtectionStorageUnavailable},
	kmip.OperationReKeyKeyPair:              {kmip.ResultReasonCryptographicFailure, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonObjectNotFound, kmip.ResultReasonPrivateProtectionStorageUnavailable, kmip.ResultReasonPublicProtectionStorageUnavailable},
	kmip.OperationReProvision:               {kmip.ResultReasonCryptographicFailure},
	kmip.OperationRNGRetrieve:               {kmip.ResultReasonCryptographicFailure},
	kmip.OperationRNGSeed:                   {kmip.ResultReasonCryptographicFailure},
	kmip.OperationSetAttribute:              {kmip.ResultReasonInvalidAttributeValue, kmip.ResultReasonMultiValuedAttribute, kmip.ResultReasonNonUniqueNameAttribute, kmip.ResultReasonObjectNotFound, kmip.ResultReasonReadOnlyAttribute, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationSetConstraints:            {kmip.ResultReasonInvalidObjectType},
	kmip.OperationSetDefaults:               {kmip.ResultReasonInvalidObjectType},
	kmip.OperationSetEndpointRole:           {},
	kmip.OperationSign:                      {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidCorrelationValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonUsageLimitExceeded, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationSignatureVerify:           {kmip.ResultReasonBadCryptographicParameters, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIncompatibleCryptographicUsageMask, kmip.ResultReasonInvalidCorrelationValue, kmip.ResultReasonInvalidObjectType, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonObjectNotFound, kmip.ResultReasonUnsupportedCryptographicParameters, kmip.ResultReasonWrongKeyLifecycleState},
	kmip.OperationValidate:                  {kmip.ResultReasonInvalidObjectType, kmip.ResultReasonObjectNotFound},
}

// listed14 are the Result Reasons that KMIP 1.4 lists for each operation (§11).
var listed14 = map[kmip.Operation][]kmip.ResultReason{
	kmip.OperationCreate:             {kmip.ResultReasonInvalidField, kmip.ResultReasonItemNotFound, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationCreateKeyPair:      {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidField, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonInvalidMessage, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationRegister:           {kmip.ResultReasonInvalidField, kmip.ResultReasonItemNotFound, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived, kmip.ResultReasonEncodingOptionError},
	kmip.OperationReKey:              {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidMessage, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived, kmip.ResultReasonIllegalOperation, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationReKeyKeyPair:       {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidMessage, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived, kmip.ResultReasonIllegalOperation, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationDeriveKey:          {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidMessage, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationCertify:            {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidField, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationReCertify:          {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidMessage, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationLocate:             {kmip.ResultReasonInvalidField},
	kmip.OperationCheck:              {kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectArchived, kmip.ResultReasonIllegalOperation, kmip.ResultReasonPermissionDenied},
	kmip.OperationGet:                {kmip.ResultReasonItemNotFound, kmip.ResultReasonIllegalOperation, kmip.ResultReasonPermissionDenied, kmip.ResultReasonKeyFormatTypeNotSupported, kmip.ResultReasonKeyCompressionTypeNotSupported, kmip.ResultReasonObjectArchived, kmip.ResultReasonEncodingOptionError, kmip.ResultReasonFeatureNotSupported, kmip.ResultReasonSensitive, kmip.ResultReasonNotExtractable},
	kmip.OperationGetAttributes:      {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidMessage, kmip.ResultReasonObjectArchived},
	kmip.OperationGetAttributeList:   {kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectArchived},
	kmip.OperationAddAttribute:       {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidField, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationModifyAttribute:    {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidField, kmip.ResultReasonPermissionDenied, kmip.ResultReasonIllegalOperation, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationDeleteAttribute:    {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectArchived},
	kmip.OperationObtainLease:        {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectArchived},
	kmip.OperationGetUsageAllocation: {kmip.ResultReasonItemNotFound, kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidMessage, kmip.ResultReasonObjectArchived, kmip.ResultReasonPermissionDenied},
	kmip.OperationActivate:           {kmip.ResultReasonItemNotFound, kmip.ResultReasonIllegalOperation, kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectArchived},
	kmip.OperationRevoke:             {kmip.ResultReasonItemNotFound, kmip.ResultReasonInvalidField, kmip.ResultReasonIllegalOperation, kmip.ResultReasonObjectArchived},
	kmip.OperationDestroy:            {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonObjectArchived},
	kmip.OperationArchive:            {kmip.ResultReasonItemNotFound, kmip.ResultReasonObjectArchived},
	kmip.OperationRecover:            {kmip.ResultReasonItemNotFound},
	kmip.OperationValidate:           {kmip.ResultReasonInvalidMessage, kmip.ResultReasonObjectArchived},
	kmip.OperationPoll:               {kmip.ResultReasonItemNotFound},
	kmip.OperationEncrypt:            {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonObjectArchived, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationDecrypt:            {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonObjectArchived, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationSign:               {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonObjectArchived, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationSignatureVerify:    {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonObjectArchived, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationMAC:                {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonObjectArchived, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationMACVerify:          {kmip.ResultReasonItemNotFound, kmip.ResultReasonPermissionDenied, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonObjectArchived, kmip.ResultReasonKeyValueNotPresent},
	kmip.OperationRNGRetrieve:        {kmip.ResultReasonCryptographicFailure},
	kmip.OperationRNGSeed:            {kmip.ResultReasonCryptographicFailure},
	kmip.OperationHash:               {kmip.ResultReasonCryptographicFailure, kmip.ResultReasonItemNotFound},
	kmip.OperationCreateSplitKey:     {kmip.ResultReasonInvalidField, kmip.ResultReasonItemNotFound, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationJoinSplitKey:       {kmip.ResultReasonInvalidField, kmip.ResultReasonItemNotFound, kmip.ResultReasonCryptographicFailure, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonObjectArchived},
	kmip.OperationExport:             {kmip.ResultReasonItemNotFound, kmip.ResultReasonIllegalOperation, kmip.ResultReasonPermissionDenied, kmip.ResultReasonKeyFormatTypeNotSupported, kmip.ResultReasonKeyCompressionTypeNotSupported, kmip.ResultReasonEncodingOptionError, kmip.ResultReasonFeatureNotSupported},
	kmip.OperationImport:             {kmip.ResultReasonObjectAlreadyExists, kmip.ResultReasonInvalidField, kmip.ResultReasonIndexOutOfBounds, kmip.ResultReasonApplicationNamespaceNotSupported, kmip.ResultReasonEncodingOptionError},
}

// noFailure is why an operation has no cryptographic error.
const noFailure = "the cryptographic module does not fail: what cannot be computed is refused by other reasons"

// never says why a listed reason is none that this server gives. Attestation
// Failed and Attestation Required, which KMIP lists for all operations, are none
// either: nothing is configured that could be attested (see
// TestAttestationConvincesNobody).
var never = map[kmip.Operation]map[kmip.ResultReason]string{
	kmip.OperationCreate:          {kmip.ResultReasonCryptographicFailure: noFailure, kmip.ResultReasonReadOnlyAttribute: "Attribute Read Only, which is listed too, says it"},
	kmip.OperationCreateKeyPair:   {kmip.ResultReasonCryptographicFailure: noFailure, kmip.ResultReasonInvalidMessage: "what the text requires has defaults (2.1 §4), for clients of all versions"},
	kmip.OperationReKey:           {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationReKeyKeyPair:    {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationCreateSplitKey:  {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationRNGRetrieve:     {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationRNGSeed:         {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationHash:            {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationMAC:             {kmip.ResultReasonCryptographicFailure: noFailure, kmip.ResultReasonUsageLimitExceeded: "MAC takes nothing from Usage Limits: only Encrypt and Sign are said to"},
	kmip.OperationMACVerify:       {kmip.ResultReasonCryptographicFailure: noFailure},
	kmip.OperationSignatureVerify: {kmip.ResultReasonCryptographicFailure: "a signature that is wrong is Invalid, which is a success"},
	kmip.OperationRegister:        {kmip.ResultReasonEncodingOptionError: "Key Wrapping Data name no attributes, and a key in an encoding that the server does not know is kept as it is"},
	kmip.OperationImport:          {kmip.ResultReasonAttributeReadOnly: "the rules of who may set an attribute do not hold for Import (2.1 §6.1.25)", kmip.ResultReasonProtectionStorageUnavailable: "Import has no Protection Storage Masks"},
	kmip.OperationReProvision:     {kmip.ResultReasonCryptographicFailure: "only clients with a certificate meet it: TestReProvisionThatIsRefused"},
	kmip.OperationCancel:          {kmip.ResultReasonInvalidAsynchronousCorrelationValue: "Cancel succeeds with the Cancellation Result Unavailable (2.1 §6.1.5)"},
	kmip.OperationPKCS11:          {kmip.ResultReasonInvalidAsynchronousCorrelationValue: "an unknown Correlation Value is CKR_CRYPTOKI_NOT_INITIALIZED in the PKCS#11 Return Code"},
	kmip.OperationDeleteAttribute: {kmip.ResultReasonInvalidAttribute: "Attribute Not Found, which is listed too, says it", kmip.ResultReasonWrongKeyLifecycleState: "no attribute that can be deleted depends on the state"},
	kmip.OperationGetAttributes:   {kmip.ResultReasonInvalidAttribute: "what an object does not have is left out (2.1 §6.1.20)"},
	kmip.OperationGetConstraints:  {kmip.ResultReasonInvalidObjectType: "the request names no type"},
	kmip.OperationSetConstraints:  {kmip.ResultReasonInvalidObjectType: "all Object Types of KMIP 2.1 have them; users and their like of 3.0 do not"},
	kmip.OperationSetDefaults:     {kmip.ResultReasonInvalidObjectType: "all Object Types of KMIP 2.1 have them; users and their like of 3.0 do not"},
	kmip.OperationEncrypt:         {kmip.ResultReasonMissingInitializationVector: "the server makes the IV that is not given", kmip.ResultReasonUsageLimitExceeded: "Permission Denied, as the text of the operation demands (2.1 §6.1.17, §6.1.55)"},
	kmip.OperationDecrypt:         {kmip.ResultReasonMissingInitializationVector: "Invalid Message, as servers answer that clients were tested against"},
	kmip.OperationSign:            {kmip.ResultReasonUsageLimitExceeded: "Permission Denied, as the text of the operation demands (2.1 §6.1.17, §6.1.55)"},
	kmip.OperationObtainLease:     {kmip.ResultReasonUsageLimitExceeded: "leases are not counted"},
}

// allRefusals are all requests that fail.
func allRefusals() []refusal {
	v := func() kmip.Version { return kmip.V21 }
	return slices.Concat(lifecycleRefusals(), attributeRefusals(v), creationRefusals(), makerRefusals(), valueRefusals(), cryptographicRefusals(), sessionRefusals())
}

// Each Result Reason that a text lists for an operation is one that a test
// provokes, or there is a reason why it cannot occur here.
func TestEveryListedReasonIsProvoked(t *testing.T) {
	list := allRefusals()
	for _, c := range []struct {
		v      kmip.Version
		listed map[kmip.Operation][]kmip.ResultReason
	}{{kmip.V14, listed14}, {kmip.V21, listed21}} {
		for op, reasons := range c.listed {
			for _, reason := range reasons {
				provoked := slices.ContainsFunc(list, func(r refusal) bool {
					return r.op == op && r.want.in(c.v) == reason && r.since <= c.v && (r.until == 0 || c.v <= r.until)
				})
				if !provoked && never[op][reason] == "" {
					t.Errorf("KMIP %s lists %s for %s, and no test provokes it", c.v, reason, op)
				}
				if provoked && never[op][reason] != "" {
					t.Errorf("KMIP %s, %s: %s is said never to occur, and does", c.v, op, reason)
				}
			}
		}
	}
}
