package hsm

// WrappedKey is an AES-256 key under a root key for PurposeWrap. It is no secret,
// and bound to nothing: who keeps it proves, by opening something that the key
// made, that it is the one that was meant.
type WrappedKey struct {
	RootKey string
	Value   []byte
}
