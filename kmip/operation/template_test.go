package operation_test

import (
	"bytes"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
)

// templateVersions are those that have Templates.
var templateVersions = []kmip.Version{kmip.V10, kmip.V11, kmip.V12, kmip.V13, kmip.V14}

// named registers a Template.
func (s *server) named(v kmip.Version, n string, attrs ...kmip.Item) string {
	s.t.Helper()
	return s.register(v, &kmip.Object{Type: kmip.ObjectTypeTemplate, Template: template(attrs...).Attributes}, name(n))
}

// using are attributes beside the names of templates.
func using(templates []string, attrs ...kmip.Item) payload.Template {
	t := template(attrs...)
	for _, n := range templates {
		t.Templates = append(t.Templates, kmip.NameValue{Value: n, Type: kmip.NameTypeUninterpretedTextString})
	}
	return t
}

func groupsOf(a kmip.Attributes) []string {
	var list []string
	for _, at := range a.Instances(kmip.AttributeID{Tag: kmip.TagObjectGroup}) {
		list = append(list, at.Value.Text())
	}
	return list
}

// What a request says goes before what a Template says, a later Template before
// an earlier one; instances of what may have several add up.
func TestTemplatesOfARequest(t *testing.T) {
	for _, v := range templateVersions {
		t.Run(v.String(), func(t *testing.T) {
			s := newServer(t)
			s.named(v, "base", algorithm(kmip.CryptographicAlgorithmAES), length(128), mask(kmip.CryptographicUsageMaskEncrypt),
				kmip.Text(kmip.TagObjectGroup, "one"), kmip.Text(kmip.TagContactInformation, "base"))
			s.named(v, "over", length(192), kmip.Text(kmip.TagObjectGroup, "two"), kmip.Text(kmip.TagContactInformation, "over"))
			for _, c := range []struct {
				name      string
				templates []string
				attrs     []kmip.Item
				bits      int
				contact   string
				groups    []string
			}{
				{"one template", []string{"base"}, nil, 128, "base", []string{"one"}},
				{"the later one wins", []string{"base", "over"}, nil, 192, "over", []string{"one", "two"}},
				{"in the other order too", []string{"over", "base"}, nil, 128, "base", []string{"one", "two"}},
				{"the request wins", []string{"base", "over"}, []kmip.Item{length(256), kmip.Text(kmip.TagObjectGroup, "three")}, 256, "over", []string{"one", "two", "three"}},
			} {
				uid := one[payload.CreateResponse](s, v, kmip.OperationCreate, &payload.CreateRequest{
					ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: using(c.templates, c.attrs...),
				}).UniqueIdentifier
				a := s.attributes(v, uid)
				if got := len(s.material(v, uid)) * 8; got != c.bits || a.Text(kmip.TagContactInformation) != c.contact {
					t.Errorf("%s: %d bits, %q; want %d, %q", c.name, got, a.Text(kmip.TagContactInformation), c.bits, c.contact)
				}
				got := groupsOf(a)
				if len(got) != len(c.groups) {
					t.Errorf("%s: groups %v, want %v", c.name, got, c.groups)
				}
			}
		})
	}
}

// Each operation that makes objects takes templates.
func TestEveryCreationTakesTemplates(t *testing.T) {
	for _, v := range templateVersions {
		t.Run(v.String(), func(t *testing.T) {
			s := newServer(t)
			h := newHolder(t, "t")
			s.named(v, "contact", kmip.Text(kmip.TagContactInformation, "from the template"))
			s.named(v, "rsa", algorithm(kmip.CryptographicAlgorithmRSA), length(2048))
			contact := []string{"contact"}
			base := s.derivable(v, kmip.CryptographicAlgorithmHMACSHA256)
			public := s.public(v, h)
			made := map[string]string{
				"Register": one[payload.RegisterResponse](s, v, kmip.OperationRegister, &payload.RegisterRequest{
					ObjectType: kmip.ObjectTypeSecretData, Object: password("pw"), Attributes: using(contact),
				}).UniqueIdentifier,
				"Re-key": one[payload.ReKeyResponse](s, v, kmip.OperationReKey, &payload.ReKeyRequest{
					UniqueIdentifier: ref(s.create(v, items(aes())...)), Attributes: using(contact),
				}).UniqueIdentifier,
			}
			derive := derivation(kmip.DerivationMethodHMAC, []string{base}, []kmip.Item{kmip.ByteString(kmip.TagDerivationData, deriveData)})
			derive.Attributes.Templates = using(contact).Templates
			made["Derive Key"] = one[payload.DeriveKeyResponse](s, v, kmip.OperationDeriveKey, derive).UniqueIdentifier
			certify := certifying(v, h, public)
			certify.Attributes.Templates = using(contact).Templates
			certificate := one[payload.CertifyResponse](s, v, kmip.OperationCertify, certify).UniqueIdentifier
			made["Certify"] = certificate
			plain := one[payload.CertifyResponse](s, v, kmip.OperationCertify, certifying(v, h, public)).UniqueIdentifier
			renew := recertifying(v, h, plain)
			renew.Attributes.Templates = using(contact).Templates
			made["Re-certify"] = one[payload.ReCertifyResponse](s, v, kmip.OperationReCertify, renew).UniqueIdentifier
			pair := one[payload.CreateKeyPairResponse](s, v, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
				CommonAttributes: using([]string{"rsa"}), PrivateKeyAttributes: using(contact, mask(kmip.CryptographicUsageMaskSign)), PublicKeyAttributes: using(nil, mask(kmip.CryptographicUsageMaskVerify)),
			})
			made["Create Key Pair"] = pair.PrivateKeyUniqueIdentifier
			if s.attributes(v, pair.PublicKeyUniqueIdentifier).Has(kmip.TagContactInformation) {
				t.Error("the template of the private key was applied to the public key")
			}
			if v >= kmip.V11 {
				made["Re-key Key Pair"] = one[payload.ReKeyKeyPairResponse](s, v, kmip.OperationReKeyKeyPair, &payload.ReKeyKeyPairRequest{
					PrivateKeyUniqueIdentifier: ref(pair.PrivateKeyUniqueIdentifier), CommonAttributes: using(contact),
				}).PublicKeyUniqueIdentifier
			}
			if v >= kmip.V12 {
				split := splitting(kmip.SplitKeyMethodXOR, "", 2, 2)
				split.Attributes = using(contact)
				parts := s.split(v, split)
				made["Create Split Key"] = parts[1]
				join := joining(kmip.ObjectTypeSymmetricKey, parts)
				join.Attributes = using(contact)
				made["Join Split Key"] = s.join(v, join)
			}
			for op, uid := range made {
				if got := s.attributes(v, uid).Text(kmip.TagContactInformation); got != "from the template" {
					t.Errorf("%s: Contact Information %q", op, got)
				}
			}
		})
	}
}

// A Template is an object: it can be found, read, renamed and destroyed, and is
// gone then. It has no state.
func TestTemplatesAreObjects(t *testing.T) {
	for _, v := range templateVersions {
		t.Run(v.String(), func(t *testing.T) {
			s := newServer(t)
			uid := s.named(v, "model", algorithm(kmip.CryptographicAlgorithmAES), length(128), kmip.Text(kmip.TagObjectGroup, "g"))
			found := one[payload.LocateResponse](s, v, kmip.OperationLocate, &payload.LocateRequest{Attributes: payload.AttributeList{
				Attributes: template(name("model"), kmip.Enumeration(kmip.TagObjectType, kmip.ObjectTypeTemplate)).Attributes,
			}})
			if len(found.UniqueIdentifier) != 1 || found.UniqueIdentifier[0] != uid {
				t.Errorf("Locate: %v, want %s", found.UniqueIdentifier, uid)
			}
			got := s.get(v, uid)
			if got.Type != kmip.ObjectTypeTemplate || got.Template.Int32(kmip.TagCryptographicLength) != 128 || got.Template.Text(kmip.TagObjectGroup) != "g" {
				t.Errorf("Get: %+v", got)
			}
			a := s.attributes(v, uid)
			for _, tag := range []kmip.Tag{kmip.TagState, kmip.TagDigest, kmip.TagCryptographicUsageMask} {
				if a.Has(tag) {
					t.Errorf("a template has %s", tag)
				}
			}
			one[payload.ModifyAttributeResponse](s, v, kmip.OperationModifyAttribute, &payload.ModifyAttributeRequest{UniqueIdentifier: ref(uid), NewAttribute: attribute(name("pattern"))})
			create := &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: using([]string{"pattern"}, mask(kmip.CryptographicUsageMaskEncrypt))}
			one[payload.CreateResponse](s, v, kmip.OperationCreate, create)
			create.Attributes = using([]string{"model"}, mask(kmip.CryptographicUsageMaskEncrypt))
			s.fails(v, "the name before", kmip.OperationCreate, create, kmip.ResultReasonItemNotFound)
			s.fails(v, "activate", kmip.OperationActivate, &payload.ActivateRequest{UniqueIdentifier: ref(uid)}, kmip.ResultReasonIllegalOperation)
			s.fails(v, "revoke", kmip.OperationRevoke, &payload.RevokeRequest{
				UniqueIdentifier: ref(uid), RevocationReason: &payload.RevocationReason{RevocationReasonCode: kmip.RevocationReasonCodeKeyCompromise},
			}, kmip.ResultReasonIllegalOperation)
			one[payload.DestroyResponse](s, v, kmip.OperationDestroy, &payload.DestroyRequest{UniqueIdentifier: ref(uid)})
			s.fails(v, "attributes of a template that is destroyed", kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}, kmip.ResultReasonItemNotFound)
			create.Attributes = using([]string{"pattern"}, mask(kmip.CryptographicUsageMaskEncrypt))
			s.fails(v, "a template that is destroyed", kmip.OperationCreate, create, kmip.ResultReasonItemNotFound)
			s.named(v, "pattern", length(256)) // the name is free
		})
	}
}

// Later versions know no Templates: none is registered, named or given away.
func TestTemplatesAreOfKMIPOne(t *testing.T) {
	s := newServer(t)
	uid := s.named(kmip.V14, "old", algorithm(kmip.CryptographicAlgorithmAES), length(128))
	for _, v := range since(kmip.V20) {
		if r := s.try(v, kmip.OperationGet, &payload.GetRequest{UniqueIdentifier: ref(uid)}); r.Status != failed {
			t.Errorf("KMIP %s: a template was given away", v)
		}
		if r := s.try(v, kmip.OperationGetAttributes, &payload.GetAttributesRequest{UniqueIdentifier: ref(uid)}); r.Status != ok {
			t.Errorf("KMIP %s: attributes of a template: %s", v, r.Reason)
		}
		if r := s.try(v, kmip.OperationRegister, &payload.RegisterRequest{ObjectType: kmip.ObjectTypeTemplate, Attributes: template(name("new")), Object: &kmip.Object{
			Type: kmip.ObjectTypeTemplate, Template: template(length(128)).Attributes,
		}}); r.Status != failed {
			t.Errorf("KMIP %s: a template was registered", v)
		}
		// The name of an object is taken, whoever can see it.
		s.fails(v, "the name of a template", kmip.OperationCreate, &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: aes(name("old"))}, kmip.ResultReasonNonUniqueNameAttribute)
	}
}

func TestUndoTakesTemplatesBack(t *testing.T) {
	for _, v := range templateVersions {
		t.Run(v.String(), func(t *testing.T) {
			s := newServer(t)
			model := &payload.RegisterRequest{ObjectType: kmip.ObjectTypeTemplate, Attributes: template(name("m")), Object: &kmip.Object{
				Type: kmip.ObjectTypeTemplate, Template: template(algorithm(kmip.CryptographicAlgorithmAES), length(192)).Attributes,
			}}
			create := &payload.CreateRequest{ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: using([]string{"m"}, mask(kmip.CryptographicUsageMaskEncrypt))}
			r := s.send(v, kmip.BatchErrorContinuationOptionContinue, batch(kmip.OperationRegister, model), batch(kmip.OperationCreate, create), getItem(""))
			if !equal(statuses(r), []kmip.ResultStatus{ok, ok, ok}) {
				t.Fatalf("%+v", r.Items)
			}
			if got := r.Items[2].Payload.(*payload.GetResponse).Object.Key.Material.Reveal(); len(got) != 24 || bytes.Equal(got, make([]byte, 24)) {
				t.Errorf("a key of %d bytes, want 24", len(got))
			}
			model.Attributes = template(name("n"))
			r = s.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationRegister, model), getItem("nothing"))
			if !equal(statuses(r), []kmip.ResultStatus{undone, failed}) {
				t.Fatalf("%+v", r.Items)
			}
			create.Attributes = using([]string{"n"})
			s.fails(v, "a template that was undone", kmip.OperationCreate, create, kmip.ResultReasonItemNotFound)
		})
	}
}
