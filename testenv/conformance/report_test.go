package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger/claviger/kmip"
)

const aCase = `<KMIP>
<RequestMessage><RequestHeader/><BatchItem><Operation type="Enumeration" value="Register"/><RequestPayload>
 <ObjectType type="Enumeration" value="SecretData"/><SecretData><KeyBlock/></SecretData></RequestPayload></BatchItem>
 <BatchItem><Operation type="Enumeration" value="CreateKeyPair"/><RequestPayload/></BatchItem></RequestMessage>
<ResponseMessage><BatchItem><Operation type="Enumeration" value="Query"/><ResponsePayload>
 <Operation type="Enumeration" value="Certify"/><ObjectType type="Enumeration" value="Certificate"/></ResponsePayload></BatchItem></ResponseMessage>
</KMIP>
</KMIP>`

func TestReadCases(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "A-1.xml"), []byte(aCase), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCases(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{{
		Name:        "A-1",
		Operations:  []kmip.Operation{kmip.OperationCreateKeyPair, kmip.OperationRegister, kmip.OperationQuery},
		ObjectTypes: []kmip.ObjectType{kmip.ObjectTypePublicKey, kmip.ObjectTypePrivateKey, kmip.ObjectTypeSecretData},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReport(t *testing.T) {
	results := []Result{
		{Name: "A-1", Version: "1.4", Profile: "A", Status: "PASS"},
		{Name: "A-2", Version: "2.1", Profile: "A", Status: "FAIL", Path: "/ResponseHeader", Expected: "this | that"},
		{Name: "A-3", Version: "2.1", Profile: "A", Status: "PASS"},
		{Name: "B-1", Version: "2.1", Profile: "B", Status: "SKIP", Detail: "alternative"},
		{Name: "B-2", Version: "2.1", Profile: "B", Status: "FAIL", Path: "/x"},
	}
	r := Report{
		Runs: []Run{{"SQLite", results}, {"Postgres", results}},
		Cases: []Case{
			{"A-1", []kmip.Operation{kmip.OperationRegister}, []kmip.ObjectType{kmip.ObjectTypeSecretData}},
			{"A-2", []kmip.Operation{kmip.OperationRegister}, nil},
			{"A-3", []kmip.Operation{kmip.OperationRegister}, nil},
			{"other", []kmip.Operation{kmip.OperationPing}, nil},
		},
		Offer: map[kmip.Version]Offer{kmip.V20: {Operations: []kmip.Operation{kmip.OperationRegister}}},
		Wrong: map[string]string{"B-2": "asks for the impossible"},
	}
	page := r.Markdown()
	for _, want := range []string{
		"| 1.4 | 1 | 0 | 0 | 1 |\n| 2.1 | 1 | 2 | 1 | 4 |\n| all | 2 | 2 | 1 | 5 |\n",
		"Every case has the same result on SQLite and on Postgres.\n",
		"| A | 1/1 | 1/2 |\n| B |  | 0/1 |\n",
		"| Register |  |  |  |  | 1/1 | yes | 1/2 |  |\n",
		"| SecretData |  |  |  |  | 1/1 |  |  |  |\n",
		"| A-2 | `/ResponseHeader` | this \\| that |\n",
		"| B-2 | asks for the impossible |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(page, "| B-2 | `") || strings.Contains(page, "Ping") {
		t.Error("what does not belong there is there")
	}

	other := append([]Result{}, results...)
	other[0].Status = "FAIL"
	r.Runs[1].Results = other
	if page = r.Markdown(); !strings.Contains(page, "| A-1 | PASS | FAIL |\n") || strings.Contains(page, "Every case has the same") {
		t.Error("a difference between the stores is not said")
	}
}

func TestReadList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("# a comment\n\nA-1\nB-2   because of that \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadList(path)
	if diff := cmp.Diff(map[string]string{"A-1": "", "B-2": "because of that"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
