package operation

import "github.com/claviger/claviger/kmip"

// entry is one row of the table: an operation, whether it needs a client that
// is known, whether it changes nothing, and the function. In which versions an
// operation exists is the business of dialect.
type entry struct {
	operation kmip.Operation
	anonymous bool
	readOnly  bool
	run       handler
}

type table struct {
	rows  []entry
	index map[kmip.Operation]*entry
}

// newTable lists the operations of the server. What is not here answers
// Operation Not Supported, and Query does not list it. Those of the protocol
// that are still to come:
//
//	keys          Derive Key, Create Split Key, Join Split Key
//	certificates  Certify, Re-certify, Validate
//	objects       Export, Import, Deactivate
//	cryptography  PKCS#11
//	server        Poll, Cancel, Process, Query Asynchronous Requests, Set
//	              Defaults, Set Constraints, Get Constraints, Set Endpoint
//	              Role, Notify, Put, Re-Provision
//	identity      Login, Logout, Delegated Login, Create User, Create Group,
//	              Create Credential
func newTable(interop bool) *table {
	t := &table{rows: []entry{
		{operation: kmip.OperationDiscoverVersions, run: bind(discoverVersions), anonymous: true, readOnly: true},
		{operation: kmip.OperationQuery, run: bind(query), anonymous: true, readOnly: true},
		{operation: kmip.OperationCreate, run: bind(create)},
		{operation: kmip.OperationCreateKeyPair, run: bind(createKeyPair)},
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
		{operation: kmip.OperationReKeyKeyPair, run: bind(reKeyKeyPair)},
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

// objectTypes are the types of managed objects that the server takes.
var objectTypes = []kmip.ObjectType{
	kmip.ObjectTypeCertificate, kmip.ObjectTypeSymmetricKey, kmip.ObjectTypePublicKey,
	kmip.ObjectTypePrivateKey, kmip.ObjectTypeSecretData, kmip.ObjectTypeOpaqueObject,
}
