package payload

import "github.com/claviger/claviger/kmip"

// ArchiveRequest moves an object to archival storage (§6.1.4).
type ArchiveRequest struct {
	UniqueIdentifier kmip.Reference
}

// ArchiveResponse names the object.
type ArchiveResponse struct {
	UniqueIdentifier string
}
