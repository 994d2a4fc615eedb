package operation

import (
	"context"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// query answers from the table that the server runs on (§6.1.40). What the
// version of the request does not have, dialect leaves out.
func query(ctx context.Context, c *call, r *payload.QueryRequest) (*payload.QueryResponse, error) {
	if r.ObjectGroups != nil {
		return nil, refused(ctx, c, kmip.OperationQuery, kmip.Fail(kmip.KindUnsupportedFeature, "Query about groups of objects is not supported"))
	}
	if err := c.server.Custody.Record(ctx, c.scope, kmip.OperationQuery.String()); err != nil {
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
			resp.ObjectType = objectTypes
		case kmip.QueryFunctionQueryServerInformation:
			resp.VendorIdentification = "Claviger"
			info := kmip.Structure(kmip.TagServerInformation,
				kmip.Text(kmip.TagServerName, c.server.Name), kmip.Text(kmip.TagServerVersion, c.server.Version))
			resp.ServerInformation = &info
		case kmip.QueryFunctionQueryRNGs:
			resp.RNGParameters = []kmip.Item{randomNumberGenerator()}
		case kmip.QueryFunctionQueryCapabilities:
			resp.CapabilityInformation = capabilities()
		case kmip.QueryFunctionQueryStorageProtectionMasks:
			resp.ProtectionStorageMasks = &payload.ObjectMasks{ProtectionStorageMask: []int32{int32(kmip.ProtectionStorageMaskSoftware)}}
		}
	}
	return resp, nil
}

func randomNumberGenerator() kmip.Item {
	return kmip.Structure(kmip.TagRNGParameters,
		kmip.Enumeration(kmip.TagRNGAlgorithm, kmip.RNGAlgorithmDRBG),
		kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES),
		kmip.Integer(kmip.TagCryptographicLength, 256),
		kmip.Enumeration(kmip.TagDRBGAlgorithm, kmip.DRBGAlgorithmCTR))
}

func capabilities() *payload.CapabilityInformation {
	yes, no := true, false
	return &payload.CapabilityInformation{
		StreamingCapability: &no, AsynchronousCapability: &no, AttestationCapability: &no,
		BatchUndoCapability: &yes, BatchContinueCapability: &yes,
		DestroyAction: kmip.DestroyActionKeyMaterialDeleted, ShreddingAlgorithm: kmip.ShreddingAlgorithmUnsupported,
		RNGMode: kmip.RNGModeSharedInstantiation, QuantumSafeCapability: &no,
	}
}
