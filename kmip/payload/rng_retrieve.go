package payload

// RNGRetrieveRequest asks for random bytes (§6.1.48).
type RNGRetrieveRequest struct {
	DataLength *int32
}

// RNGRetrieveResponse carries them.
type RNGRetrieveResponse struct {
	Data []byte
}
