package crypto

//lint:file-ignore SA1019 the protocol has DSA, and keys of clients use it

import (
	"crypto/dsa" //nolint:staticcheck // the protocol has DSA, and keys of clients use it
)

// x509DSAPublic is what crypto/x509 makes of the key of a certificate.
type x509DSAPublic = dsa.PublicKey
