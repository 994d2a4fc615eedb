package payload

// RNGSeedRequest offers a seed (§6.1.49).
type RNGSeedRequest struct {
	Data []byte
}

// RNGSeedResponse tells how many bytes of it were used.
type RNGSeedResponse struct {
	DataLength *int32
}
