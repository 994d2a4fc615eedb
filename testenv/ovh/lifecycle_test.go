package ovh

import (
	"slices"
	"testing"
	"time"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipclient"
	"github.com/ovh/kmip-go/ttlv"
)

// attribute returns one attribute of an object; nil when it has none.
func attribute(t testing.TB, c *kmipclient.Client, id string, name kmip.AttributeName) any {
	t.Helper()
	for _, a := range must(c.GetAttributes(id, name).Exec())(t).Attribute {
		if a.AttributeName == name {
			return a.AttributeValue
		}
	}
	return nil
}

func state(t testing.TB, c *kmipclient.Client, id string, want kmip.State) {
	t.Helper()
	if got := attribute(t, c, id, kmip.AttributeNameState); got != want {
		t.Errorf("state %v, want %v", got, want)
	}
}

func TestLifecycle(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		id := must(c.Create().AES(256, encrypts).Exec())(t).UniqueIdentifier
		state(t, c, id, kmip.StatePreActive)
		must(c.Activate(id).Exec())(t)
		state(t, c, id, kmip.StateActive)
		if _, err := c.Destroy(id).Exec(); err == nil {
			t.Error("an active key was destroyed")
		}
		must(c.Revoke(id).WithRevocationReasonCode(kmip.RevocationReasonCodeKeyCompromise).WithRevocationMessage("lost").WithCompromiseOccurrenceDate(time.Now().Add(-time.Hour)).Exec())(t)
		state(t, c, id, kmip.StateCompromised)
		must(c.Destroy(id).Exec())(t)
		state(t, c, id, kmip.StateDestroyedCompromised)
	})
}

func TestAttributes(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, _ kmip.ProtocolVersion) {
		id := must(c.Create().AES(256, encrypts).Exec())(t).UniqueIdentifier
		all := must(c.GetAttributes(id).Exec())(t).Attribute
		for _, want := range []kmip.AttributeName{kmip.AttributeNameUniqueIdentifier, kmip.AttributeNameObjectType, kmip.AttributeNameCryptographicAlgorithm, kmip.AttributeNameCryptographicLength, kmip.AttributeNameCryptographicUsageMask, kmip.AttributeNameState, kmip.AttributeNameInitialDate, kmip.AttributeNameDigest} {
			if !slices.ContainsFunc(all, func(a kmip.Attribute) bool { return a.AttributeName == want }) {
				t.Errorf("%s is missing", want)
			}
		}
		must(c.AddAttribute(id, kmip.AttributeNameContactInformation, "ops@example.net").Exec())(t)
		must(c.ModifyAttribute(id, kmip.AttributeNameContactInformation, "sec@example.net").Exec())(t)
		if got := attribute(t, c, id, kmip.AttributeNameContactInformation); got != "sec@example.net" {
			t.Errorf("Contact Information %v", got)
		}
		must(c.DeleteAttribute(id, kmip.AttributeNameContactInformation).Exec())(t)
		if got := attribute(t, c, id, kmip.AttributeNameContactInformation); got != nil {
			t.Errorf("Contact Information %v after Delete Attribute", got)
		}
		must(c.AddAttribute(id, "x-Shelf", "first").Exec())(t)
		must(c.AddAttribute(id, "x-Shelf", "second").Exec())(t)
		must(c.ModifyAttribute(id, "x-Shelf", "third").WithIndex(1).Exec())(t)
		must(c.DeleteAttribute(id, "x-Shelf").WithIndex(0).Exec())(t)
		if got, ok := attribute(t, c, id, "x-Shelf").(ttlv.Value); !ok || got.Value != "third" {
			t.Errorf("x-Shelf %v", got)
		}
		if _, err := c.ModifyAttribute(id, kmip.AttributeNameState, kmip.StateDestroyed).Exec(); err == nil {
			t.Error("a client set the state")
		}
		remove(t, c, id)
	})
}

func TestLocate(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		name := "ovh-locate-" + v.String() + "-" + time.Now().String()
		id := must(c.Create().AES(256, encrypts).WithName(name).WithAttribute("x-Rack", name).Exec())(t).UniqueIdentifier
		for what, search := range map[string]kmipclient.ExecLocate{
			"name":             c.Locate().WithName(name),
			"custom attribute": c.Locate().WithAttribute("x-Rack", name),
			"several":          c.Locate().WithName(name).WithObjectType(kmip.ObjectTypeSymmetricKey).WithAttribute(kmip.AttributeNameCryptographicLength, int32(256)).WithMaxItems(5),
		} {
			if got := must(search.Exec())(t).UniqueIdentifier; !slices.Equal(got, []string{id}) {
				t.Errorf("by %s: %v, want %s", what, got, id)
			}
		}
		if got := must(c.Locate().WithName(name).WithObjectType(kmip.ObjectTypePublicKey).Exec())(t).UniqueIdentifier; len(got) != 0 {
			t.Errorf("of another type: %v", got)
		}
		remove(t, c, id)
	})
}

func TestRekey(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		name := "ovh-rekey-" + v.String() + "-" + time.Now().String()
		old := must(c.Create().AES(256, encrypts).WithName(name).Exec())(t).UniqueIdentifier
		must(c.Activate(old).Exec())(t)
		fresh := must(c.Rekey(old).Exec())(t).UniqueIdentifier
		if got := must(c.Locate().WithName(name).Exec())(t).UniqueIdentifier; !slices.Equal(got, []string{fresh}) {
			t.Errorf("the name belongs to %v, want %s", got, fresh)
		}
		if link, ok := attribute(t, c, fresh, kmip.AttributeNameLink).(kmip.Link); !ok || link.LinkType != kmip.LinkTypeReplacedObjectLink || link.LinkedObjectIdentifier != old {
			t.Errorf("link %+v", link)
		}
		remove(t, c, old, fresh)
	})
}

func TestBatches(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		type client = kmipclient.Client
		type builder = kmipclient.PayloadBuilder
		create := func(c *client) builder { return c.Create().AES(256, encrypts) }
		items := must(c.Create().AES(256, encrypts).
			Then(func(c *client) builder { return c.Activate("") }). // what Create has made
			Then(func(c *client) builder { return c.GetAttributes("", kmip.AttributeNameState) }).
			Then(func(c *client) builder {
				return c.Revoke("").WithRevocationReasonCode(kmip.RevocationReasonCodeCessationOfOperation)
			}).
			Then(func(c *client) builder { return c.Destroy("") }).
			Exec())(t)
		if got := must(items.Unwrap())(t); len(got) != 5 {
			t.Errorf("%d items", len(got))
		}
		items = must(c.Activate("no such object").Then(create).Exec(kmipclient.OnBatchErr(kmip.BatchErrorContinuationOptionContinue)))(t)
		if items[0].Err() == nil || items[1].Err() != nil {
			t.Errorf("continue: %v, %v", items[0].Err(), items[1].Err())
		}
		stopped := kmip.NewRequestMessage(v, must(c.Activate("no such object").Build())(t), must(create(c).Build())(t))
		stopped.Header.BatchErrorContinuationOption = kmip.BatchErrorContinuationOptionStop
		if r := must(c.Roundtrip(t.Context(), &stopped))(t); len(r.BatchItem) != 1 || r.BatchItem[0].Err() == nil {
			t.Errorf("stop: %+v", r.BatchItem)
		}
	})
}
