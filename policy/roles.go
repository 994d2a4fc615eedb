package policy

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Roles of clients and users that are ready. What each may do stands in the
// folder "ready", in Cedar.
const (
	RoleFull         = "full"
	RoleNone         = "none"
	RoleUserAdmin    = "user-admin"
	RoleStorageArray = "storage-array"
	RoleDatabase     = "database"
	RoleBackup       = "backup"
	RoleApplication  = "application"
	RoleRegistrar    = "registrar"
	RoleInspector    = "auditor"
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

// administrators are the roles of administrators with their duties.
var administrators = map[string]duty{
	RoleAdministrator: everyone,
	RoleSystem:        system,
	RoleOfficer:       officer,
	RoleAuditor:       auditor,
}

// decideSystem answers what the server itself does.
func decideSystem(r *Request) Decision {
	duties := map[string][]string{
		RoleRotation:      {"ReKey", "ReKeyKeyPair", "ReCertify"},
		RoleAdministrator: Actions(),
	}
	if slices.Contains(duties[r.Principal.Role], r.Action) {
		return Decision{Allow: true, Reason: "it is a duty of the server"}
	}
	return Decision{Reason: "it is no duty of the server"}
}

//go:embed ready/*.cedar
var readyFiles embed.FS

// ready are the policies of the roles that are ready; without them, which errReady
// tells, nobody is permitted anything. Both are only read.
var ready, errReady = readReady(readyFiles)

func readReady(files fs.FS) (*Compiled, error) {
	d := Document{Source: "ready"}
	names, err := fs.Glob(files, "ready/*.cedar")
	if err != nil {
		return &Compiled{}, err
	}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return &Compiled{}, err
		}
		d.Text += string(b)
		d.Roles = append(d.Roles, strings.TrimSuffix(path.Base(name), ".cedar"))
	}
	c, err := Compile(d)
	if err != nil {
		return &Compiled{}, err
	}
	return c, nil
}

// Ready is the Cedar text of a role that is ready.
func Ready(role string) (string, bool) {
	b, err := readyFiles.ReadFile(path.Join("ready", path.Base(role)+".cedar"))
	return string(b), err == nil
}

// Roles lists the ready roles that clients and users, or administrators, can have.
func Roles(kind string) []string {
	if kind == KindAdministrator {
		var list []string
		for r := range administrators {
			list = append(list, r)
		}
		slices.Sort(list)
		return list
	}
	return slices.Clone(ready.Roles)
}

// RolesWith lists the roles that there are with a document.
func RolesWith(c *Compiled) []string {
	list := append(Roles(KindClient), c.Roles...)
	slices.Sort(list)
	return slices.Compact(list)
}
