package kmip

// Rule says who may do what with an attribute, the same in all versions (§4,
// the rules table of each attribute). Conditions that depend on the state of
// the object are the business of custody.
type Rule struct {
	// Create: a client may give it when the object is made.
	Create bool
	// Add: a client may add it to an object that is there.
	Add bool
	// Modify and Delete: a client may change or delete it.
	Modify, Delete bool
	// Multi: it may have several instances.
	Multi bool
}

var (
	server       = Rule{}
	serverMulti  = Rule{Multi: true}
	creation     = Rule{Create: true}
	fixed        = Rule{Create: true, Add: true}
	changeable   = Rule{Create: true, Add: true, Modify: true}
	client       = Rule{Create: true, Add: true, Modify: true, Delete: true}
	clientMulti  = Rule{Create: true, Add: true, Modify: true, Delete: true, Multi: true}
	fixedMulti   = Rule{Create: true, Add: true, Multi: true}
	vendorServer = Rule{Multi: true}
)

// rules holds every attribute of KMIP 1.0 to 3.0.
var rules = map[Tag]Rule{
	TagActivationDate:                 changeable,
	TagAlternativeName:                clientMulti,
	TagAlwaysSensitive:                server,
	TagApplicationSpecificInformation: clientMulti,
	TagArchiveDate:                    server,
	TagCertificateIdentifier:          server,
	TagCertificateIssuer:              server,
	TagCertificateLength:              server,
	TagCertificateSubject:             server,
	TagCertificateType:                creation,
	TagComment:                        client,
	TagCompromiseDate:                 server,
	TagCompromiseOccurrenceDate:       server,
	TagContactInformation:             client,
	TagCryptographicAlgorithm:         creation,
	TagCryptographicDomainParameters:  creation,
	TagCryptographicLength:            creation,
	TagCryptographicParameters:        clientMulti,
	TagCryptographicUsageMask:         creation,
	TagDeactivationDate:               changeable,
	TagDescription:                    client,
	TagDestroyDate:                    server,
	TagDigest:                         serverMulti,
	TagDigitalSignatureAlgorithm:      serverMulti,
	TagExtractable:                    changeable,
	TagFresh:                          creation,
	TagInitialDate:                    server,
	TagKeyFormatType:                  creation, // of what the server makes
	TagKeyValueLocation:               clientMulti,
	TagKeyValuePresent:                server,
	TagLastChangeDate:                 server,
	TagLeaseTime:                      server,
	TagLink:                           clientMulti,
	TagNISTKeyType:                    fixedMulti,
	TagName:                           clientMulti,
	TagNeverExtractable:               server,
	TagObjectClass:                    server,
	TagObjectGroup:                    clientMulti,
	TagObjectType:                     server,
	TagOpaqueDataType:                 server,
	TagOperationPolicyName:            fixed,
	TagOriginalCreationDate:           fixed,
	TagPKCS12FriendlyName:             client,
	TagProcessStartDate:               changeable,
	TagProtectStopDate:                changeable,
	TagProtectionLevel:                client,
	TagProtectionPeriod:               client,
	TagProtectionStorageMask:          server,
	TagQuantumSafe:                    client,
	TagRandomNumberGenerator:          fixed,
	TagRevocationReason:               server,
	TagRotateAutomatic:                fixed,
	TagRotateDate:                     server,
	TagRotateGeneration:               server,
	TagRotateInterval:                 fixed,
	TagRotateLatest:                   server,
	TagRotateName:                     client,
	TagRotateOffset:                   fixed,
	TagSensitive:                      changeable,
	TagShortUniqueIdentifier:          server,
	TagState:                          server,
	TagUniqueIdentifier:               server,
	TagUsageLimits:                    client,
	TagX509CertificateIdentifier:      server,
	TagX509CertificateIssuer:          server,
	TagX509CertificateSubject:         server,
	// KMIP 3.0: links without a Link Type, and what else its tables list.
	TagCertificateRequestLink:         client,
	TagCredentialLink:                 clientMulti,
	TagPasswordLink:                   client,
	TagGroupLink:                      clientMulti,
	TagSplitKeyBaseLink:               client,
	TagJoinedSplitKeyPartsLink:        clientMulti,
	TagSplitKeyParts:                  server,
	TagKeyPartIdentifier:              server,
	TagSplitKeyThreshold:              server,
	TagSplitKeyMethod:                 server,
	TagSplitKeyPolynomial:             server,
	TagCredentialType:                 server,
	TagDeactivationReason:             server,
	TagNISTSecurityCategory:           client,
	TagOTPCounter:                     server,
	TagEncryptCounter:                 server,
	TagDecryptCounter:                 server,
	TagSignCounter:                    server,
	TagSignatureVerifyCounter:         server,
	TagCertificateSubjectDN:           server,
	TagCertificateIssuerDN:            server,
	TagCertificateSubjectCN:           serverMulti,
	TagCertificateSubjectO:            serverMulti,
	TagCertificateSubjectOU:           serverMulti,
	TagCertificateSubjectEmail:        serverMulti,
	TagCertificateSubjectC:            serverMulti,
	TagCertificateSubjectST:           serverMulti,
	TagCertificateSubjectL:            serverMulti,
	TagCertificateSubjectUID:          serverMulti,
	TagCertificateSubjectSerialNumber: serverMulti,
	TagCertificateSubjectTitle:        serverMulti,
	TagCertificateSubjectDC:           serverMulti,
	TagCertificateSubjectDNQualifier:  serverMulti,
	TagCertificateIssuerCN:            serverMulti,
	TagCertificateIssuerO:             serverMulti,
	TagCertificateIssuerOU:            serverMulti,
	TagCertificateIssuerEmail:         serverMulti,
	TagCertificateIssuerC:             serverMulti,
	TagCertificateIssuerST:            serverMulti,
	TagCertificateIssuerL:             serverMulti,
	TagCertificateIssuerUID:           serverMulti,
	TagCertificateIssuerSerialNumber:  serverMulti,
	TagCertificateIssuerTitle:         serverMulti,
	TagCertificateIssuerDC:            serverMulti,
	TagCertificateIssuerDNQualifier:   serverMulti,
}

// RuleOf returns the rule of an attribute; false when it is none.
func RuleOf(id AttributeID) (Rule, bool) {
	if id.IsVendor() {
		if id.Vendor == VendorY {
			return vendorServer, true
		}
		return clientMulti, id.Name != ""
	}
	r, ok := rules[id.Tag]
	return r, ok
}
