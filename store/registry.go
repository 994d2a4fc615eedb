package store

import "time"

// Domain is a tenant.
type Domain struct {
	Name    string
	Created time.Time
}

// Client is a KMIP identity of a domain.
type Client struct {
	Domain  string
	Name    string
	Role    string
	Revoked time.Time // zero while the client is good
	Created time.Time
}

// Certificate is a client certificate: a client may have several.
type Certificate struct {
	Domain      string
	Client      string
	Fingerprint []byte // SHA-256 of the DER form
	Serial      string // hexadecimal
	NotAfter    time.Time
	Revoked     time.Time
	Created     time.Time
}

// User is a KMIP user with a Username and Password credential.
type User struct {
	Domain   string
	Name     string
	Role     string
	Password string // Argon2id in PHC form, never the password
	Disabled time.Time
	Created  time.Time
}

// Administrator operates the appliance.
type Administrator struct {
	Name        string
	Role        string
	Fingerprint []byte // of the certificate, SHA-256 of the DER form
	NotAfter    time.Time
	Revoked     time.Time
	Created     time.Time
}

// DomainKey is one wrapped copy of one generation of a domain key.
type DomainKey struct {
	Domain     string
	Generation int32
	Token      string // identity of the token whose root key wraps this copy
	RootKey    string // identifier of that root key in the token
	Wrapped    []byte
	Created    time.Time
}

// DomainKeyChange replaces a copy that is still wrapped by the root key From:
// ErrConflict when it is not, or is not there.
type DomainKeyChange struct {
	DomainKey
	From string
}

// DomainKeyRef names a copy of a domain key.
type DomainKeyRef struct {
	Domain     string
	Generation int32
	Token      string
}

// GenerationRef names a generation of a domain's key.
type GenerationRef struct {
	Domain     string
	Generation int32
}

// Generation is what the store knows of a generation of a domain's key.
type Generation struct {
	GenerationRef
	// Closed is since when nothing new is sealed under it; zero while it is open.
	Closed time.Time
	// Copies is for how many tokens it is wrapped; 0 when it has been dropped.
	Copies int
}

// Setting is a value of the installation.
type Setting struct {
	Name  string
	Value []byte
}

// AuditQuery narrows Registry.Audit.
type AuditQuery struct {
	Domain    string // any when empty
	UID       string
	Actor     string
	Operation string
	Outcome   string
	From, To  time.Time
	Before    int64 // entries with a smaller sequence number; 0 starts at the newest
	Limit     int   // required, 1 to 1000
}
