package policy

import (
	"maps"
	"slices"

	"github.com/claviger/claviger/kmip"
)

// groups are the groups of actions that policies can name. Every operation of
// KMIP is in one, and all of them are in "kmip"; the administrative actions are
// in "administration".
var groups = map[string][]kmip.Operation{
	// what a connection needs, and asks about the server
	"session": {
		kmip.OperationQuery, kmip.OperationDiscoverVersions, kmip.OperationPing, kmip.OperationLogin, kmip.OperationLogout,
		kmip.OperationDelegatedLogin, kmip.OperationSetEndpointRole, kmip.OperationPoll, kmip.OperationCancel, kmip.OperationProcess,
		kmip.OperationQueryAsynchronousRequests, kmip.OperationLog, kmip.OperationNotify, kmip.OperationPut, kmip.OperationInterop,
	},
	// looks at objects, and never at their value
	"inspect": {
		kmip.OperationLocate, kmip.OperationCheck, kmip.OperationGetAttributes, kmip.OperationGetAttributeList,
		kmip.OperationObtainLease, kmip.OperationValidate, kmip.OperationGetConstraints,
	},
	// takes the value of objects out of the server
	"retrieve": {kmip.OperationGet, kmip.OperationExport},
	// makes objects
	"create": {
		kmip.OperationCreate, kmip.OperationCreateKeyPair, kmip.OperationRegister, kmip.OperationImport, kmip.OperationDeriveKey,
		kmip.OperationCertify, kmip.OperationCreateSplitKey, kmip.OperationJoinSplitKey,
	},
	// makes the successor of an object
	"rotate": {kmip.OperationReKey, kmip.OperationReKeyKeyPair, kmip.OperationReCertify},
	// changes attributes
	"describe": {
		kmip.OperationAddAttribute, kmip.OperationModifyAttribute, kmip.OperationSetAttribute, kmip.OperationDeleteAttribute,
		kmip.OperationAdjustAttribute,
	},
	// changes the state
	"lifecycle": {
		kmip.OperationActivate, kmip.OperationRevoke, kmip.OperationDeactivate, kmip.OperationArchive, kmip.OperationRecover,
	},
	// ends objects
	"end": {kmip.OperationDestroy, kmip.OperationObliterate},
	// applies protection
	"protect": {kmip.OperationEncrypt, kmip.OperationSign, kmip.OperationMAC},
	// processes what is protected
	"process": {kmip.OperationDecrypt, kmip.OperationSignatureVerify, kmip.OperationMACVerify},
	// cryptography that needs no object, or only counts
	"compute": {
		kmip.OperationHash, kmip.OperationRNGRetrieve, kmip.OperationRNGSeed, kmip.OperationGetUsageAllocation, kmip.OperationPKCS11,
	},
	// says who there is and what objects are like
	"members": {
		kmip.OperationCreateUser, kmip.OperationCreateGroup, kmip.OperationCreateCredential, kmip.OperationSetDefaults,
		kmip.OperationSetConstraints, kmip.OperationReProvision,
	},
}

// Groups of all actions.
const (
	groupKMIP  = "kmip"
	groupAdmin = "administration"
)

// groupOf names the group of each action. Filled once, read only.
var groupOf = func() map[string]string {
	m := map[string]string{}
	for g, list := range groups {
		for _, op := range list {
			m[op.String()] = g
		}
	}
	for a := range administrative {
		m[a] = groupAdmin
	}
	return m
}()

// Operations lists the KMIP operations as actions.
func Operations() []string {
	var list []string
	for a, g := range groupOf {
		if g != groupAdmin {
			list = append(list, a)
		}
	}
	slices.Sort(list)
	return list
}

// expand lists the actions that an action of a policy stands for: itself, or
// those of the group.
func expand(action string) []string {
	switch action {
	case groupAdmin:
		return slices.Sorted(maps.Keys(administrative))
	case groupKMIP:
		return Operations()
	}
	list, ok := groups[action]
	if !ok {
		return []string{action}
	}
	names := make([]string, 0, len(list))
	for _, op := range list {
		names = append(names, op.String())
	}
	return names
}
