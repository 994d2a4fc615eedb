package payload

import "github.com/claviger/claviger/kmip"

// PKCS11Request calls a function of PKCS#11 (§6.1.37).
type PKCS11Request struct {
	PKCS11Interface       string              `kmip:"PKCS_11Interface"`
	PKCS11Function        kmip.PKCS11Function `kmip:"PKCS_11Function"`
	CorrelationValue      []byte
	PKCS11InputParameters []byte `kmip:"PKCS_11InputParameters"`
}

// PKCS11Response carries what it returned.
type PKCS11Response struct {
	PKCS11Interface        string              `kmip:"PKCS_11Interface"`
	PKCS11Function         kmip.PKCS11Function `kmip:"PKCS_11Function"`
	CorrelationValue       []byte
	PKCS11OutputParameters []byte                 `kmip:"PKCS_11OutputParameters"`
	PKCS11ReturnCode       *kmip.PKCS11ReturnCode `kmip:"PKCS_11ReturnCode"`
}
