package operation_test

import (
	"slices"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// groupItems names groups in the words of a version.
func groupItems(v kmip.Version, names ...string) *kmip.Item {
	i := kmip.Structure(kmip.TagObjectGroups)
	for _, n := range names {
		if v >= kmip.V30 {
			i.Items = append(i.Items, kmip.Item{Tag: kmip.TagGroupLink, Type: kmip.TypeNameReference, Bytes: []byte(n)})
		} else {
			i.Items = append(i.Items, kmip.Text(kmip.TagObjectGroup, n))
		}
	}
	return &i
}

func setDefaults(list ...payload.ObjectDefaults) *payload.SetDefaultsRequest {
	return &payload.SetDefaultsRequest{DefaultsInformation: &payload.DefaultsInformation{ObjectDefaults: list}}
}

func (s *server) defaults(v kmip.Version, groups *kmip.Item) []payload.ObjectDefaults {
	s.t.Helper()
	r := one[payload.QueryResponse](s, v, kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryDefaultsInformation}, ObjectGroups: groups})
	if r.DefaultsInformation == nil {
		return nil
	}
	return r.DefaultsInformation.ObjectDefaults
}

// What Query tells of the defaults is what objects get whose creator says nothing.
func TestDefaultsOfTheServer(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		told := map[kmip.ObjectType]kmip.Attributes{}
		for _, d := range s.defaults(v, nil) {
			told[d.ObjectType] = d.Attributes.Attributes
		}
		uid := one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey}).UniqueIdentifier
		pair := one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{})
		for typ, uid := range map[kmip.ObjectType]string{
			kmip.ObjectTypeSymmetricKey: uid, kmip.ObjectTypePrivateKey: pair.PrivateKeyUniqueIdentifier, kmip.ObjectTypePublicKey: pair.PublicKeyUniqueIdentifier,
		} {
			a := s.attributes(v, uid)
			if len(told[typ]) == 0 {
				t.Errorf("no defaults of a %s", typ)
			}
			for _, at := range told[typ] {
				if got, _ := a.Get(at.Tag); !got.Equal(at.Value) {
					t.Errorf("%s: %s is %+v, Query says %+v", typ, at, got, at.Value)
				}
			}
		}
	})
}

func TestSetDefaults(t *testing.T) {
	inEvery(t, kmip.V21, func(t *testing.T, s *server, v kmip.Version) {
		built := len(s.defaults(v, nil))
		one[payload.SetDefaultsResponse](s, v, kmip.OperationSetDefaults, setDefaults(
			payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(length(128), kmip.Text(kmip.TagContactInformation, "all"), kmip.Boolean(kmip.TagSensitive, true))},
			payload.ObjectDefaults{ObjectTypes: &payload.ObjectTypes{ObjectType: []kmip.ObjectType{kmip.ObjectTypeSecretData, kmip.ObjectTypeCertificate}}, Attributes: template(kmip.Text(kmip.TagContactInformation, "rest"))},
			payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, ObjectGroups: groupItems(v, "north"), Attributes: template(kmip.Text(kmip.TagDescription, "of the north"))},
		))
		group := kmip.Text(kmip.TagObjectGroup, "north")
		for what, c := range map[string]struct {
			uid                  string
			bits                 int32
			contact, description string
			sensitive            bool
		}{
			"a key":               {s.create(v), 128, "all", "", true},
			"a key that says it":  {s.create(v, length(256), kmip.Text(kmip.TagContactInformation, "own"), kmip.Boolean(kmip.TagSensitive, false)), 256, "own", "", false},
			"a key of the north":  {s.create(v, group), 128, "all", "of the north", true},
			"secret data":         {s.register(v, password("0123456789abcdef")), 128, "rest", "", false},
			"a key of KMIP 1.0":   {s.create(kmip.V10, algorithm(kmip.CryptographicAlgorithmAES), mask(kmip.CryptographicUsageMaskEncrypt)), 128, "all", "", true},
			"another registered":  {s.register(v, symmetric(kmip.CryptographicAlgorithmAES, make([]byte, 16))), 128, "all", "", true},
			"data that is opaque": {s.register(v, &kmip.Object{Type: kmip.ObjectTypeOpaqueObject, OpaqueDataType: 0x80000001, OpaqueDataValue: password("x").Key.Material}), 0, "", "", false},
		} {
			a := s.attributes(v, c.uid)
			if a.Int32(kmip.TagCryptographicLength) != c.bits || a.Text(kmip.TagContactInformation) != c.contact || a.Text(kmip.TagDescription) != c.description || a.Bool(kmip.TagSensitive) != c.sensitive {
				t.Errorf("%s: %d bits, contact %q, description %q, sensitive %t; want %+v", what, a.Int32(kmip.TagCryptographicLength), a.Text(kmip.TagContactInformation), a.Text(kmip.TagDescription), a.Bool(kmip.TagSensitive), c)
			}
		}
		if got := len(s.defaults(v, nil)); got != built+4 { // one of them is for two types
			t.Errorf("%d defaults, want %d", got, built+4)
		}
		if got := len(s.defaults(v, groupItems(v, "north"))); got != built+4 {
			t.Errorf("%d defaults of the north, want %d", got, built+4)
		}
		s.create(v, kmip.Text(kmip.TagObjectGroup, "south"))
		if got := len(s.defaults(v, groupItems(v, "south"))); got != built+3 {
			t.Errorf("%d defaults of the south, want %d", got, built+3)
		}
		// Nothing given clears them all.
		one[payload.SetDefaultsResponse](s, v, kmip.OperationSetDefaults, &payload.SetDefaultsRequest{})
		if got := s.attributes(v, s.create(v)); got.Int32(kmip.TagCryptographicLength) != 256 || len(s.defaults(v, nil)) != built {
			t.Errorf("after clearing: %d bits", got.Int32(kmip.TagCryptographicLength))
		}
		r := s.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationSetDefaults, &payload.SetDefaultsRequest{}), createItem("k"))
		if r.Items[0].Status != failed {
			t.Error("Set Defaults in a batch that can be undone")
		}
		s.fails(kmip.V20, "Set Defaults", kmip.OperationSetDefaults, &payload.SetDefaultsRequest{}, kmip.ResultReasonOperationNotSupported)
	})
}

// Defaults are those of a domain.
func TestDefaultsOfAnotherDomain(t *testing.T) {
	s := newServer(t)
	other := s.in("other")
	one[payload.SetDefaultsResponse](s, kmip.V21, kmip.OperationSetDefaults, setDefaults(payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(length(128))}))
	if got := other.attributes(kmip.V21, other.create(kmip.V21)).Int32(kmip.TagCryptographicLength); got != 256 {
		t.Errorf("%d bits in another domain", got)
	}
}

func constraints(list ...payload.Constraint) *payload.SetConstraintsRequest {
	return &payload.SetConstraintsRequest{Constraints: &payload.Constraints{Constraint: list}}
}

// New objects must be as the constraints of the domain say.
func TestConstraints(t *testing.T) {
	inEvery(t, kmip.V21, func(t *testing.T, s *server, v kmip.Version) {
		keys := &payload.ObjectTypes{ObjectType: []kmip.ObjectType{kmip.ObjectTypeSymmetricKey}}
		set := constraints(
			payload.Constraint{ObjectTypes: keys, Attributes: template(algorithm(kmip.CryptographicAlgorithmAES), mask(kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt))},
			payload.Constraint{ObjectTypes: keys, ObjectGroups: groupItems(v, "strong"), Attributes: template(length(256))},
		)
		one[payload.SetConstraintsResponse](s, v, kmip.OperationSetConstraints, set)
		got := one[payload.GetConstraintsResponse](s, v, kmip.OperationGetConstraints, &payload.GetConstraintsRequest{}).Constraints
		if len(got.Constraint) != 2 || !slices.Equal(got.Constraint[0].ObjectTypes.ObjectType, keys.ObjectType) || got.Constraint[1].ObjectGroups == nil ||
			got.Constraint[1].Attributes.Attributes.Int32(kmip.TagCryptographicLength) != 256 || got.Constraint[0].ObjectGroups != nil {
			t.Errorf("Get Constraints: %+v", got)
		}
		strong := kmip.Text(kmip.TagObjectGroup, "strong")
		create := func(attrs ...kmip.Item) payload.RequestItem {
			return batch(kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(attrs...)})
		}
		pgp := password("x")
		for what, c := range map[string]struct {
			item payload.RequestItem
			ok   bool
		}{
			"as it must be":           {create(algorithm(kmip.CryptographicAlgorithmAES), length(128), mask(kmip.CryptographicUsageMaskEncrypt)), true},
			"another algorithm":       {create(algorithm(kmip.CryptographicAlgorithmDES3), length(168)), false},
			"a bit too many":          {create(mask(kmip.CryptographicUsageMaskEncrypt | kmip.CryptographicUsageMaskWrapKey)), false},
			"strong enough":           {create(strong, length(256)), true},
			"not strong enough":       {create(strong, length(128)), false},
			"of another type":         {batch(kmip.OperationRegister, &payload.RegisterRequest{ObjectType: pgp.Type, Object: pgp}), true},
			"registered, another key": {batch(kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Object: symmetric(kmip.CryptographicAlgorithmHMACSHA256, make([]byte, 32))}), false},
		} {
			r := s.send(v, 0, c.item).Items[0]
			if c.ok && r.Status != ok || !c.ok && (r.Status != failed || r.Reason != kmip.ResultReasonConstraintViolation) {
				t.Errorf("%s: %s %s (%s), want %t", what, r.Status, r.Reason, r.Message, c.ok)
			}
		}
		// Clients of versions that know no constraints meet them too.
		r := s.send(kmip.V14, 0, batch(kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(algorithm(kmip.CryptographicAlgorithmDES3), length(168), mask(kmip.CryptographicUsageMaskEncrypt))})).Items[0]
		if r.Status != failed || r.Reason != kmip.ResultReasonPermissionDenied {
			t.Errorf("KMIP 1.4: %s %s", r.Status, r.Reason)
		}
		one[payload.SetConstraintsResponse](s, v, kmip.OperationSetConstraints, constraints())
		s.create(v, algorithm(kmip.CryptographicAlgorithmDES3), length(168))
		if got := one[payload.GetConstraintsResponse](s, v, kmip.OperationGetConstraints, &payload.GetConstraintsRequest{}).Constraints; got == nil || len(got.Constraint) != 0 {
			t.Errorf("constraints that were cleared: %+v", got)
		}
	})
}

// What defaults and constraints cannot be.
func TestDefaultsAndConstraintsThatAreRefused(t *testing.T) {
	s := newServer(t)
	user := &payload.ObjectTypes{ObjectType: []kmip.ObjectType{kmip.ObjectTypeUser}}
	state := template(kmip.Enumeration(kmip.TagState, kmip.StateActive))
	many := make([]payload.ObjectDefaults, 300)
	for i := range many {
		many[i] = payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(length(128))}
	}
	for _, v := range since(kmip.V21) {
		s.fails(v, "defaults of what the server sets", kmip.OperationSetDefaults, setDefaults(payload.ObjectDefaults{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: state}), kmip.ResultReasonAttributeReadOnly)
		s.fails(v, "defaults of no type", kmip.OperationSetDefaults, setDefaults(payload.ObjectDefaults{Attributes: template(length(128))}), kmip.ResultReasonInvalidMessage)
		s.fails(v, "too many", kmip.OperationSetDefaults, setDefaults(many...), kmip.ResultReasonServerLimitExceeded)
	}
	s.fails(kmip.V30, "defaults of users", kmip.OperationSetDefaults, setDefaults(payload.ObjectDefaults{ObjectTypes: user, Attributes: template(name("x"))}), kmip.ResultReasonInvalidObjectType)
	s.fails(kmip.V30, "constraints of users", kmip.OperationSetConstraints, constraints(payload.Constraint{ObjectTypes: user}), kmip.ResultReasonInvalidObjectType)
	s.fails(kmip.V21, "a Query of a group that nobody has", kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryDefaultsInformation}, ObjectGroups: groupItems(kmip.V21, "nowhere")}, kmip.ResultReasonUnknownObjectGroup)
	s.fails(kmip.V30, "a Query of a group that nobody has", kmip.OperationQuery, &payload.QueryRequest{QueryFunction: []kmip.QueryFunction{kmip.QueryFunctionQueryDefaultsInformation}, ObjectGroups: groupItems(kmip.V30, "nowhere")}, kmip.ResultReasonObjectNotFound)
}
