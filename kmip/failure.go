package kmip

import (
	"errors"
	"fmt"
)

// Kind is a kind of failure, independent of the version of the protocol and
// of the door that a call came through. Package dialect gives each kind its
// Result Reason, by version and operation; the admin API its HTTP status.
type Kind int

// The kinds of failure.
const (
	KindGeneral                 Kind = iota // nothing more can be said to the client
	KindObjectNotFound                      // no such object, or none that the caller may know of
	KindObjectDestroyed                     // only its metadata is left
	KindObjectArchived                      // recover it first
	KindObjectExists                        // the identifier is taken
	KindNoPlaceholder                       // no identifier was given and the ID Placeholder is empty
	KindWrongState                          // the lifecycle state, or a date, does not allow it
	KindNoTransition                        // the lifecycle has no such transition
	KindUsageMask                           // Cryptographic Usage Mask does not allow it
	KindUsageExhausted                      // Usage Limits are used up (cryptographic operation)
	KindUsageLimit                          // Usage Limits do not suffice (Check, Get Usage Allocation)
	KindLeaseRefused                        // Check: the lease would not be granted
	KindObjectType                          // wrong type of object for the operation
	KindObjectTypeMismatch                  // request's Object Type and object differ
	KindPermissionDenied                    // policy says no
	KindNotAuthenticated                    // credential or certificate not accepted
	KindAttributeReadOnly                   // a client may not set, change or delete it
	KindAttributeSingleValued               // it has a value already, or got two
	KindAttributeMultiValued                // more than one instance: say which
	KindAttributeUnsupported                // not known, or not in this version
	KindAttributeNotApplicable              // not for this type of object
	KindAttributeValue                      // value cannot be right
	KindAttributeNotFound                   // the object does not have it
	KindAttributeInstance                   // no such instance
	KindAttributeRepeated                   // named twice in the request
	KindAttributeIndex                      // an index where none may be
	KindNameNotUnique                       // another object of the domain has the Name
	KindTooMany                             // more instances or objects than the server takes
	KindMissingField                        // a required field is missing
	KindInvalidField                        // a field has an impossible value
	KindInvalidMessage                      // the message does not parse
	KindCodec                               // the encoding is broken
	KindUnknownTag                          // a field that the version does not have
	KindUnknownEnumeration                  // an enumeration value that the version does not have
	KindUnsupportedVersion                  // protocol version
	KindUnsupportedOperation                // unknown, or not in this version
	KindUnsupportedFeature                  // known, and not there
	KindUnsupportedExtension                // critical message extension
	KindResponseTooLarge                    // Maximum Response Size
	KindCryptographicFailure                // the computation failed
	KindMissingIV                           // an IV is needed
	KindTagLength                           // tag length of authenticated encryption
	KindParametersMissing                   // the algorithm needs parameters
	KindParametersUnsupported               // parameters known, and not there
	KindKeyFormat                           // Key Format Type not possible
	KindKeyCompression                      // Key Compression Type not possible
	KindKeyWrapType                         // Key Wrap Type not possible
	KindEncodingOption                      // Encoding Option not possible
	KindKeyValueNotPresent                  // the server has only metadata
	KindSensitive                           // may leave only wrapped
	KindNotExtractable                      // may not leave
	KindNamespace                           // Application Namespace not known
	KindStorageMask                         // protection storage not to be had
	KindPrivateStorage                      // protection storage of a private key
	KindPublicStorage                       // protection storage of a public key
	KindTemplateNotFound                    // KMIP 1.x
	KindOffsetWithDates                     // Offset together with dates
	KindOffsetWithoutActivation             // nothing to shift from
	KindBatchRefused                        // batch that cannot be undone
	KindUnavailable                         // database or HSM; try again
	KindIntegrity                           // stored data was tampered with
	KindNotQuantumSafe                      // Quantum Safe asked of what is not
	KindWrappingNotFound                    // wrapping key
	KindWrappingDestroyed                   // wrapping key
	KindWrappingArchived                    // wrapping key
	KindDataType                            // Adjust Attribute: type of value
	KindNumericRange                        // Adjust Attribute: out of range
	KindStream                              // no such operation in several parts
	KindAsynchronous                        // no such asynchronous request
	KindCancelled                           // asynchronous request that was cancelled
	KindProcessed                           // Process of what was processed
	KindTicket                              // ticket unknown, used up or ended
	KindNotAuthorised                       // outside the rights of a ticket
	KindAttestationRequired                 // an attestation is needed
	KindAttestationFailed                   // the attestation does not convince
	KindCSR                                 // certificate request that cannot be used
	KindPKCS12Password                      // PKCS#12 password link or object
	KindConstraint                          // Constraints of the domain
	KindUnknownGroup                        // Object Groups names one that is not there
	KindCircularLink                        // groups that contain each other
	KindPKCS11Codec                         // PKCS#11: input parameters
	KindPKCS11Function                      // PKCS#11: no such function
	KindPKCS11Interface                     // PKCS#11: no such interface
	kindCount                               // number of kinds
)

var kindNames = [kindCount]string{
	"general failure", "object not found", "object destroyed", "object archived", "object already exists",
	"no identifier", "wrong lifecycle state", "no such transition", "usage mask", "usage limit exhausted",
	"usage limit", "lease refused", "object type", "object type mismatch", "permission denied",
	"not authenticated", "attribute read-only", "attribute single-valued", "attribute multi-valued",
	"attribute unsupported", "attribute not applicable", "attribute value", "attribute not found",
	"attribute instance", "attribute repeated", "attribute index", "name not unique", "too many",
	"missing field", "invalid field", "invalid message", "codec error", "unknown tag",
	"unknown enumeration", "unsupported version", "unsupported operation", "unsupported feature",
	"unsupported extension", "response too large", "cryptographic failure", "missing IV", "tag length",
	"parameters missing", "parameters unsupported", "key format", "key compression", "key wrap type",
	"encoding option", "key value not present", "sensitive", "not extractable", "namespace",
	"storage mask", "private storage mask", "public storage mask", "template not found", "offset with dates", "offset without activation",
	"batch refused", "unavailable", "integrity", "not quantum safe", "wrapping key not found",
	"wrapping key destroyed", "wrapping key archived", "data type", "numeric range",
	"no such stream", "no such asynchronous request", "cancelled", "processed already", "ticket",
	"not authorised", "attestation required", "attestation failed", "certificate request",
	"PKCS#12 password", "constraint", "unknown object group", "circular link",
	"PKCS#11 codec", "PKCS#11 function", "PKCS#11 interface",
}

func (k Kind) String() string {
	if k < 0 || k >= kindCount {
		return "unknown failure"
	}
	return kindNames[k]
}

// Kinds lists all kinds, for tests that walk them.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// KindNamed returns the kind that has a name; KindGeneral when none has.
func KindNamed(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return Kind(k)
		}
	}
	return KindGeneral
}

// Failure is an error with a kind. Message is for the client and holds no
// secret; Cause is for the operator's log and never leaves the server.
type Failure struct {
	Kind    Kind
	Message string
	Cause   error
}

// Fail makes a failure with a sentence for the client.
func Fail(kind Kind, format string, args ...any) error {
	return &Failure{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// FailFrom makes a failure that keeps its cause for the log.
func FailFrom(cause error, kind Kind, message string) error {
	return &Failure{Kind: kind, Message: message, Cause: cause}
}

func (f *Failure) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", f.Kind, f.Message, f.Cause)
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Message)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// KindOf returns the kind of an error; KindGeneral for one that has none.
func KindOf(err error) Kind {
	var f *Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return KindGeneral
}
