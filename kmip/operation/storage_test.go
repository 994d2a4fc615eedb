package operation_test

import (
	"slices"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/testenv/service"
)

const (
	software  = kmip.ProtectionStorageMaskSoftware
	hardware  = kmip.ProtectionStorageMaskHardware
	processor = kmip.ProtectionStorageMaskOnProcessor
)

func masks(list ...kmip.ProtectionStorageMask) *payload.ObjectMasks {
	m := &payload.ObjectMasks{}
	for _, s := range list {
		m.ProtectionStorageMask = append(m.ProtectionStorageMask, int32(s))
	}
	return m
}

func (s *server) storageOf(v kmip.Version, uid string) kmip.ProtectionStorageMask {
	s.t.Helper()
	return kmip.ProtectionStorageMask(s.attributes(v, uid).Uint32(kmip.TagProtectionStorageMask))
}

func TestStorageOfANewKey(t *testing.T) {
	t.Parallel()
	with, without := serverOf(t, service.With(t, service.Options{Hardware: true})), newServer(t)
	for _, v := range []kmip.Version{kmip.V20, kmip.V21, kmip.V30} {
		for name, c := range map[string]struct {
			asked         *payload.ObjectMasks
			with, without kmip.ProtectionStorageMask // 0: refused
		}{
			"none is asked for":               {nil, software, software},
			"an empty list":                   {masks(), software, software},
			"software":                        {masks(software), software, software},
			"hardware":                        {masks(hardware), hardware, 0},
			"hardware, else software":         {masks(hardware, software), hardware, software},
			"software, else hardware":         {masks(software, hardware), software, software},
			"what there is not":               {masks(processor), 0, 0},
			"what there is not, else this":    {masks(processor, hardware), hardware, 0},
			"one of several in one mask":      {masks(processor | hardware), hardware, 0},
			"either of two that are the same": {masks(software | hardware), software, software},
		} {
			for which, s := range map[string]struct {
				*server
				want kmip.ProtectionStorageMask
			}{"with hardware": {with, c.with}, "without": {without, c.without}} {
				request := &payload.CreateRequest{
					ObjectType: kmip.ObjectTypeSymmetricKey, ProtectionStorageMasks: c.asked,
					Attributes: template(algorithm(kmip.CryptographicAlgorithmAES), length(256), mask(kmip.CryptographicUsageMaskEncrypt)),
				}
				if s.want == 0 {
					s.fails(v, name+", "+which, kmip.OperationCreate, request, kmip.ResultReasonProtectionStorageUnavailable)
					continue
				}
				uid := one[payload.CreateResponse](s.server, v, kmip.OperationCreate, request).UniqueIdentifier
				if got := s.storageOf(v, uid); got != s.want {
					t.Errorf("KMIP %s, %s, %s: the key has Protection Storage Mask %d, want %d", v, name, which, got, s.want)
				}
			}
		}
	}
}

func TestStorageOfANewPair(t *testing.T) {
	t.Parallel()
	with, without := serverOf(t, service.With(t, service.Options{Hardware: true})), newServer(t)
	for name, c := range map[string]struct {
		common, private, public *payload.ObjectMasks
		with, without           kmip.ProtectionStorageMask // of the private key; 0: refused
		reasonWith, reason      kmip.ResultReason
	}{
		"none is asked for":               {nil, nil, nil, software, software, 0, 0},
		"the private key in hardware":     {nil, masks(hardware), nil, hardware, 0, 0, kmip.ResultReasonPrivateProtectionStorageUnavailable},
		"hardware, else software":         {nil, masks(hardware, software), nil, hardware, software, 0, 0},
		"both in hardware":                {masks(hardware), nil, nil, hardware, 0, 0, kmip.ResultReasonPrivateProtectionStorageUnavailable},
		"the private key by itself":       {masks(hardware, software), masks(software), nil, software, software, 0, 0},
		"the public key in software":      {nil, masks(hardware), masks(software), hardware, 0, 0, kmip.ResultReasonPrivateProtectionStorageUnavailable},
		"the public key in hardware":      {nil, nil, masks(hardware), 0, 0, kmip.ResultReasonPublicProtectionStorageUnavailable, kmip.ResultReasonPublicProtectionStorageUnavailable},
		"the private key where none is":   {nil, masks(processor), nil, 0, 0, kmip.ResultReasonPrivateProtectionStorageUnavailable, kmip.ResultReasonPrivateProtectionStorageUnavailable},
		"the public one else in software": {nil, nil, masks(hardware, software), software, software, 0, 0},
	} {
		for which, s := range map[string]struct {
			*server
			want   kmip.ProtectionStorageMask
			reason kmip.ResultReason
		}{"with hardware": {with, c.with, c.reasonWith}, "without": {without, c.without, c.reason}} {
			request := &payload.CreateKeyPairRequest{
				CommonAttributes:             template(algorithm(kmip.CryptographicAlgorithmECDSA), length(256)),
				PrivateKeyAttributes:         template(mask(kmip.CryptographicUsageMaskSign)),
				PublicKeyAttributes:          template(mask(kmip.CryptographicUsageMaskVerify)),
				CommonProtectionStorageMasks: c.common, PrivateProtectionStorageMasks: c.private, PublicProtectionStorageMasks: c.public,
			}
			if s.want == 0 {
				s.fails(kmip.V21, name+", "+which, kmip.OperationCreateKeyPair, request, s.reason)
				continue
			}
			pair := one[payload.CreateKeyPairResponse](s.server, kmip.V21, kmip.OperationCreateKeyPair, request)
			if got := s.storageOf(kmip.V21, pair.PrivateKeyUniqueIdentifier); got != s.want {
				t.Errorf("%s, %s: the private key has Protection Storage Mask %d, want %d", name, which, got, s.want)
			}
			if got := s.storageOf(kmip.V21, pair.PublicKeyUniqueIdentifier); got != software {
				t.Errorf("%s, %s: the public key has Protection Storage Mask %d, want software", name, which, got)
			}
		}
	}
}

func TestQueryListsTheStoragesThatThereAre(t *testing.T) {
	t.Parallel()
	for which, c := range map[string]struct {
		s    *server
		want []int32
	}{
		"with hardware": {serverOf(t, service.With(t, service.Options{Hardware: true})), []int32{int32(software), int32(hardware)}},
		"without":       {newServer(t), []int32{int32(software)}},
	} {
		for _, v := range []kmip.Version{kmip.V20, kmip.V21, kmip.V30} {
			got := one[payload.QueryResponse](c.s, v, kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryStorageProtectionMasks}}).ProtectionStorageMasks
			if got == nil || !slices.Equal(got.ProtectionStorageMask, c.want) {
				t.Errorf("KMIP %s, %s: %v, want %v", v, which, got, c.want)
			}
		}
	}
}

func TestStorageIsNoAttributeThatAClientGives(t *testing.T) {
	t.Parallel()
	s := serverOf(t, service.With(t, service.Options{Hardware: true}))
	const v = kmip.V21
	given := kmip.Mask(kmip.TagProtectionStorageMask, hardware)
	uid := s.create(v, algorithm(kmip.CryptographicAlgorithmAES), length(256))
	s.fails(v, "Create", kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(given)}, kmip.ResultReasonAttributeReadOnly)
	for which, r := range map[string]*payload.CreateKeyPairRequest{
		"common": {CommonAttributes: template(given)}, "private": {PrivateKeyAttributes: template(given)}, "public": {PublicKeyAttributes: template(given)},
	} {
		s.fails(v, "Create Key Pair, "+which, kmip.OperationCreateKeyPair, r, kmip.ResultReasonAttributeReadOnly)
	}
	s.fails(v, "Register", kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSecretData, Attributes: template(given), Object: password("pw")}, kmip.ResultReasonAttributeReadOnly)
	s.fails(v, "Re-key", kmip.OperationReKey, &payload.ReKeyRequest{UniqueIdentifier: ref(uid), Attributes: template(given)}, kmip.ResultReasonAttributeReadOnly)
	s.fails(v, "Set Attribute", kmip.OperationSetAttribute, &payload.SetAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(given)}, kmip.ResultReasonReadOnlyAttribute)
	s.fails(v, "Modify Attribute", kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(given)}, kmip.ResultReasonAttributeReadOnly)
	if got := s.storageOf(v, uid); got != software {
		t.Errorf("the key has Protection Storage Mask %d after refusals, want software", got)
	}
	s.fails(v, "Register into hardware", kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSecretData, Object: password("pw"), ProtectionStorageMasks: masks(hardware)}, kmip.ResultReasonProtectionStorageUnavailable)
	if n := s.svc.Hardware.Made(); n != 0 {
		t.Errorf("%d objects were made in the token", n)
	}
}
