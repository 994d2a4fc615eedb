package worker

// op is a method of hsm.Token.
type op byte

const (
	opCapabilities op = iota + 1
	opGenerate
	opKeys
	opFind
	opDestroy
	opEncrypt
	opDecrypt
	opWrap
	opEncryptWrapped
	opDecryptWrapped
	opGenerateObject
	opObjects
	opDestroyObject
	opObjectEncrypt
	opObjectDecrypt
	opObjectSign
	opObjectMAC
	opRandom
	opCheck
)

var opNames = [...]string{
	opCapabilities: "capabilities", opGenerate: "generate root key", opKeys: "list root keys", opFind: "find root key",
	opDestroy: "destroy", opEncrypt: "encrypt", opDecrypt: "decrypt", opWrap: "wrap", opEncryptWrapped: "encrypt under a wrapped key",
	opDecryptWrapped: "decrypt under a wrapped key", opGenerateObject: "generate object", opObjects: "list objects",
	opDestroyObject: "destroy object", opObjectEncrypt: "encrypt by an object", opObjectDecrypt: "decrypt by an object",
	opObjectSign: "sign by an object", opObjectMAC: "MAC by an object", opRandom: "random", opCheck: "check",
}

func (o op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return "unknown call"
}

// repeatable reports whether a call can be made again when nobody knows whether
// it was done.
func (o op) repeatable() bool {
	switch o {
	case opGenerate, opDestroy, opGenerateObject, opDestroyObject:
		return false
	}
	return true
}

// generates reports whether a call may take as long as making an RSA key takes.
func (o op) generates() bool { return o == opGenerate || o == opGenerateObject }
