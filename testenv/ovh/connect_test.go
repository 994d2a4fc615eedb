package ovh

import (
	"os"
	"slices"
	"testing"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipclient"
	"github.com/ovh/kmip-go/payloads"
)

// versions are all that the client speaks.
var versions = []kmip.ProtocolVersion{kmip.V1_0, kmip.V1_1, kmip.V1_2, kmip.V1_3, kmip.V1_4}

// since reports whether a version is another or later.
func since(v, first kmip.ProtocolVersion) bool { return v.Minor() >= first.Minor() }

// connect dials the server that the environment names; the test is skipped
// where it names none.
func connect(t testing.TB, options ...kmipclient.Option) *kmipclient.Client {
	t.Helper()
	server := os.Getenv("CLAVIGER_OVH_SERVER")
	if server == "" {
		t.Skip("no CLAVIGER_OVH_SERVER: testenv/interop starts one")
	}
	c, err := kmipclient.Dial(server, append([]kmipclient.Option{
		kmipclient.WithRootCAFile(os.Getenv("CLAVIGER_OVH_CA")),
		kmipclient.WithClientCertFiles(os.Getenv("CLAVIGER_OVH_CERT"), os.Getenv("CLAVIGER_OVH_KEY")),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// each runs a test in every version.
func each(t *testing.T, test func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion)) {
	for _, v := range versions {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			test(t, connect(t, kmipclient.EnforceVersion(v)), v)
		})
	}
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestVersionsAreNegotiated(t *testing.T) {
	if v := connect(t).Version(); v != kmip.V1_4 {
		t.Errorf("negotiated %s", v)
	}
}

func TestDiscoverVersions(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		r, err := c.Request(t.Context(), &payloads.DiscoverVersionsRequestPayload{})
		if !since(v, kmip.V1_1) {
			if err == nil {
				t.Error("KMIP 1.0 has no Discover Versions")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			if !slices.Contains(r.(*payloads.DiscoverVersionsResponsePayload).ProtocolVersion, v) {
				t.Errorf("%s is missing", v)
			}
		}
	})
}

func TestQuery(t *testing.T) {
	each(t, func(t *testing.T, c *kmipclient.Client, v kmip.ProtocolVersion) {
		r := must(c.Query().Operations().Objects().ServerInformation().Exec())(t)
		if !slices.Contains(r.Operations, kmip.OperationCreate) || !slices.Contains(r.ObjectType, kmip.ObjectTypeSymmetricKey) || r.VendorIdentification == "" {
			t.Errorf("%+v", r)
		}
		if slices.Contains(r.Operations, kmip.OperationEncrypt) != since(v, kmip.V1_2) {
			t.Error("Encrypt came with KMIP 1.2")
		}
		if since(v, kmip.V1_3) {
			must(c.Query().All().Exec())(t)
		}
	})
}
