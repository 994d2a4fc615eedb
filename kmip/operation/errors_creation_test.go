package operation_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/kmip/secret"
)

// maker is an operation that makes objects, with a request that would succeed
// but for the attributes and the storage that the test gives it.
type maker struct {
	op      kmip.Operation
	request func(f *fixture, t payload.Template, masks *payload.ObjectMasks) any
	storage kmip.ResultReason // where the requested protection storage is not to be had
	// unknown is the reason for an attribute that there is not, in KMIP 2.x.
	unknown kmip.ResultReason
	// attributes is the tag of the attributes in KMIP 1.x.
	attributes kmip.Tag
}

// with adds attributes to those of a request.
func with(t payload.Template, attrs ...kmip.Item) payload.Template {
	for _, i := range attrs {
		if !t.Attributes.Has(i.Tag) {
			t.Attributes = t.Attributes.Add(kmip.NewAttribute(i))
		}
	}
	return t
}

func makers() []maker {
	const unsupported, invalid, storage = kmip.ResultReasonUnsupportedAttribute, kmip.ResultReasonInvalidAttribute, kmip.ResultReasonProtectionStorageUnavailable
	return []maker{
		{kmip.OperationCreate, func(_ *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: with(t, algorithm(kmip.CryptographicAlgorithmAES), mask(kmip.CryptographicUsageMaskEncrypt)), ProtectionStorageMasks: masks}
		}, storage, unsupported, kmip.TagTemplateAttribute},
		{kmip.OperationCreateKeyPair, func(_ *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			return &payload.CreateKeyPairRequest{
				CommonAttributes: template(algorithm(kmip.CryptographicAlgorithmECDSA), length(256)), PrivateKeyAttributes: with(t, mask(kmip.CryptographicUsageMaskSign)),
				PublicKeyAttributes: template(mask(kmip.CryptographicUsageMaskVerify)), PrivateProtectionStorageMasks: masks,
			}
		}, kmip.ResultReasonPrivateProtectionStorageUnavailable, invalid, kmip.TagPrivateKeyTemplateAttribute},
		{kmip.OperationRegister, func(_ *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSecretData, Attributes: t, Object: password("pw"), ProtectionStorageMasks: masks}
		}, storage, invalid, kmip.TagTemplateAttribute},
		{kmip.OperationReKey, func(f *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			return &payload.ReKeyRequest{UniqueIdentifier: ref(f.active), Attributes: t, ProtectionStorageMasks: masks}
		}, storage, unsupported, kmip.TagTemplateAttribute},
		{kmip.OperationReKeyKeyPair, func(f *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			return &payload.ReKeyKeyPairRequest{PrivateKeyUniqueIdentifier: ref(f.idle), PrivateKeyAttributes: t, PublicProtectionStorageMasks: masks}
		}, kmip.ResultReasonPublicProtectionStorageUnavailable, unsupported, kmip.TagPrivateKeyTemplateAttribute},
		{kmip.OperationDeriveKey, func(f *fixture, t payload.Template, _ *payload.ObjectMasks) any {
			r := derivation(kmip.DerivationMethodHMAC, []string{f.deriveKey}, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, deriveData)})
			r.Attributes = with(t, algorithm(kmip.CryptographicAlgorithmAES), length(128), mask(kmip.CryptographicUsageMaskEncrypt))
			return r
		}, 0, invalid, kmip.TagTemplateAttribute},
		{kmip.OperationCertify, func(f *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			r := certifying(f.v, f.holder, "", items(t)...)
			r.CertificateRequestType, r.CertificateRequestValue = kmip.CertificateRequestTypePKCS10, f.holder.request
			r.Attributes, r.ProtectionStorageMasks = t, masks
			return r
		}, storage, unsupported, kmip.TagTemplateAttribute},
		{kmip.OperationReCertify, func(f *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			r := &payload.ReCertifyRequest{UniqueIdentifier: ref(f.issued), Attributes: t, ProtectionStorageMasks: masks}
			if f.v < kmip.V11 { // which demands a request
				r.UniqueIdentifier, r.CertificateRequestType, r.CertificateRequestValue = ref(f.held), kmip.CertificateRequestTypePKCS10, f.holder.request
			}
			return r
		}, storage, unsupported, kmip.TagTemplateAttribute},
		{kmip.OperationCreateSplitKey, func(_ *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			r := splitting(kmip.SplitKeyMethodXOR, "", 2, 2)
			r.Attributes, r.ProtectionStorageMasks = t, masks
			return r
		}, storage, invalid, kmip.TagTemplateAttribute},
		{kmip.OperationJoinSplitKey, func(f *fixture, t payload.Template, masks *payload.ObjectMasks) any {
			r := joining(kmip.ObjectTypeSymmetricKey, f.parts)
			r.Attributes, r.ProtectionStorageMasks = t, masks
			return r
		}, storage, invalid, kmip.TagTemplateAttribute},
	}
}

func makerRefusals() []refusal {
	groups := make([]kmip.Item, 0, 1025)
	for i := range 1025 {
		groups = append(groups, kmip.Text(kmip.TagObjectGroup, strconv.Itoa(i)))
	}
	hardware := &payload.ObjectMasks{ProtectionStorageMask: []int32{int32(kmip.ProtectionStorageMaskHardware)}}
	single := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeSingleValued)
	var list []refusal
	for _, m := range makers() {
		add := func(name string, t payload.Template, want reasons, first, last kmip.Version) {
			list = append(list, refusal{op: m.op, name: name, want: want, since: first, until: last, request: func(f *fixture) any { return m.request(f, t, nil) }})
		}
		add("a template that there is not", using([]string{"nowhere"}), noTemplate, 0, kmip.V14)
		add("a template that is archived", using([]string{"closed"}), archivedNow, 0, kmip.V14)
		add("an impossible value", template(name("")), wrongValue, 0, 0)
		add("one instance too many", template(groups...), tooMany, 0, 0)
		add("a Name that is taken", template(name("taken")), taken, 0, 0)
		add("one Name twice", template(name("twice"), name("twice")), taken, 0, 0)
		add("a namespace without data", template(namespaced()), noNamespace, kmip.V12, 0)
		add("a read-only attribute", template(kmip.Enumeration(kmip.TagState, kmip.StateActive)), readOnlyMade, 0, 0)
		add("two values of what has one", template(kmip.Text(kmip.TagContactInformation, "a"), kmip.Text(kmip.TagContactInformation, "b")), single, 0, 0)
		list = append(list, refusal{op: m.op, name: "an attribute that there is not", want: since2(kmip.ResultReasonInvalidField, m.unknown), request: func(f *fixture) any {
			return m.request(f, template(kmip.Text(kmip.TagContactInformation, "c")), nil)
		}, edit: func(p *kmip.Item) {
			for i, field := range p.Items {
				switch field.Tag {
				case m.attributes:
					p.Items[i].Items = append(field.Items, kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "No Such Attribute"), kmip.Text(kmip.TagAttributeValue, "x")))
				case kmip.TagAttributes, kmip.TagPrivateKeyAttributes:
					p.Items[i].Items = append(field.Items, kmip.Text(kmip.TagUsername, "x"))
				}
			}
		}})
		if m.storage != 0 {
			list = append(list, refusal{op: m.op, name: "a protection storage that is not there", since: kmip.V20, want: since2(0, m.storage), request: func(f *fixture) any {
				return m.request(f, payload.Template{}, hardware)
			}})
		}
	}
	return list
}

func creationRefusals() []refusal {
	hour := time.Hour
	badType := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidObjectType)
	notMade := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonUnknownEnumeration)
	badParameters := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonBadCryptographicParameters)
	notSupported := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonUnsupportedCryptographicParameters)
	noShift := since2(kmip.ResultReasonIllegalOperation, kmip.ResultReasonInvalidField)
	itemNotFound := always(kmip.ResultReasonItemNotFound)
	csr := since2(kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidCSR)
	noObjectType := setField(kmip.Enumeration(kmip.TagObjectType, uint32(0x77)))
	create := func(t kmip.ObjectType, attrs ...kmip.Item) func(*fixture) any {
		return func(*fixture) any { return &payload.CreateRequest{ObjectType: t, Attributes: aes(attrs...)} }
	}
	pair := func(private, public []kmip.Item) func(*fixture) any {
		return func(*fixture) any {
			return &payload.CreateKeyPairRequest{PrivateKeyAttributes: template(private...), PublicKeyAttributes: template(public...)}
		}
	}
	rekey := func(uid func(*fixture) string, offset *time.Duration, attrs ...kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.ReKeyRequest{UniqueIdentifier: ref(uid(f)), Offset: offset, Attributes: template(attrs...)}
		}
	}
	rekeyPair := func(uid func(*fixture) string, offset *time.Duration, attrs ...kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			return &payload.ReKeyKeyPairRequest{PrivateKeyUniqueIdentifier: ref(uid(f)), Offset: offset, CommonAttributes: template(attrs...)}
		}
	}
	data := kmip.ByteString(kmip.TagDerivationData, deriveData)
	derive := func(method kmip.DerivationMethod, bases func(*fixture) []string, parameters ...kmip.Item) func(*fixture) any {
		return func(f *fixture) any { return derivation(method, bases(f), parameters) }
	}
	only := func(uid func(*fixture) string) func(*fixture) []string {
		return func(f *fixture) []string { return []string{uid(f)} }
	}
	base := func(f *fixture) string { return f.deriveKey }
	hmac := func(uid func(*fixture) string) func(*fixture) any {
		return derive(kmip.DerivationMethodHMAC, only(uid), data)
	}
	split := func(method kmip.SplitKeyMethod, uid func(*fixture) string, parts, threshold int32) func(*fixture) any {
		return func(f *fixture) any { return splitting(method, uid(f), parts, threshold) }
	}
	fresh := func(*fixture) string { return "" }
	join := func(parts func(*fixture) []string, t kmip.ObjectType) func(*fixture) any {
		return func(f *fixture) any { return joining(t, parts(f)) }
	}
	certify := func(uid func(*fixture) string) func(*fixture) any {
		return func(f *fixture) any { return certifying(f.v, f.holder, uid(f)) }
	}
	recertify := func(uid func(*fixture) string, offset *time.Duration, attrs ...kmip.Item) func(*fixture) any {
		return func(f *fixture) any {
			r := recertifying(f.v, f.holder, uid(f), attrs...)
			r.Offset = offset
			return r
		}
	}
	date := kmip.DateTime(kmip.TagActivationDate, time.Unix(1_800_000_000, 0))
	importing := func(uid string, o *kmip.Object, attrs ...kmip.Item) func(*fixture) any {
		return func(*fixture) any {
			return &payload.ImportRequest{UniqueIdentifier: ref(uid), ObjectType: o.Type, Object: o, Attributes: payload.AttributeList{Attributes: template(append(attrs, mask(kmip.CryptographicUsageMaskEncrypt))...).Attributes}}
		}
	}
	key := func() *kmip.Object { return symmetric(kmip.CryptographicAlgorithmAES, make([]byte, 16)) }
	wrongLength := key()
	wrongLength.Key.LengthBits = 256
	many := make([]kmip.Item, 4200)
	for i := range many {
		many[i] = kmip.Text(kmip.TagObjectGroup, strconv.Itoa(i))
	}
	return []refusal{
		{op: kmip.OperationCreate, name: "a type that is not recognized", request: create(kmip.ObjectTypeSymmetricKey), edit: noObjectType, want: notMade},
		{op: kmip.OperationCreate, name: "a type that is not made", request: create(kmip.ObjectTypeCertificate), want: badType},
		{op: kmip.OperationCreate, name: "an impossible length", request: create(kmip.ObjectTypeSymmetricKey, length(7)), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeSingleValued)},
		{op: kmip.OperationCreate, name: "a length that no such key has", request: func(*fixture) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(algorithm(kmip.CryptographicAlgorithmAES), length(100), mask(kmip.CryptographicUsageMaskEncrypt))}
		}, want: wrongValue},
		{op: kmip.OperationCreate, name: "an attribute that such objects do not have", since: kmip.V20, request: func(*fixture) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSecretData, Attributes: template(algorithm(kmip.CryptographicAlgorithmAES))}
		}, want: since2(0, kmip.ResultReasonInvalidAttribute)},
		{op: kmip.OperationCreate, name: "no type", request: create(kmip.ObjectTypeSymmetricKey), edit: dropField(kmip.TagObjectType), want: wrongMessage},
		{op: kmip.OperationCreate, name: "quantum safe and too short", since: kmip.V20, request: func(*fixture) any {
			return &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: template(length(128), kmip.Boolean(kmip.TagQuantumSafe, true))}
		}, want: always(kmip.ResultReasonGeneralFailure)},

		{op: kmip.OperationCreateKeyPair, name: "two algorithms", request: pair(
			[]kmip.Item{algorithm(kmip.CryptographicAlgorithmRSA), mask(kmip.CryptographicUsageMaskSign)}, []kmip.Item{algorithm(kmip.CryptographicAlgorithmECDSA), mask(kmip.CryptographicUsageMaskVerify)}), want: wrongValue},
		{op: kmip.OperationCreateKeyPair, name: "a length that no such pair has", request: pair(
			[]kmip.Item{algorithm(kmip.CryptographicAlgorithmRSA), length(7), mask(kmip.CryptographicUsageMaskSign)}, []kmip.Item{mask(kmip.CryptographicUsageMaskVerify)}), want: wrongValue},
		{op: kmip.OperationCreateKeyPair, name: "storage of the public key that is not there", since: kmip.V20, request: func(*fixture) any {
			return &payload.CreateKeyPairRequest{PublicProtectionStorageMasks: &payload.ObjectMasks{ProtectionStorageMask: []int32{int32(kmip.ProtectionStorageMaskHardware)}}}
		}, want: since2(0, kmip.ResultReasonPublicProtectionStorageUnavailable)},

		{op: kmip.OperationRegister, name: "a type that is not recognized", request: func(*fixture) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Object: key()}
		}, edit: noObjectType, want: notMade},
		{op: kmip.OperationRegister, name: "another type than the object", request: func(*fixture) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSecretData, Object: key()}
		}, want: badType},
		{op: kmip.OperationRegister, name: "a length that is not the key's", request: func(*fixture) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Object: wrongLength}
		}, want: wrongValue},
		{op: kmip.OperationRegister, name: "a template with a Name inside", until: kmip.V14, request: func(*fixture) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeTemplate, Attributes: template(name("outside")), Object: &kmip.Object{Type: kmip.ObjectTypeTemplate, Template: template(name("inside")).Attributes}}
		}, want: wrongField},
		{op: kmip.OperationRegister, name: "a PKCS#12 container without a password link", since: kmip.V14, request: func(f *fixture) any { return f.container(f.v) }, want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonBadPassword)},
		{op: kmip.OperationRegister, name: "no object", request: func(*fixture) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Object: key()}
		}, edit: dropField(kmip.TagSymmetricKey), want: wrongMessage},
		{op: kmip.OperationRegister, name: "a certificate that is none", request: func(*fixture) any {
			return &payload.RegisterRequest{ObjectType: kmip.ObjectTypeCertificate, Object: &kmip.Object{Type: kmip.ObjectTypeCertificate, CertificateType: kmip.CertificateTypeX509, CertificateValue: []byte("no")}}
		}, want: wrongField},

		{op: kmip.OperationReKey, name: "no such object", request: rekey(nothing, nil), want: notThere},
		withoutIdentifier(kmip.OperationReKey, &payload.ReKeyRequest{}),
		{op: kmip.OperationReKey, name: "what is no symmetric key", request: rekey(func(f *fixture) string { return f.private }, nil), want: wrongType},
		{op: kmip.OperationReKey, name: "an offset with dates", request: rekey(func(f *fixture) string { return f.active }, &hour, date), want: wrongMessage},
		{op: kmip.OperationReKey, name: "an offset with nothing to shift", request: rekey(func(f *fixture) string { return f.preActive }, &hour), want: noShift},
		{op: kmip.OperationReKey, name: "no Key Value", request: rekey(func(f *fixture) string { return f.valueless }, nil), since: kmip.V12, want: noValue},
		{op: kmip.OperationReKey, name: "an archived object", request: rekey(func(f *fixture) string { return f.archived }, nil), want: archivedNow},

		{op: kmip.OperationReKeyKeyPair, name: "no such object", request: rekeyPair(nothing, nil), want: notThere},
		withoutIdentifier(kmip.OperationReKeyKeyPair, &payload.ReKeyKeyPairRequest{}),
		{op: kmip.OperationReKeyKeyPair, name: "what is no private key", request: rekeyPair(func(f *fixture) string { return f.public }, nil), want: wrongType},
		{op: kmip.OperationReKeyKeyPair, name: "an offset with dates", request: rekeyPair(func(f *fixture) string { return f.private }, &hour, date), want: wrongMessage},
		{op: kmip.OperationReKeyKeyPair, name: "an offset with nothing to shift", request: rekeyPair(func(f *fixture) string { return f.idle }, &hour), want: noShift},
		{op: kmip.OperationReKeyKeyPair, name: "no Key Value", request: rekeyPair(func(f *fixture) string { return f.emptyPrivate }, nil), since: kmip.V12, want: noValue},
		{op: kmip.OperationReKeyKeyPair, name: "storage of both keys that is not there", since: kmip.V20, request: func(f *fixture) any {
			return &payload.ReKeyKeyPairRequest{PrivateKeyUniqueIdentifier: ref(f.private), CommonProtectionStorageMasks: &payload.ObjectMasks{ProtectionStorageMask: []int32{int32(kmip.ProtectionStorageMaskHardware)}}}
		}, want: since2(0, kmip.ResultReasonPrivateProtectionStorageUnavailable)},
		{op: kmip.OperationReKeyKeyPair, name: "an archived object", request: rekeyPair(func(f *fixture) string { return f.stored }, nil), want: archivedNow},

		{op: kmip.OperationDeriveKey, name: "no such object", request: hmac(nothing), want: notThere},
		{op: kmip.OperationDeriveKey, name: "no object", request: derive(kmip.DerivationMethodHMAC, func(*fixture) []string { return nil }, data), want: wrongMessage},
		{op: kmip.OperationDeriveKey, name: "from what nothing is derived from", request: hmac(func(f *fixture) string { return f.cert }), want: badType},
		{op: kmip.OperationDeriveKey, name: "to what is not derived", request: func(f *fixture) any {
			r := derivation(kmip.DerivationMethodHMAC, []string{f.deriveKey}, []kmip.Item{data})
			r.ObjectType = kmip.ObjectTypeCertificate
			return r
		}, want: badType},
		{op: kmip.OperationDeriveKey, name: "a method that there is not", request: hmac(base), edit: setField(kmip.Enumeration(kmip.TagDerivationMethod, uint32(0x77))), want: notMade},
		{op: kmip.OperationDeriveKey, name: "PBKDF2 without salt", request: derive(kmip.DerivationMethodPBKDF2, only(base)), want: wrongField},
		{op: kmip.OperationDeriveKey, name: "HASH without a hash", request: derive(kmip.DerivationMethodHASH, only(base)), want: badParameters},
		{op: kmip.OperationDeriveKey, name: "HASH by a hash that is not there", request: derive(kmip.DerivationMethodHASH, only(base), *parameters(kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmMD2))), want: notSupported},
		{op: kmip.OperationDeriveKey, name: "data in two ways", request: derive(kmip.DerivationMethodHMAC, func(f *fixture) []string { return []string{f.deriveKey, f.secret} }, data), want: wrongMessage},
		{op: kmip.OperationDeriveKey, name: "from a key that may not", request: hmac(func(f *fixture) string { return f.active }), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonIncompatibleCryptographicUsageMask)},
		{op: kmip.OperationDeriveKey, name: "longer than the method gives", request: func(f *fixture) any {
			r := derivation(kmip.DerivationMethodHMAC, []string{f.deriveKey}, []kmip.Item{data})
			r.ObjectType, r.Attributes = kmip.ObjectTypeSecretData, template(length(264))
			return r
		}, want: wrongCrypto},
		{op: kmip.OperationDeriveKey, name: "no length", request: func(f *fixture) any {
			r := derivation(kmip.DerivationMethodHMAC, []string{f.deriveKey}, []kmip.Item{data})
			r.Attributes = template(algorithm(kmip.CryptographicAlgorithmAES))
			return r
		}, want: wrongMessage},
		{op: kmip.OperationDeriveKey, name: "no Key Value", request: hmac(func(f *fixture) string { return f.valueless }), since: kmip.V12, want: noValue},
		{op: kmip.OperationDeriveKey, name: "from a key that is not Active", request: hmac(func(f *fixture) string { return f.revoked }), want: wrongState},
		{op: kmip.OperationDeriveKey, name: "an archived object", request: hmac(func(f *fixture) string { return f.archived }), want: archivedNow},

		{op: kmip.OperationCreateSplitKey, name: "a type that is not recognized", request: split(kmip.SplitKeyMethodXOR, fresh, 2, 2), edit: noObjectType, want: notMade},
		{op: kmip.OperationCreateSplitKey, name: "a type that is not split", request: func(*fixture) any {
			r := splitting(kmip.SplitKeyMethodXOR, "", 2, 2)
			r.ObjectType = kmip.ObjectTypeCertificate
			return r
		}, want: badType},
		{op: kmip.OperationCreateSplitKey, name: "another type than the object", request: func(f *fixture) any {
			r := splitting(kmip.SplitKeyMethodXOR, f.secret, 2, 2)
			r.ObjectType = kmip.ObjectTypePrivateKey
			return r
		}, want: badType},
		{op: kmip.OperationCreateSplitKey, name: "no such object", request: split(kmip.SplitKeyMethodXOR, nothing, 2, 2), want: itemNotFound},
		{op: kmip.OperationCreateSplitKey, name: "what cannot be split", request: split(kmip.SplitKeyMethodXOR, func(f *fixture) string { return f.cert }, 2, 2), want: badType},
		{op: kmip.OperationCreateSplitKey, name: "a method that there is not", request: split(kmip.SplitKeyMethodXOR, fresh, 2, 2), edit: setField(kmip.Enumeration(kmip.TagSplitKeyMethod, uint32(0x80000001))), want: notSupported},
		{op: kmip.OperationCreateSplitKey, name: "a threshold above the parts", request: split(kmip.SplitKeyMethodPolynomialSharingGF28, fresh, 2, 3), want: badParameters},
		{op: kmip.OperationCreateSplitKey, name: "XOR with another threshold", request: split(kmip.SplitKeyMethodXOR, fresh, 3, 2), want: badParameters},
		{op: kmip.OperationCreateSplitKey, name: "a prime field without a prime", request: split(kmip.SplitKeyMethodPolynomialSharingPrimeField, fresh, 2, 2), edit: dropField(kmip.TagPrimeFieldSize), want: wrongMessage},
		{op: kmip.OperationCreateSplitKey, name: "no number of parts", request: split(kmip.SplitKeyMethodXOR, fresh, 2, 2), edit: dropField(kmip.TagSplitKeyParts), want: wrongMessage},
		{op: kmip.OperationCreateSplitKey, name: "a key that is archived", request: split(kmip.SplitKeyMethodXOR, func(f *fixture) string { return f.archived }, 2, 2), want: archivedNow},
		{op: kmip.OperationCreateSplitKey, name: "no Key Value", request: split(kmip.SplitKeyMethodXOR, func(f *fixture) string { return f.valueless }, 2, 2), want: noValue},

		{op: kmip.OperationJoinSplitKey, name: "a type that is not recognized", request: join(func(f *fixture) []string { return f.parts }, kmip.ObjectTypeSymmetricKey), edit: noObjectType, want: notMade},
		{op: kmip.OperationJoinSplitKey, name: "a type that is not joined", request: join(func(f *fixture) []string { return f.parts }, kmip.ObjectTypeCertificate), want: badType},
		{op: kmip.OperationJoinSplitKey, name: "no such part", request: join(func(f *fixture) []string { return []string{f.parts[0], "nothing"} }, kmip.ObjectTypeSymmetricKey), want: notThere},
		{op: kmip.OperationJoinSplitKey, name: "no part", request: join(func(*fixture) []string { return nil }, kmip.ObjectTypeSymmetricKey), want: wrongMessage},
		{op: kmip.OperationJoinSplitKey, name: "what is no part", request: join(func(f *fixture) []string { return []string{f.parts[0], f.active} }, kmip.ObjectTypeSymmetricKey), want: badType},
		{op: kmip.OperationJoinSplitKey, name: "too few parts", request: join(func(f *fixture) []string { return f.parts[:1] }, kmip.ObjectTypeSymmetricKey), want: wrongCrypto},
		{op: kmip.OperationJoinSplitKey, name: "one part twice", request: join(func(f *fixture) []string { return []string{f.parts[0], f.parts[0]} }, kmip.ObjectTypeSymmetricKey), want: wrongCrypto},
		{op: kmip.OperationJoinSplitKey, name: "parts of two splits", request: join(func(f *fixture) []string { return []string{f.parts[0], f.others[1]} }, kmip.ObjectTypeSymmetricKey), want: badParameters},
		{op: kmip.OperationJoinSplitKey, name: "a method that there is not", request: join(func(f *fixture) []string { return f.foreign }, kmip.ObjectTypeSymmetricKey), want: notSupported},
		{op: kmip.OperationJoinSplitKey, name: "what is no private key", request: join(func(f *fixture) []string { return f.parts }, kmip.ObjectTypePrivateKey), want: wrongCrypto},
		{op: kmip.OperationJoinSplitKey, name: "another length than that of the parts", request: func(f *fixture) any { return joining(kmip.ObjectTypeSymmetricKey, f.parts, length(128)) }, want: wrongValue},
		{op: kmip.OperationJoinSplitKey, name: "an archived part", request: join(func(f *fixture) []string { return []string{f.storedPart, f.parts[0]} }, kmip.ObjectTypeSymmetricKey), want: archivedNow},

		{op: kmip.OperationCertify, name: "no such object", request: certify(nothing), want: itemNotFound},
		{op: kmip.OperationCertify, name: "neither object nor request", since: kmip.V11, request: func(*fixture) any { return &payload.CertifyRequest{} }, want: itemNotFound},
		{op: kmip.OperationCertify, name: "what cannot be certified", since: kmip.V11, request: certify(func(f *fixture) string { return f.private }), want: wrongType},
		{op: kmip.OperationCertify, name: "a request that is none", request: func(*fixture) any {
			return &payload.CertifyRequest{CertificateRequestType: kmip.CertificateRequestTypePKCS10, CertificateRequestValue: []byte("no")}
		}, want: csr},
		{op: kmip.OperationCertify, name: "a request for another key", request: func(f *fixture) any {
			return &payload.CertifyRequest{UniqueIdentifier: ref(f.public), CertificateRequestType: kmip.CertificateRequestTypePKCS10, CertificateRequestValue: f.holder.request}
		}, want: csr},
		{op: kmip.OperationCertify, name: "a request without its type", request: func(f *fixture) any {
			return &payload.CertifyRequest{CertificateRequestType: kmip.CertificateRequestTypePKCS10, CertificateRequestValue: f.holder.request}
		}, edit: dropField(kmip.TagCertificateRequestType), want: wrongMessage},
		{op: kmip.OperationCertify, name: "an archived object", request: certify(func(f *fixture) string { return f.archived }), want: archivedNow},

		{op: kmip.OperationReCertify, name: "no such object", request: recertify(nothing, nil), want: notThere},
		{op: kmip.OperationReCertify, name: "no identifier and no ID Placeholder", request: func(f *fixture) any { return recertifying(f.v, f.holder, "") }, want: notThere},
		{op: kmip.OperationReCertify, name: "what is no certificate", request: recertify(func(f *fixture) string { return f.public }, nil), want: wrongType},
		{op: kmip.OperationReCertify, name: "a request that is none", request: func(f *fixture) any {
			return &payload.ReCertifyRequest{UniqueIdentifier: ref(f.issued), CertificateRequestType: kmip.CertificateRequestTypePKCS10, CertificateRequestValue: []byte("no")}
		}, want: csr},
		{op: kmip.OperationReCertify, name: "a managed request that is none", since: kmip.V20, request: func(f *fixture) any {
			return &payload.ReCertifyRequest{UniqueIdentifier: ref(f.issued), CertificateRequestUniqueIdentifier: ref(f.public)}
		}, want: wrongType},
		{op: kmip.OperationReCertify, name: "an offset with dates", request: recertify(func(f *fixture) string { return f.held }, &hour, date), want: wrongMessage},
		{op: kmip.OperationReCertify, name: "an archived object", request: recertify(func(f *fixture) string { return f.archived }, nil), want: archivedNow},

		{op: kmip.OperationImport, name: "an identifier that is taken", request: func(f *fixture) any { return importing(f.active, key())(f) }, want: always(kmip.ResultReasonObjectAlreadyExists)},
		{op: kmip.OperationImport, name: "a type that is not recognized", since: kmip.V20, request: importing("new", key()), edit: noObjectType, want: notMade},
		{op: kmip.OperationImport, name: "another type than the object", since: kmip.V20, request: importing("new", key()), edit: setField(kmip.Enumeration(kmip.TagObjectType, kmip.ObjectTypeSecretData)), want: badType},
		{op: kmip.OperationImport, name: "an impossible value", request: importing("new", key(), name("")), want: wrongValue},
		{op: kmip.OperationImport, name: "a length that is not the key's", request: importing("new", wrongLength), want: wrongValue},
		{op: kmip.OperationImport, name: "two values of what has one", request: importing("new", key(), kmip.Text(kmip.TagContactInformation, "a"), kmip.Text(kmip.TagContactInformation, "b")), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonAttributeSingleValued)},
		{op: kmip.OperationImport, name: "a Name that is taken", request: importing("new", key(), name("taken")), want: taken},
		{op: kmip.OperationImport, name: "more attributes than an object may have", request: importing("new", key(), many...), want: tooMany},
		{op: kmip.OperationImport, name: "a namespace without data", request: importing("new", key(), namespaced()), want: noNamespace},
		{op: kmip.OperationImport, name: "an attribute that there is not", request: importing("new", key()), want: since2(kmip.ResultReasonInvalidField, kmip.ResultReasonInvalidAttribute), edit: func(p *kmip.Item) {
			for i, field := range p.Items {
				switch field.Tag {
				case kmip.TagAttributes:
					p.Items[i].Items = append(field.Items, kmip.Text(kmip.TagUsername, "x"))
				case kmip.TagAttribute:
					p.Items[i] = kmip.Structure(kmip.TagAttribute, kmip.Text(kmip.TagAttributeName, "No Such Attribute"), kmip.Text(kmip.TagAttributeValue, "x"))
				}
			}
		}},
		{op: kmip.OperationImport, name: "an encoding that there is not", request: func(f *fixture) any {
			how := kmip.Structure(kmip.TagKeyWrappingData, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt), information(kmip.TagEncryptionKeyInformation, f.kek), kmip.Enumeration(kmip.TagEncodingOption, uint32(0x80000001)))
			o := key()
			o.Key.Wrapping = &how
			r := importing("new", o)(f).(*payload.ImportRequest)
			r.KeyWrapType = kmip.KeyWrapTypeNotWrapped
			return r
		}, want: always(kmip.ResultReasonEncodingOptionError)},
		{op: kmip.OperationImport, name: "to be unwrapped by a key that is not there", request: func(f *fixture) any {
			how := kmip.Structure(kmip.TagKeyWrappingData, kmip.Enumeration(kmip.TagWrappingMethod, kmip.WrappingMethodEncrypt), information(kmip.TagEncryptionKeyInformation, "nothing"))
			o := key()
			o.Key.Wrapping = &how
			r := importing("new", o)(f).(*payload.ImportRequest)
			r.KeyWrapType = kmip.KeyWrapTypeNotWrapped
			return r
		}, want: since2(kmip.ResultReasonItemNotFound, kmip.ResultReasonWrappingObjectNotFound)},
		{op: kmip.OperationImport, name: "no identifier", request: importing("new", key()), edit: dropField(kmip.TagUniqueIdentifier), want: wrongMessage},
	}
}

// moreObjects are those that only the errors of creation need.
func (f *fixture) moreObjects() {
	pair := f.pair(kmip.V21, kmip.CryptographicAlgorithmEC, 256, kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify)
	f.stored = pair.PrivateKeyUniqueIdentifier
	f.archive(f.stored)
	public := f.public0()
	f.emptyPrivate = f.register(kmip.V21, &kmip.Object{Type: kmip.ObjectTypePrivateKey, Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypePKCS8, Algorithm: kmip.CryptographicAlgorithmECDSA, LengthBits: 256}},
		link(kmip.LinkTypePublicKeyLink, public), mask(kmip.CryptographicUsageMaskSign))
	f.held = one[payload.CertifyResponse](f.server, kmip.V21, kmip.OperationCertify, &payload.CertifyRequest{UniqueIdentifier: ref(public), Attributes: template(f.now())}).UniqueIdentifier
	f.storedPart = f.split(kmip.V21, splitting(kmip.SplitKeyMethodXOR, "", 2, 2))[0]
	f.archive(f.storedPart)
	f.cmac = f.create(kmip.V21, f.now(), algorithm(kmip.CryptographicAlgorithmAES), length(128), mask(kmip.CryptographicUsageMaskMACGenerate|kmip.CryptographicUsageMaskMACVerify))
	limited := f.pair(kmip.V21, kmip.CryptographicAlgorithmRSA, 2048, kmip.CryptographicUsageMaskSign, kmip.CryptographicUsageMaskVerify,
		kmip.Structure(kmip.TagUsageLimits, kmip.LongInteger(kmip.TagUsageLimitsTotal, 1), kmip.Enumeration(kmip.TagUsageLimitsUnit, kmip.UsageLimitsUnitByte)))
	f.limitedPrivate = limited.PrivateKeyUniqueIdentifier
	garbage := opaqueKey(kmip.ObjectTypePublicKey, kmip.KeyFormatTypePKCS1, []byte("no such key"))
	garbage.Key.Algorithm, garbage.Key.LengthBits = kmip.CryptographicAlgorithmRSA, 2048
	f.garbage = f.register(kmip.V21, garbage, f.now(), mask(kmip.CryptographicUsageMaskVerify))
	f.kekBound = f.create(kmip.V21, f.now(), algorithm(kmip.CryptographicAlgorithmDES3), length(168), mask(kmip.CryptographicUsageMaskWrapKey))
	f.transparent = f.create(kmip.V21, items(aes(format(kmip.KeyFormatTypeTransparentSymmetricKey)))...)
	for i := range 2 {
		f.foreign = append(f.foreign, f.register(kmip.V21, &kmip.Object{
			Type: kmip.ObjectTypeSplitKey, Split: &kmip.SplitPart{Parts: 2, Identifier: int32(i + 1), Threshold: 2, Method: 0x80000001},
			Key: &kmip.KeyBlock{Format: kmip.KeyFormatTypeRaw, Material: secret.Copy(make([]byte, 16)), Algorithm: kmip.CryptographicAlgorithmAES, LengthBits: 128},
		}))
	}
}

// public0 registers the public key of the holder.
func (f *fixture) public0() string {
	return f.server.public(kmip.V21, f.holder, mask(kmip.CryptographicUsageMaskVerify))
}

// Each error of the operations that make objects has the reason that its version
// gives it (1.4 §11.2 to §11.9, §11.39 to §11.42; 2.1 §6.1).
func TestErrorsOfCreation(t *testing.T) { refuse(t, creationRefusals()) }

func TestErrorsOfAttributesAtCreation(t *testing.T) {
	refuse(t, makerRefusals())
}
