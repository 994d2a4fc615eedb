package policy

// Roles of clients and users.
const (
	// RoleFull: every KMIP operation on the objects of the client's domain.
	RoleFull = "full"
	// RoleUserAdmin: users, groups and credentials over KMIP 3.0; no objects.
	RoleUserAdmin = "user-admin"
	// RoleNone: nothing, until a security officer grants another role.
	RoleNone = "none"
)

// Roles of administrators. None leads to key material or cryptographic use.
const (
	// RoleAdministrator: everything that administrators may do; of the first one.
	RoleAdministrator = "administrator"
	RoleSystem        = "system"
	RoleOfficer       = "security-officer"
	RoleAuditor       = "auditor"
)

// RoleRotation is what the server itself does with objects that it rotates.
const RoleRotation = "rotation"

type role struct {
	kind    string
	all     bool // every KMIP operation
	duty    duty
	actions map[string]bool
}

// grants reports whether the role allows an action.
func (r role) grants(action string) bool {
	d, admin := administrative[action]
	if admin {
		return r.duty&d != 0
	}
	return r.all || r.actions[action]
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

var roles = map[string]role{
	RoleFull:          {kind: KindClient, all: true},
	RoleUserAdmin:     {kind: KindClient, actions: set("CreateUser", "CreateGroup", "CreateCredential", "Query", "DiscoverVersions")},
	RoleNone:          {kind: KindClient, actions: set("Query", "DiscoverVersions")},
	RoleAdministrator: {kind: KindAdministrator, duty: everyone},
	RoleSystem:        {kind: KindAdministrator, duty: system},
	RoleOfficer:       {kind: KindAdministrator, duty: officer},
	RoleAuditor:       {kind: KindAdministrator, duty: auditor},
	RoleRotation:      {kind: KindSystem, actions: set("ReKey", "ReKeyKeyPair", "ReCertify")},
}
