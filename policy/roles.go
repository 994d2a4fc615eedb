package policy

// Administrative actions.
const (
	ActionStatus         = "status.read"
	ActionDomainCreate   = "domain.create"
	ActionDomainList     = "domain.list"
	ActionClientCreate   = "client.create"
	ActionClientList     = "client.list"
	ActionClientRevoke   = "client.revoke"
	ActionUserCreate     = "user.create"
	ActionAuditList      = "audit.list"
	ActionReportRun      = "report.inventory"
	ActionKeyList        = "key.list"
	ActionKeyShow        = "key.show"
	ActionKeyRevoke      = "key.revoke"
	ActionKeyDestroy     = "key.destroy"
	ActionDomainProtect  = "domain.protect"
	ActionDomainRotate   = "domain.rotate-key"
	ActionRootShow       = "root.show"
	ActionRootEnroll     = "root.enroll"
	ActionRootRotate     = "root.rotate"
	ActionRootRetire     = "root.retire"
	ActionRootReinstate  = "root.reinstate"
	ActionRootForget     = "root.forget"
	ActionRootRemoveKey  = "root.remove-key"
	ActionRootRetry      = "root.retry"
	ActionJobList        = "job.list"
	ActionJobControl     = "job.control"
	ActionAuthentication = "authenticate" // only ever recorded, never asked for
)

type role struct {
	kind    string
	all     bool // every KMIP operation
	actions map[string]bool
}

// grants reports whether the role allows an action.
func (r role) grants(action string) bool {
	return r.actions[action] || r.all && !administrative[action]
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

var administrative = set(ActionStatus, ActionDomainCreate, ActionDomainList, ActionClientCreate, ActionClientList,
	ActionClientRevoke, ActionUserCreate, ActionAuditList, ActionReportRun, ActionKeyList, ActionKeyShow,
	ActionKeyRevoke, ActionKeyDestroy, ActionDomainProtect, ActionDomainRotate, ActionRootShow, ActionRootEnroll, ActionRootRotate,
	ActionRootRetire, ActionRootReinstate, ActionRootForget, ActionRootRemoveKey, ActionRootRetry, ActionJobList, ActionJobControl)

var roles = map[string]role{
	RoleFull:          {kind: KindClient, all: true},
	RoleUserAdmin:     {kind: KindClient, actions: set("CreateUser", "CreateGroup", "CreateCredential", "Query", "DiscoverVersions")},
	RoleAdministrator: {kind: KindAdministrator, actions: administrative},
	RoleRotation:      {kind: KindSystem, actions: set("ReKey", "ReKeyKeyPair", "ReCertify")},
}
