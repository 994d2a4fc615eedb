package operation

import (
	"context"
	"slices"
	"strings"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/custody"
	"github.com/claviger/claviger/kmip/payload"
)

// query answers from the tables that the server runs on (§6.1.40). What the
// version of the request does not have, dialect leaves out.
func query(ctx context.Context, c *call, r *payload.QueryRequest) (*payload.QueryResponse, error) {
	if err := c.server.Custody.AskGroups(ctx, c.scope, groups(r.ObjectGroups)); err != nil {
		return nil, err
	}
	resp := &payload.QueryResponse{}
	for _, f := range r.QueryFunction {
		switch f {
		case kmip.QueryFunctionQueryOperations:
			resp.Operation = nil
			for _, e := range c.server.table.rows {
				resp.Operation = append(resp.Operation, e.operation)
			}
		case kmip.QueryFunctionQueryObjects:
			resp.ObjectType = append(slices.Clone(custody.UserTypes), custody.SystemTypes...)
		case kmip.QueryFunctionQueryServerInformation:
			resp.VendorIdentification = "Claviger"
			info := kmip.Structure(kmip.TagServerInformation,
				kmip.Text(kmip.TagServerName, c.server.Name), kmip.Text(kmip.TagServerVersion, c.server.Version))
			resp.ServerInformation = &info
		case kmip.QueryFunctionQueryRNGs:
			resp.RNGParameters = []kmip.Item{custody.RNGParameters()}
		case kmip.QueryFunctionQueryProfiles:
			resp.ProfileInformation = profiles(c.scope.Form)
		case kmip.QueryFunctionQueryCapabilities:
			resp.CapabilityInformation = c.server.capabilities()
		case kmip.QueryFunctionQueryClientRegistrationMethods:
			// An administrator registers clients, by none of the methods that have a name.
			resp.ClientRegistrationMethod = []kmip.ClientRegistrationMethod{kmip.ClientRegistrationMethodUnspecified}
		case kmip.QueryFunctionQueryDefaultsInformation:
			if err := queryDefaults(ctx, c, r, resp); err != nil {
				return nil, err
			}
		case kmip.QueryFunctionQueryStorageProtectionMasks:
			resp.ProtectionStorageMasks = &payload.ObjectMasks{}
			for _, s := range c.server.Custody.Storages() {
				resp.ProtectionStorageMasks.ProtectionStorageMask = append(resp.ProtectionStorageMasks.ProtectionStorageMask, int32(s)) //nolint:gosec // bits
			}
		case kmip.QueryFunctionQueryCredentialInformation:
			resp.CredentialInformation = &payload.CredentialInformation{CredentialType: custody.CredentialTypes}
		}
		// There are no namespaces that the server makes values for, no extensions, no
		// attestation and no formal validation: their answers are empty.
	}
	return resp, nil
}

// queryDefaults lists the defaults of new objects, of the groups that the Query
// is about.
func queryDefaults(ctx context.Context, c *call, r *payload.QueryRequest, resp *payload.QueryResponse) error {
	list, err := c.server.Custody.Defaults(ctx, c.scope)
	if err != nil {
		return refused(ctx, c, kmip.OperationQuery, err)
	}
	asked := groups(r.ObjectGroups)
	info := &payload.DefaultsInformation{}
	for _, f := range list {
		if len(asked) > 0 && len(f.Groups) > 0 && !slices.ContainsFunc(f.Groups, func(g string) bool { return slices.Contains(asked, g) }) {
			continue
		}
		for _, t := range f.Types {
			info.ObjectDefaults = append(info.ObjectDefaults, payload.ObjectDefaults{
				ObjectType: t, Attributes: payload.Template{Attributes: f.Attributes}, ObjectGroups: groupsItem(f.Groups),
			})
		}
	}
	resp.DefaultsInformation = info
	return nil
}

// unclaimed are profiles of servers that ask for what is not here: everything
// that the specification has, suites of their own, keys in linked pairs, or all of
// PKCS#11.
var unclaimed = []string{"Complete", "SuiteB", "Suite_B", "ServerBasic", "AESXTS", "AES_XTS", "PKCS_11"}

// profiles lists the server profiles that are supported and have a name in the
// version of the request.
func profiles(form custody.Form) []payload.ProfileInformation {
	var list []payload.ProfileInformation
	for _, v := range kmip.EnumValues(kmip.TagProfileName) {
		name := kmip.EnumName(kmip.TagProfileName, v)
		if form.HasValue(kmip.TagProfileName, v) && strings.Contains(name, "Server") && !slices.ContainsFunc(unclaimed, func(u string) bool { return strings.Contains(name, u) }) {
			list = append(list, payload.ProfileInformation{ProfileName: kmip.ProfileName(v)})
		}
	}
	return list
}

func (s *Server) capabilities() *payload.CapabilityInformation {
	yes, no, asynchronous := true, false, s.Messages != nil
	return &payload.CapabilityInformation{
		StreamingCapability: &yes, AsynchronousCapability: &asynchronous, AttestationCapability: &no,
		BatchUndoCapability: &yes, BatchContinueCapability: &yes, UnwrapMode: kmip.UnwrapModeNotProcessed,
		DestroyAction: kmip.DestroyActionKeyMaterialDeleted, ShreddingAlgorithm: kmip.ShreddingAlgorithmUnsupported,
		RNGMode: kmip.RNGModeSharedInstantiation, QuantumSafeCapability: &yes,
	}
}
