package operation

import "github.com/claviger/claviger/kmip"

// entry is one row of the table: an operation, whether it needs a client that
// is known, whether it changes nothing, whether it is never processed
// asynchronously, or takes so long that it is when the client allows it, and the
// function. In which versions an operation exists is the business of dialect.
type entry struct {
	operation kmip.Operation
	anonymous bool
	readOnly  bool
	immediate bool
	slow      bool
	run       handler
}

type table struct {
	rows  []entry
	index map[kmip.Operation]*entry
}

// newTable lists the operations of the server. What is not here answers
// Operation Not Supported, and Query does not list it. Notify and Put are
// messages of the server: see package server.
func newTable(interop bool) *table {
	t := &table{rows: []entry{
		{operation: kmip.OperationDiscoverVersions, run: bind(discoverVersions), anonymous: true, readOnly: true},
		{operation: kmip.OperationQuery, run: bind(query), anonymous: true, readOnly: true},
		{operation: kmip.OperationCreate, run: bind(create)},
		{operation: kmip.OperationCreateKeyPair, slow: true, run: bind(createKeyPair)},
		{operation: kmip.OperationRegister, run: bind(register)},
		{operation: kmip.OperationReKey, run: bind(reKey)},
		{operation: kmip.OperationLocate, run: bind(locate), readOnly: true},
		{operation: kmip.OperationCheck, run: bind(check), readOnly: true},
		{operation: kmip.OperationGet, run: bind(get), readOnly: true},
		{operation: kmip.OperationGetAttributes, run: bind(getAttributes), readOnly: true},
		{operation: kmip.OperationGetAttributeList, run: bind(getAttributeList), readOnly: true},
		{operation: kmip.OperationAddAttribute, run: bind(addAttribute)},
		{operation: kmip.OperationModifyAttribute, run: bind(modifyAttribute)},
		{operation: kmip.OperationSetAttribute, run: bind(setAttribute)},
		{operation: kmip.OperationDeleteAttribute, run: bind(deleteAttribute)},
		{operation: kmip.OperationActivate, run: bind(activate)},
		{operation: kmip.OperationRevoke, run: bind(revoke)},
		{operation: kmip.OperationDestroy, run: bind(destroy)},
		{operation: kmip.OperationEncrypt, run: bind(encrypt)},
		{operation: kmip.OperationDecrypt, run: bind(decrypt), readOnly: true},
		{operation: kmip.OperationReKeyKeyPair, slow: true, run: bind(reKeyKeyPair)},
		{operation: kmip.OperationArchive, run: bind(archive)},
		{operation: kmip.OperationRecover, run: bind(recoverObject)},
		{operation: kmip.OperationObliterate, run: bind(obliterate)},
		{operation: kmip.OperationObtainLease, run: bind(obtainLease), readOnly: true},
		{operation: kmip.OperationGetUsageAllocation, run: bind(getUsageAllocation)},
		{operation: kmip.OperationAdjustAttribute, run: bind(adjustAttribute)},
		{operation: kmip.OperationSign, run: bind(sign)},
		{operation: kmip.OperationSignatureVerify, run: bind(signatureVerify), readOnly: true},
		{operation: kmip.OperationMAC, run: bind(mac), readOnly: true},
		{operation: kmip.OperationMACVerify, run: bind(macVerify), readOnly: true},
		{operation: kmip.OperationHash, run: bind(hash), readOnly: true},
		{operation: kmip.OperationRNGRetrieve, run: bind(rngRetrieve), readOnly: true},
		{operation: kmip.OperationRNGSeed, run: bind(rngSeed), readOnly: true},
		{operation: kmip.OperationLog, run: bind(logMessage), readOnly: true},
		{operation: kmip.OperationPing, run: bind(ping), readOnly: true},
		{operation: kmip.OperationDeriveKey, run: bind(deriveKey)},
		{operation: kmip.OperationCertify, run: bind(certify)},
		{operation: kmip.OperationReCertify, run: bind(reCertify)},
		{operation: kmip.OperationValidate, run: bind(validate), readOnly: true},
		{operation: kmip.OperationCreateSplitKey, run: bind(createSplitKey)},
		{operation: kmip.OperationJoinSplitKey, run: bind(joinSplitKey)},
		{operation: kmip.OperationExport, run: bind(export), readOnly: true},
		{operation: kmip.OperationImport, run: bind(importObject)},
		{operation: kmip.OperationLogin, run: bind(login), immediate: true},
		{operation: kmip.OperationLogout, run: bind(logout), immediate: true},
		{operation: kmip.OperationDelegatedLogin, run: bind(delegatedLogin), immediate: true},
		{operation: kmip.OperationSetEndpointRole, run: bind(setEndpointRole), immediate: true},
		{operation: kmip.OperationPKCS11, run: bind(pkcs11), readOnly: true},
		{operation: kmip.OperationReProvision, run: bind(reProvision)},
		{operation: kmip.OperationSetDefaults, run: bind(setDefaults)},
		{operation: kmip.OperationSetConstraints, run: bind(setConstraints)},
		{operation: kmip.OperationGetConstraints, run: bind(getConstraints), readOnly: true},
		{operation: kmip.OperationPoll, run: bind(poll), readOnly: true, immediate: true},
		{operation: kmip.OperationCancel, run: bind(cancel), immediate: true},
		{operation: kmip.OperationProcess, run: bind(process), immediate: true},
		{operation: kmip.OperationQueryAsynchronousRequests, run: bind(queryAsynchronousRequests), readOnly: true, immediate: true},
		{operation: kmip.OperationDeactivate, run: bind(deactivate)},
		{operation: kmip.OperationCreateUser, run: bind(createUser)},
		{operation: kmip.OperationCreateGroup, run: bind(createGroup)},
		{operation: kmip.OperationCreateCredential, run: bind(createCredential)},
	}}
	if interop {
		t.rows = append(t.rows, entry{operation: kmip.OperationInterop, run: bind(interopMark), readOnly: true})
	}
	t.index = make(map[kmip.Operation]*entry, len(t.rows))
	for i := range t.rows {
		t.index[t.rows[i].operation] = &t.rows[i]
	}
	return t
}
