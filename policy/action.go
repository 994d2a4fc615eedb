package policy

import (
	"maps"
	"slices"
)

// Administrative actions. Those of KMIP are named after their operation.
const (
	ActionStatus          = "status.read"
	ActionDomainCreate    = "domain.create"
	ActionDomainList      = "domain.list"
	ActionDomainProtect   = "domain.protect"
	ActionDomainQuota     = "domain.quota"
	ActionDomainRotate    = "domain.rotate-key"
	ActionClientCreate    = "client.create" // an identity and its certificates; not what it may do
	ActionClientAccess    = "client.access" // one more way in for clients that may do something
	ActionClientUpdate    = "client.update" // how and from where it may come
	ActionClientList      = "client.list"
	ActionClientRevoke    = "client.revoke"
	ActionClientGrant     = "client.grant" // which role a client or user has
	ActionUserCreate      = "user.create"
	ActionUserList        = "user.list"
	ActionUserDisable     = "user.disable"
	ActionUserEnable      = "user.enable"
	ActionUserPassword    = "user.password" // set another one
	ActionTrustUpdate     = "trust.update"  // authorities whose certificates are accepted
	ActionTrustList       = "trust.list"
	ActionAdminCreate     = "administrator.create"
	ActionAdminList       = "administrator.list"
	ActionAdminRevoke     = "administrator.revoke"
	ActionAdminRenew      = "administrator.renew" // one's own certificate
	ActionAuditList       = "audit.list"
	ActionReportRun       = "report.inventory"
	ActionPolicyShow      = "policy.show"
	ActionPolicyUpdate    = "policy.update"
	ActionPolicyTry       = "policy.try" // explain, simulate and compare
	ActionKeyPolicyShow   = "key-policy.show"
	ActionKeyPolicyUpdate = "key-policy.update"
	ActionKeyList         = "key.list"
	ActionKeyShow         = "key.show"
	ActionKeyRevoke       = "key.revoke"
	ActionKeyDestroy      = "key.destroy"
	ActionKeyRestore      = "key.restore" // cancels a destruction that is pending
	ActionApprovalList    = "approval.list"
	ActionApprovalGive    = "approval.give"
	ActionApprovalVouch   = "approval.vouch" // approve what makes administrators
	ActionBreakGlass      = "break-glass"    // hand out new codes
	ActionBreakGlassClose = "break-glass.close"
	ActionRootShow        = "root.show"
	ActionRootEnroll      = "root.enroll"
	ActionRootRotate      = "root.rotate"
	ActionRootRetire      = "root.retire"
	ActionRootReinstate   = "root.reinstate"
	ActionRootForget      = "root.forget"
	ActionRootRemoveKey   = "root.remove-key"
	ActionRootRetry       = "root.retry"
	ActionJobList         = "job.list"
	ActionJobControl      = "job.control"
	ActionAuthentication  = "authenticate" // only ever recorded, never asked for
)

// duty is a set of roles of administrators that exclude each other.
type duty uint8

const (
	system   duty = 1 << iota // runs the appliance, and says who is who
	officer                   // says who may do what, and ends keys
	auditor                   // reads everything but material
	everyone = system | officer | auditor
)

// administrative says whose duty an action is.
var administrative = map[string]duty{
	ActionStatus:          everyone,
	ActionDomainCreate:    system,
	ActionDomainList:      everyone,
	ActionDomainProtect:   officer,
	ActionDomainQuota:     system,
	ActionDomainRotate:    officer,
	ActionClientCreate:    system,
	ActionClientAccess:    system,
	ActionClientUpdate:    system,
	ActionClientList:      everyone,
	ActionClientRevoke:    system | officer,
	ActionClientGrant:     officer,
	ActionUserCreate:      system,
	ActionUserList:        everyone,
	ActionUserDisable:     system | officer,
	ActionUserEnable:      officer, // not of whoever sets passwords
	ActionUserPassword:    system,
	ActionTrustUpdate:     system,
	ActionTrustList:       everyone,
	ActionAdminCreate:     officer,
	ActionAdminList:       everyone,
	ActionAdminRevoke:     officer,
	ActionAdminRenew:      everyone,
	ActionAuditList:       auditor,
	ActionReportRun:       officer | auditor,
	ActionPolicyShow:      officer | auditor,
	ActionPolicyUpdate:    officer,
	ActionPolicyTry:       officer | auditor,
	ActionKeyPolicyShow:   officer | auditor,
	ActionKeyPolicyUpdate: officer,
	ActionKeyList:         officer | auditor,
	ActionKeyShow:         officer | auditor,
	ActionKeyRevoke:       officer,
	ActionKeyDestroy:      officer,
	ActionKeyRestore:      officer,
	ActionApprovalList:    everyone,
	ActionApprovalGive:    officer,
	ActionApprovalVouch:   everyone,
	ActionBreakGlass:      system | officer,
	ActionBreakGlassClose: officer, // and break-glass itself, which has all roles
	ActionRootShow:        everyone,
	ActionRootEnroll:      system,
	ActionRootRotate:      officer,
	ActionRootRetire:      system,
	ActionRootReinstate:   system,
	ActionRootForget:      officer,
	ActionRootRemoveKey:   officer,
	ActionRootRetry:       system,
	ActionJobList:         everyone,
	ActionJobControl:      system | officer,
}

// ofInstallation are the actions that no domain's document is asked about.
var ofInstallation = map[string]bool{
	ActionStatus: true, ActionDomainCreate: true, ActionDomainProtect: true, ActionDomainRotate: true,
	ActionAdminCreate: true, ActionAdminList: true, ActionAdminRevoke: true, ActionAdminRenew: true, ActionAuditList: true,
	ActionApprovalList: true, ActionApprovalVouch: true, ActionBreakGlass: true, ActionBreakGlassClose: true,
	ActionRootShow: true, ActionRootEnroll: true, ActionRootRotate: true, ActionRootRetire: true, ActionRootReinstate: true,
	ActionRootForget: true, ActionRootRemoveKey: true, ActionRootRetry: true, ActionJobList: true, ActionJobControl: true,
}

// OfInstallation reports whether an action is about the installation: the document of
// the installation alone is asked about it.
func OfInstallation(action string) bool { return ofInstallation[action] }

// Actions lists the administrative actions.
func Actions() []string { return slices.Sorted(maps.Keys(administrative)) }
