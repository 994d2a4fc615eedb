package operation_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strconv"
	"testing"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/policy"
)

// Return codes of PKCS#11 3.0, §3.6.
const (
	functionNotSupported kmip.PKCS11ReturnCode = 0x54
	notInitialized       kmip.PKCS11ReturnCode = 0x190
	alreadyInitialized   kmip.PKCS11ReturnCode = 0x191
)

func TestPKCS11(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		call := func(f kmip.PKCS11Function, correlation []byte) *payload.PKCS11Response {
			t.Helper()
			return one[payload.PKCS11Response](s, v, kmip.OperationPKCS11, &payload.PKCS11Request{PKCS11Function: f, CorrelationValue: correlation})
		}
		begun := call(kmip.PKCS11FunctionCInitialize, nil)
		c := begun.CorrelationValue
		if len(c) == 0 || begun.PKCS11ReturnCode == nil || *begun.PKCS11ReturnCode != kmip.PKCS11ReturnCodeOK {
			t.Fatalf("C_Initialize: %+v", begun)
		}
		for _, k := range []struct {
			name        string
			function    kmip.PKCS11Function
			correlation []byte
			want        kmip.PKCS11ReturnCode
		}{
			{"C_Initialize once more", kmip.PKCS11FunctionCInitialize, c, alreadyInitialized},
			{"C_GetInfo", kmip.PKCS11FunctionCGetInfo, c, kmip.PKCS11ReturnCodeOK},
			{"C_GetInfo of nobody", kmip.PKCS11FunctionCGetInfo, nil, notInitialized},
			{"C_GetInfo of another", kmip.PKCS11FunctionCGetInfo, []byte("another"), notInitialized},
			{"what is not there", kmip.PKCS11FunctionCGenerateKey, c, functionNotSupported},
			{"C_Finalize", kmip.PKCS11FunctionCFinalize, c, kmip.PKCS11ReturnCodeOK},
			{"C_GetInfo after that", kmip.PKCS11FunctionCGetInfo, c, notInitialized},
		} {
			r := call(k.function, k.correlation)
			if r.PKCS11ReturnCode == nil || *r.PKCS11ReturnCode != k.want || r.PKCS11Function != k.function {
				t.Errorf("%s: %+v, want %#x", k.name, r, uint32(k.want))
			}
			if k.name == "C_GetInfo" && len(r.PKCS11OutputParameters) != 2+32+8+32+2 {
				t.Errorf("CK_INFO of %d bytes", len(r.PKCS11OutputParameters))
			}
		}
		other := s.in("other")
		c = call(kmip.PKCS11FunctionCInitialize, nil).CorrelationValue
		if r := one[payload.PKCS11Response](other, v, kmip.OperationPKCS11, &payload.PKCS11Request{PKCS11Function: kmip.PKCS11FunctionCGetInfo, CorrelationValue: c}); *r.PKCS11ReturnCode != notInitialized {
			t.Errorf("the application of another domain: %#x", uint32(*r.PKCS11ReturnCode))
		}
		s.fails(v, "another interface", kmip.OperationPKCS11, &payload.PKCS11Request{PKCS11Interface: "Vendor X", PKCS11Function: kmip.PKCS11FunctionCInitialize}, kmip.ResultReasonPKCS11InvalidInterface)
		s.fails(v, "arguments that cannot be read", kmip.OperationPKCS11, &payload.PKCS11Request{PKCS11Function: kmip.PKCS11FunctionCInitialize, PKCS11InputParameters: []byte("many bytes")}, kmip.ResultReasonPKCS11CodecError)
		s.fails(v, "no such function", kmip.OperationPKCS11, &payload.PKCS11Request{PKCS11Function: 0x80000001, CorrelationValue: c}, kmip.ResultReasonPKCS11InvalidFunction)
	})
}

// Re-Provision gives a client a new certificate; the one before admits nobody.
func TestReProvision(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		ctx := context.Background()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			name    string
			request func(client string) *payload.ReProvisionRequest
		}{
			{"a key of the server", func(string) *payload.ReProvisionRequest { return &payload.ReProvisionRequest{} }},
			{"a certificate request", func(string) *payload.ReProvisionRequest {
				i := kmip.Structure(kmip.TagCertificateRequest, kmip.Enumeration(kmip.TagCertificateRequestType, kmip.CertificateRequestTypePKCS10), kmip.ByteString(kmip.TagCertificateRequestValue, newRequest(t, key, "anything")))
				return &payload.ReProvisionRequest{CertificateRequest: &i}
			}},
			{"another certificate of the client", func(client string) *payload.ReProvisionRequest {
				made, err := s.svc.IssueCertificate(ctx, s.svc.Administrator("default"), client)
				if err != nil {
					t.Fatal(err)
				}
				i := certificateItem(made.Issued.Certificate.Raw)
				return &payload.ReProvisionRequest{Certificate: &i}
			}},
		} {
			client := "client" + strconv.Itoa(i)
			made, err := s.svc.CreateClient(ctx, s.svc.Administrator("default"), client, policy.RoleFull)
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.svc.AuthenticateClient(ctx, made.Issued.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			by := s.as(p, nil)
			uid := one[payload.ReProvisionResponse](by, v, kmip.OperationReProvision, c.request(client)).UniqueIdentifier
			o := s.get(v, uid)
			var der []byte
			switch o.Type {
			case kmip.ObjectTypePrivateKey:
				linked := s.links(uid)[kmip.LinkTypeCertificateLink]
				if len(linked) != 1 {
					t.Fatalf("%s: the key links to %v", c.name, linked)
				}
				der = s.get(v, linked[0]).CertificateValue
			case kmip.ObjectTypeCertificate:
				der = o.CertificateValue
			}
			fresh, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			now, err := s.svc.AuthenticateClient(ctx, fresh)
			if err != nil || now.Name != client || fresh.Subject.CommonName != client {
				t.Errorf("%s: the new certificate, of %s, admits %+v, %v", c.name, fresh.Subject, now, err)
			}
			if _, err := s.svc.AuthenticateClient(ctx, made.Issued.Certificate); kmip.KindOf(err) != kmip.KindNotAuthenticated {
				t.Errorf("%s: the old certificate: %v", c.name, err)
			}
			by.fails(v, c.name+", by the old certificate", kmip.OperationReProvision, &payload.ReProvisionRequest{}, kmip.ResultReasonAuthenticationNotSuccessful)
		}
	})
}

func TestReProvisionThatIsRefused(t *testing.T) {
	s := newServer(t)
	h := newHolder(t, "x")
	mine, _ := s.client("mine")
	theirs, err := s.svc.CreateClient(context.Background(), s.svc.Administrator("default"), "theirs", policy.RoleFull)
	if err != nil {
		t.Fatal(err)
	}
	root, _ := chain(t, s.svc.Clock.Now(), s.svc.Clock.Now().Add(1e12))
	request := func(value []byte) *kmip.Item {
		i := kmip.Structure(kmip.TagCertificateRequest, kmip.Enumeration(kmip.TagCertificateRequestType, kmip.CertificateRequestTypePKCS10), kmip.ByteString(kmip.TagCertificateRequestValue, value))
		return &i
	}
	cert := func(der []byte) *kmip.Item { i := certificateItem(der); return &i }
	for _, v := range since(kmip.V20) {
		for _, c := range []struct {
			name string
			r    payload.ReProvisionRequest
			want kmip.ResultReason
		}{
			{"a request that is none", payload.ReProvisionRequest{CertificateRequest: request([]byte("no"))}, kmip.ResultReasonInvalidCSR},
			{"a certificate that is none", payload.ReProvisionRequest{Certificate: cert([]byte("no"))}, kmip.ResultReasonInvalidField},
			{"a certificate of another authority", payload.ReProvisionRequest{Certificate: cert(root)}, kmip.ResultReasonCryptographicFailure},
			{"the certificate of another client", payload.ReProvisionRequest{Certificate: cert(theirs.Issued.Certificate.Raw)}, kmip.ResultReasonPermissionDenied},
			{"both", payload.ReProvisionRequest{CertificateRequest: request(h.request), Certificate: cert(root)}, kmip.ResultReasonInvalidField},
		} {
			mine.fails(v, c.name, kmip.OperationReProvision, &c.r, c.want)
		}
		r := mine.send(v, kmip.BatchErrorContinuationOptionUndo, batch(kmip.OperationReProvision, &payload.ReProvisionRequest{}), createItem("k"))
		if r.Items[0].Status != failed {
			t.Error("Re-Provision in a batch that can be undone")
		}
	}
}

// A connection turns around only where its door can do that.
func TestSetEndpointRole(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		client := &payload.SetEndpointRoleRequest{EndpointRole: kmip.EndpointRoleClient}
		s.fails(v, "a door that cannot", kmip.OperationSetEndpointRole, client, kmip.ResultReasonFeatureNotSupported)
		turned := 0
		s.turn = func() error { turned++; return nil }
		if got := one[payload.SetEndpointRoleResponse](s, v, kmip.OperationSetEndpointRole, client); got.EndpointRole != kmip.EndpointRoleClient || turned != 1 {
			t.Errorf("role %s, turned %d times", got.EndpointRole, turned)
		}
		if got := one[payload.SetEndpointRoleResponse](s, v, kmip.OperationSetEndpointRole, &payload.SetEndpointRoleRequest{EndpointRole: kmip.EndpointRoleServer}); got.EndpointRole != kmip.EndpointRoleServer || turned != 1 {
			t.Errorf("role %s, turned %d times", got.EndpointRole, turned)
		}
		r := s.send(v, 0, batch(kmip.OperationSetEndpointRole, client), createItem("k"))
		if r.Items[0].Status != failed || r.Items[0].Reason != kmip.ResultReasonInvalidMessage || turned != 1 {
			t.Errorf("beside other items: %+v, turned %d times", r.Items[0], turned)
		}
	})
}

// Log, Ping and Interop do nothing and answer nothing, and leave their entry.
func TestOperationsThatOnlyLeaveAnEntry(t *testing.T) {
	inEvery(t, kmip.V20, func(t *testing.T, s *server, v kmip.Version) {
		one[payload.LogResponse](s, v, kmip.OperationLog, &payload.LogRequest{LogMessage: "backup began"})
		if op, _, outcome := s.lastRecord(); op != "Log" || outcome != "success" || s.recorded()[0].Detail != "backup began" {
			t.Errorf("recorded %s, %s, %q", op, outcome, s.recorded()[0].Detail)
		}
		one[payload.InteropResponse](s, v, kmip.OperationInterop, &payload.InteropRequest{InteropFunction: kmip.InteropFunctionBegin, InteropIdentifier: "a test of ours"})
		if v >= kmip.V21 {
			one[payload.PingResponse](s, v, kmip.OperationPing, &payload.PingRequest{})
		}
	})
}
