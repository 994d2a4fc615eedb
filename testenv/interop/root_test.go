package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/testenv"
)

// answerLimit is how soon a request is answered whose root of trust is away: 2 s,
// with slack for a machine that does other things beside.
const answerLimit = 2*time.Second + 1500*time.Millisecond

// created makes keys and returns their material by identifier.
func created(t *testing.T, c *client.Client, n int) map[string][]byte {
	t.Helper()
	keys := map[string][]byte{}
	for range n {
		uid, err := c.Create(t.Context(), symmetric("", 256))
		if err != nil {
			t.Fatal(err)
		}
		keys[uid] = got(t, c, uid)
	}
	return keys
}

func got(t *testing.T, c *client.Client, uid string) []byte {
	t.Helper()
	o, err := c.Get(t.Context(), uid, 0)
	if err != nil {
		t.Fatalf("Get %s: %v", uid, err)
	}
	defer o.Destroy()
	return bytes.Clone(o.Key.Material.Reveal())
}

// same checks that the keys are what they were.
func same(t *testing.T, c *client.Client, keys map[string][]byte) {
	t.Helper()
	for uid, material := range keys {
		if !bytes.Equal(got(t, c, uid), material) {
			t.Errorf("%s is another key", uid)
		}
	}
}

// soon repeats until it holds.
func soon(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestATokenThatIsTakenAwayAndPutBack: while it is away requests that need it fail
// soon, with a reason that says to try again; after that they work without a
// restart.
func TestATokenThatIsTakenAwayAndPutBack(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{
		{Root: "pkcs11", Mode: "direct", Isolation: "process"},
		{Root: "pkcs11", Mode: "direct", Isolation: "inline"},
		{Root: "pkcs11", Mode: "envelope", Isolation: "process"},
	} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			c := dial(t, n, "", "")
			keys := created(t, c, 3)
			for range 2 {
				putBack := n.Tokens[0].Remove(t)
				for uid := range keys {
					// What SoftHSM holds in memory serves until it looks at its files.
					soon(t, "the loss shows", 15*time.Second, func() bool {
						begun := time.Now()
						_, err := c.Get(t.Context(), uid, 0)
						if d := time.Since(begun); d > answerLimit {
							t.Errorf("Get took %v", d)
						}
						var refusal *client.Error
						if err != nil && (!errors.As(err, &refusal) || !strings.Contains(err.Error(), "try again")) {
							t.Fatalf("Get = %v, want a refusal that says to try again", err)
						}
						return err != nil || o.Mode == "envelope"
					})
				}
				if o.Mode == "envelope" {
					same(t, c, keys) // what is in use is in the process
				}
				putBack()
				for uid := range keys {
					soon(t, "the token is used again", 20*time.Second, func() bool {
						_, err := c.Get(t.Context(), uid, 0)
						return err == nil
					})
				}
				same(t, c, keys)
				soon(t, "the status is healthy again", 20*time.Second, func() bool {
					return strings.Contains(n.CLI(t, "status"), "server             healthy")
				})
			}
			created(t, c, 1)
		})
	}
}

// load lets clients work until the returned function is called, which returns how
// many requests were made and the errors.
func load(t *testing.T, n *testenv.Node, clients int) (stop func() (int64, []error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var requests atomic.Int64
	var mu sync.Mutex
	var failed []error
	var working sync.WaitGroup
	for range clients {
		c := dial(t, n, "", "")
		working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := useKey(ctx, c); err != nil && ctx.Err() == nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
				requests.Add(4)
			}
		})
	}
	return func() (int64, []error) {
		cancel()
		working.Wait()
		return requests.Load(), failed
	}
}

// useKey makes a key, gets it, and has it encrypt and decrypt.
func useKey(ctx context.Context, c *client.Client) error {
	uid, err := c.Create(ctx, symmetric("", 256))
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	o, err := c.Get(ctx, uid, 0)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	o.Destroy()
	if err := c.Activate(ctx, uid); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	p := gcm()
	sealed, err := c.Encrypt(ctx, payload.EncryptRequest{UniqueIdentifier: kmip.Reference{Text: uid}, CryptographicParameters: &p, Data: payload.Data{Bytes: []byte("plain text")}})
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	opened, err := c.Decrypt(ctx, payload.DecryptRequest{
		UniqueIdentifier: kmip.Reference{Text: uid}, CryptographicParameters: &p, Data: payload.Data{Bytes: sealed.Data},
		IVCounterNonce: sealed.IVCounterNonce, AuthenticatedEncryptionTag: sealed.AuthenticatedEncryptionTag,
	})
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	if string(opened.Data) != "plain text" {
		return errors.New("decrypt: something else")
	}
	return nil
}

func gcm() kmip.Item {
	return kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeGCM), kmip.Integer(kmip.TagTagLength, 16))
}

// TestOneOfTwoTokensBreaksUnderLoad: no request of a client fails.
func TestOneOfTwoTokensBreaksUnderLoad(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"direct", "envelope"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, testenv.Options{Root: "pkcs11", Mode: mode, Tokens: 2, Store: "postgres"})
			keys := created(t, dial(t, n, "", ""), 3)
			stop := load(t, n, 4)
			for range 2 {
				for _, token := range n.Tokens {
					putBack := token.Remove(t)
					soon(t, "the loss shows", 20*time.Second, func() bool { return strings.Contains(n.CLI(t, "status"), "not healthy") })
					time.Sleep(time.Second)
					n.CLI(t, "domain", "create", fmt.Sprintf("made-%d", time.Now().UnixNano())) // with one copy, for now
					putBack()
					soon(t, "the token is well again", 20*time.Second, func() bool { return !strings.Contains(n.CLI(t, "status"), "not healthy") })
				}
			}
			requests, failed := stop()
			for _, err := range failed {
				t.Errorf("a request failed: %v", err)
			}
			if requests < 200 {
				t.Errorf("only %d requests: this proves nothing", requests)
			}
			t.Logf("%d requests, %d failed", requests, len(failed))
			same(t, dial(t, n, "", ""), keys)
			soon(t, "each token has each key", 40*time.Second, func() bool { return !strings.Contains(n.CLI(t, "root", "list"), "missing") })
		})
	}
}

// TestKeysRotateUnderLoad: clients notice nothing, also when the server is killed
// in the middle of it, and the old generation ends.
func TestKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{
		{Store: "postgres", Root: "pkcs11"}, {Store: "sqlite", Root: "pkcs11"}, {Store: "postgres", Root: "pkcs11", Mode: "direct"},
	} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			keys := created(t, dial(t, n, "", ""), 200)
			stop := load(t, n, 3)
			for _, args := range [][]string{
				{"domain", "rotate-key", "default"},
				{"root", "rotate", n.Tokens[0].Label},
				{"domain", "rotate-key", "default", "--mode", "envelope"},
				{"domain", "rotate-key", "system"},
			} {
				if out := n.CLI(t, args...); !strings.Contains(out, "is done") {
					t.Errorf("claviger %s: %s", strings.Join(args, " "), out)
				}
			}
			requests, failed := stop()
			for _, err := range failed {
				t.Errorf("a request failed: %v", err)
			}
			t.Logf("%d requests, %d failed", requests, len(failed))
			same(t, dial(t, n, "", ""), keys)
			if out := n.CLI(t, "domain", "generations", "default"); strings.Count(out, "destroyed") != 2 || strings.Count(out, "current") != 1 {
				t.Errorf("generations:\n%s", out)
			}
			n.Stop(t)
			n.Restart(t)
			same(t, dial(t, n, "", ""), keys)
		})
	}
}

// TestARotationGoesOnAfterACrash.
func TestARotationGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	n := testenv.Start(t, testenv.Options{Root: "pkcs11", Store: "postgres", Mode: "direct"}) // direct is slow enough to be killed
	keys := created(t, dial(t, n, "", ""), 50)
	c := dial(t, n, "", "")
	for range 2000 {
		if _, err := c.Create(t.Context(), symmetric("", 256)); err != nil {
			t.Fatal(err)
		}
	}
	out := n.CLI(t, "domain", "rotate-key", "default", "--detach")
	id := strings.Fields(out)[1]
	soon(t, "the job has begun", 20*time.Second, func() bool { return !strings.Contains(n.CLI(t, "job", "show", id), " 0 of") })
	n.Kill(t)
	n.Restart(t)
	shown := n.CLI(t, "job", "show", id)
	t.Logf("after the crash:\n%s", shown)
	if out := n.CLI(t, "job", "wait", id); !strings.Contains(out, "is done") {
		t.Errorf("job wait: %s", out)
	}
	same(t, dial(t, n, "", ""), keys)
	if out := n.CLI(t, "domain", "generations", "default"); !strings.Contains(out, "destroyed") {
		t.Errorf("generations:\n%s", out)
	}
}

// TestMovingToAnotherToken: what is moved can be undone until it is committed.
func TestMovingToAnotherToken(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"software", "token"} {
		t.Run("from "+from, func(t *testing.T) {
			t.Parallel()
			o := testenv.Options{Root: "pkcs11", Spare: 1}
			if from == "software" {
				o.Root = "file"
			}
			n := testenv.Start(t, o)
			keys := created(t, dial(t, n, "", ""), 10)
			out := n.CLI(t, "report", "inventory", "--format", "csv")
			if strings.Contains(out, "software only") != (from == "software") {
				t.Errorf("what the report says of the root key:\n%s", out)
			}
			var young testenv.SoftHSMToken
			if from == "software" {
				young = testenv.SoftHSMFor(t, 1)[0]
				n.SetEnv(append(young.Env(), "CLAVIGER_TEST_PIN="+young.PIN)...)
			} else {
				young = n.Tokens[1]
			}
			restart := func(root string) {
				n.Stop(t)
				n.SetRoot(t, root)
				n.Init(t)
				n.Restart(t)
			}
			old, both := "claviger", ""
			if from == "software" {
				both = testenv.Options{RootLines: fmt.Sprintf("key = { file = %q }", filepath.Join(n.Dir, "root.key"))}.RootSection(young)
			} else {
				old, both = n.Tokens[0].Label, o.RootSection(n.Tokens[0], young)
			}
			restart(both)
			if out := n.CLI(t, "root", "list"); !strings.Contains(out, young.Label) {
				t.Errorf("root list:\n%s", out)
			}
			if out := n.CLI(t, "root", "move", old, young.Label); !strings.Contains(out, "undo:") {
				t.Errorf("root move:\n%s", out)
			}
			same(t, dial(t, n, "", ""), keys)
			n.CLI(t, "root", "move", "--undo", old, young.Label)
			same(t, dial(t, n, "", ""), keys)
			n.CLI(t, "root", "move", old, young.Label)
			made := created(t, dial(t, n, "", ""), 3)
			n.CLI(t, "root", "move", "--commit", old, young.Label)
			if from == "software" {
				if err := os.Remove(filepath.Join(n.Dir, "root.key")); err != nil {
					t.Fatal(err)
				}
			} else {
				n.Tokens[0].Remove(t)
			}
			restart(testenv.Options{}.RootSection(young))
			same(t, dial(t, n, "", ""), keys)
			same(t, dial(t, n, "", ""), made)
			out = n.CLI(t, "report", "inventory", "--format", "csv")
			if strings.Contains(out, "software only") || !strings.Contains(out, "does not declare itself hardware") {
				t.Errorf("what the report says of the root key:\n%s", out)
			}
		})
	}
}

// health asks a node for its health.
func health(t *testing.T, n *testenv.Node) (status int, body string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 10 * time.Second}
	defer c.CloseIdleConnections()
	r, err := c.Get("https://" + n.HTTPS + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, strings.TrimSpace(string(b))
}

// TestANodeStartsSealedAndUnsealsByItself when its token comes back.
func TestANodeStartsSealedAndUnsealsByItself(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{{Root: "pkcs11"}, {Root: "pkcs11", Isolation: "inline"}} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			keys := created(t, dial(t, n, "", ""), 2)
			n.Stop(t)
			putBack := n.Tokens[0].Remove(t)
			n.RestartSealed(t)
			if status, body := health(t, n); status != http.StatusServiceUnavailable || body != "sealed" {
				t.Errorf("health = %d %q", status, body)
			}
			if out := n.CLI(t, "unseal", "--status"); !strings.HasPrefix(out, "sealed: ") {
				t.Errorf("unseal --status: %s", out)
			}
			if out, err := n.TryCLI(t, "status"); err == nil {
				t.Errorf("a sealed node tells its status: %s", out)
			}
			putBack()
			n.AwaitReady(t)
			same(t, dial(t, n, "", ""), keys)
			if status, body := health(t, n); status != http.StatusOK || body != "ok" {
				t.Errorf("health = %d %q", status, body)
			}
		})
	}
}

// TestAWrongPINIsTriedOnce, also when the node waits, until an operator acts.
func TestAWrongPINIsTriedOnce(t *testing.T) {
	t.Parallel()
	n := testenv.Start(t, testenv.Options{Root: "pkcs11"})
	keys := created(t, dial(t, n, "", ""), 1)
	n.Stop(t)
	pin := filepath.Join(n.Dir, "pin")
	write := func(text string) {
		if err := os.WriteFile(pin, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong-" + n.Tokens[0].PIN)
	section := testenv.Options{}.RootSection(n.Tokens[0])
	n.SetRoot(t, strings.Replace(section, `{ env = "CLAVIGER_TEST_PIN" }`, fmt.Sprintf("{ file = %q }", pin), 1))
	n.RestartSealed(t)
	time.Sleep(4 * time.Second) // several rounds of looking after the token
	state := n.CLI(t, "unseal", "--status")
	if !strings.Contains(state, "PIN") {
		t.Errorf("the state does not name the PIN: %s", state)
	}
	log, err := os.ReadFile(n.Log)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(log, []byte("CKR_PIN_INCORRECT")); n == 0 || n > 3 {
		t.Errorf("the log tells %d times of a refused PIN", n)
	}
	if bytes.Contains(log, []byte("wrong-"+n.Tokens[0].PIN)) {
		t.Error("the PIN is in the log")
	}
	write(n.Tokens[0].PIN)
	time.Sleep(2 * time.Second)
	if state := n.CLI(t, "unseal", "--status"); !strings.HasPrefix(state, "sealed") {
		t.Errorf("it was tried again without an operator: %s", state)
	}
	n.CLI(t, "unseal")
	n.AwaitReady(t)
	same(t, dial(t, n, "", ""), keys)
}

// TestAChangedPINIsGivenToANodeThatServes: the one that was given before is not tried
// again once the token has refused it.
func TestAChangedPINIsGivenToANodeThatServes(t *testing.T) {
	t.Parallel()
	n := testenv.Start(t, testenv.Options{Root: "pkcs11"})
	keys := created(t, dial(t, n, "", ""), 1)
	n.Stop(t)
	token := n.Tokens[0]
	section := testenv.Options{}.RootSection(token)
	n.SetRoot(t, strings.Replace(section, `{ env = "CLAVIGER_TEST_PIN" }`, "{ prompt = true }", 1))
	n.RestartSealed(t)
	n.CLI(t, "unseal", "--file", secretFile(t, token.PIN))
	n.AwaitReady(t)
	changed := "new-" + token.PIN
	cmd := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", token.Module, "--token-label", token.Label,
		"--login", "--pin", token.PIN, "--change-pin", "--new-pin", changed)
	cmd.Env = append(os.Environ(), token.Env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pkcs11-tool: %v\n%s", err, out)
	}
	killWorkers(t, n)
	soon(t, "the PIN that was given before is refused, and asked for", 20*time.Second, func() bool {
		return strings.Contains(n.CLI(t, "unseal", "--status"), "waits for: PIN")
	})
	n.CLI(t, "root", "retry") // nothing to try it with
	if out := n.CLI(t, "unseal", "--file", secretFile(t, changed)); strings.Contains(out, "waits") {
		t.Errorf("after the new PIN: %s", out)
	}
	soon(t, "the token is well", 10*time.Second, func() bool { return strings.Contains(n.CLI(t, "root", "list"), "healthy") })
	log, err := os.ReadFile(n.Log)
	if err != nil {
		t.Fatal(err)
	}
	if c := bytes.Count(log, []byte("no token worker is started until an operator asks for it")); c != 1 {
		t.Errorf("the old PIN was refused %d times, want once", c)
	}
	same(t, dial(t, n, "", ""), keys)
}

// TestCustodiansUnseal a software root key that is shared among them.
func TestCustodiansUnseal(t *testing.T) {
	t.Parallel()
	shares := t.TempDir()
	n := testenv.Prepare(t, testenv.Options{Root: "file", RootLines: "shamir = { threshold = 2, shares = 3 }"}, "--shares-out", shares)
	n.RestartSealed(t)
	give := func(i int) string {
		return n.CLI(t, "unseal", "--file", filepath.Join(shares, fmt.Sprintf("share-%d.txt", i)))
	}
	if out, err := n.TryCLI(t, "unseal", "--file", n.CA); err == nil {
		t.Errorf("what is no share was taken: %s", out)
	}
	if out := give(3); !strings.Contains(out, "1 of 2 given") {
		t.Errorf("after one share: %s", out)
	}
	if out, err := n.TryCLI(t, "unseal", "--file", filepath.Join(shares, "share-3.txt")); err == nil {
		t.Errorf("the same share was taken twice: %s", out)
	}
	if out := give(1); !strings.HasPrefix(out, "unsealed") {
		t.Errorf("after two shares: %s", out)
	}
	n.AwaitReady(t)
	if out := n.CLI(t, "status"); !strings.Contains(out, "shamir, 2 of 3 custodians") {
		t.Errorf("status:\n%s", out)
	}
}

// TestKeysThatLiveInAToken work through it and never leave it.
func TestKeysThatLiveInAToken(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"process", "inline"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, testenv.Options{Root: "pkcs11", Isolation: isolation, Lines: "hardware = true"})
			c, err := client.Dial(t.Context(), client.Config{Address: n.KMIP, TLS: n.TLS(t, "", ""), Version: kmip.V21})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			hardware := &payload.ObjectMasks{ProtectionStorageMask: []int32{int32(kmip.ProtectionStorageMaskHardware)}}
			uid := item[payload.CreateResponse](t, c, kmip.OperationCreate, &payload.CreateRequest{
				ObjectType: kmip.ObjectTypeSymmetricKey, Attributes: payload.Template{Attributes: symmetric("in the token", 256)}, ProtectionStorageMasks: hardware,
			}).UniqueIdentifier
			if err := c.Activate(t.Context(), uid); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Get(t.Context(), uid, 0); err == nil || !strings.Contains(err.Error(), "extractable") {
				t.Errorf("Get = %v, want it refused as not extractable", err)
			}
			p := gcm()
			ref := kmip.Reference{Text: uid}
			sealed, err := c.Encrypt(t.Context(), payload.EncryptRequest{UniqueIdentifier: ref, CryptographicParameters: &p, Data: payload.Data{Bytes: []byte("data")}, AuthenticatedEncryptionAdditionalData: []byte("more")})
			if err != nil {
				t.Fatalf("Encrypt: %v", err)
			}
			open := payload.DecryptRequest{UniqueIdentifier: ref, CryptographicParameters: &p, Data: payload.Data{Bytes: sealed.Data}, IVCounterNonce: sealed.IVCounterNonce, AuthenticatedEncryptionTag: sealed.AuthenticatedEncryptionTag, AuthenticatedEncryptionAdditionalData: []byte("more")}
			opened, err := c.Decrypt(t.Context(), open)
			if err != nil || string(opened.Data) != "data" {
				t.Fatalf("Decrypt: %v", err)
			}
			open.AuthenticatedEncryptionAdditionalData = []byte("less")
			if _, err := c.Decrypt(t.Context(), open); err == nil {
				t.Error("Decrypt with other associated data")
			}
			pair := item[payload.CreateKeyPairResponse](t, c, kmip.OperationCreateKeyPair, &payload.CreateKeyPairRequest{
				CommonAttributes: payload.Template{Attributes: kmip.Attributes{
					kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmRSA)),
					kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, 2048)),
					kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, time.Now().Add(-time.Minute))),
				}},
				PrivateKeyAttributes:          payload.Template{Attributes: kmip.Attributes{kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskSign))}},
				PublicKeyAttributes:           payload.Template{Attributes: kmip.Attributes{kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskVerify))}},
				PrivateProtectionStorageMasks: hardware,
			})
			for _, padding := range []kmip.PaddingMethod{kmip.PaddingMethodPKCS1V15, kmip.PaddingMethodPSS} {
				how := kmip.Structure(kmip.TagCryptographicParameters, kmip.Enumeration(kmip.TagPaddingMethod, padding), kmip.Enumeration(kmip.TagHashingAlgorithm, kmip.HashingAlgorithmSHA256))
				signature := item[payload.SignResponse](t, c, kmip.OperationSign, &payload.SignRequest{
					UniqueIdentifier: kmip.Reference{Text: pair.PrivateKeyUniqueIdentifier}, CryptographicParameters: &how, Data: payload.Data{Bytes: []byte("message")},
				}).SignatureData
				valid := item[payload.SignatureVerifyResponse](t, c, kmip.OperationSignatureVerify, &payload.SignatureVerifyRequest{
					UniqueIdentifier: kmip.Reference{Text: pair.PublicKeyUniqueIdentifier}, CryptographicParameters: &how, Data: payload.Data{Bytes: []byte("message")}, SignatureData: signature,
				}).ValidityIndicator
				if valid != kmip.ValidityIndicatorValid {
					t.Errorf("the signature with %s is %s", padding, valid)
				}
			}
			mac := item[payload.CreateResponse](t, c, kmip.OperationCreate, &payload.CreateRequest{
				ObjectType: kmip.ObjectTypeSymmetricKey, ProtectionStorageMasks: hardware, Attributes: payload.Template{Attributes: kmip.Attributes{
					kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmHMACSHA256)),
					kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, 256)),
					kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, time.Now().Add(-time.Minute))),
					kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskMACGenerate|kmip.CryptographicUsageMaskMACVerify)),
				}},
			}).UniqueIdentifier
			if code := item[payload.MACResponse](t, c, kmip.OperationMAC, &payload.MACRequest{UniqueIdentifier: kmip.Reference{Text: mac}, Data: payload.Data{Bytes: []byte("message")}}).MACData; len(code) != 32 {
				t.Errorf("a MAC of %d bytes", len(code))
			}
			if count := inToken(t, n.Tokens[0]); count != 3 {
				t.Errorf("%d keys live in the token, want 3", count)
			}
			fresh, err := c.ReKey(t.Context(), uid)
			if err != nil {
				t.Fatalf("ReKey: %v", err)
			}
			if _, err := c.Get(t.Context(), fresh, 0); err == nil {
				t.Error("the replacement of a key in the token leaves it")
			}
			if out, err := n.TryCLI(t, "root", "retire", n.Tokens[0].Label); err == nil {
				t.Errorf("a token in which keys live was retired: %s", out)
			}
			if err := c.Revoke(t.Context(), uid, kmip.RevocationReason{Code: kmip.RevocationReasonCodeCessationOfOperation}); err != nil {
				t.Fatal(err)
			}
			if err := c.Destroy(t.Context(), uid); err != nil {
				t.Fatal(err)
			}
			soon(t, "the destroyed key leaves the token", 30*time.Second, func() bool { return inToken(t, n.Tokens[0]) == 3 })
			n.Stop(t)
			n.Restart(t)
			if _, err := dial(t, n, "", "").Encrypt(t.Context(), payload.EncryptRequest{UniqueIdentifier: kmip.Reference{Text: fresh}, CryptographicParameters: &p, Data: payload.Data{Bytes: []byte("data")}}); err == nil {
				t.Log("the replacement is active")
			}
		})
	}
}

// inToken counts the secret halves of Claviger's resident objects in a token.
func inToken(t *testing.T, s testenv.SoftHSMToken) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", s.Module, "--token-label", s.Label, "--login", "--pin", s.PIN, "--list-objects")
	cmd.Env = append(os.Environ(), s.Env()...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pkcs11-tool: %v", err)
	}
	return strings.Count(string(out), "claviger-object") - strings.Count(string(out), "Public Key Object")
}

// item sends one request and returns its typed answer.
func item[Resp any](t *testing.T, c *client.Client, op kmip.Operation, request any) *Resp {
	t.Helper()
	resp, err := c.Do(t.Context(), payload.RequestItem{Operation: op, Payload: request})
	if err == nil {
		err = client.ItemError(resp.Items[0])
	}
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	p, ok := resp.Items[0].Payload.(*Resp)
	if !ok {
		t.Fatalf("%s: the answer is %T", op, resp.Items[0].Payload)
	}
	return p
}

// TestKeysRotateOnTwoNodes: clients of the node that does not rotate notice nothing
// either, and what it writes is not lost with the old generation.
func TestKeysRotateOnTwoNodes(t *testing.T) {
	t.Parallel()
	for _, root := range []string{"software", "pkcs11"} {
		t.Run(root, func(t *testing.T) {
			t.Parallel()
			a := testenv.Start(t, testenv.Options{Store: "postgres", Root: root})
			b := a.Join(t)
			keys := created(t, dial(t, a, "", ""), 100)
			stopA, stopB := load(t, a, 2), load(t, b, 2)
			for range 3 {
				if out := a.CLI(t, "domain", "rotate-key", "default"); !strings.Contains(out, "is done") {
					t.Errorf("rotate-key: %s", out)
				}
			}
			for name, stop := range map[string]func() (int64, []error){"the node that rotates": stopA, "the other node": stopB} {
				requests, failed := stop()
				for _, err := range failed {
					t.Errorf("%s: a request failed: %v", name, err)
				}
				t.Logf("%s: %d requests, %d failed", name, requests, len(failed))
			}
			if out := a.CLI(t, "domain", "generations", "default"); strings.Count(out, "destroyed") != 3 {
				t.Errorf("generations:\n%s", out)
			}
			c := dial(t, b, "", "")
			same(t, c, keys)
			all, err := c.Locate(t.Context(), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, uid := range all {
				got(t, c, uid)
			}
			t.Logf("%d keys are there", len(all))
		})
	}
}

// TestUnfitRootKeysAreRefused, unless the operator accepts them, which shows
// everywhere.
func TestUnfitRootKeysAreRefused(t *testing.T) {
	t.Parallel()
	token := testenv.SoftHSMFor(t, 1)[0]
	cmd := exec.CommandContext(t.Context(), "pkcs11-tool", "--module", token.Module, "--token-label", token.Label, "--login", "--pin", token.PIN,
		"--keygen", "--key-type", "AES:32", "--label", "claviger-seal", "--id", strings.Repeat("ab", 16), "--extractable")
	cmd.Env = append(os.Environ(), token.Env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pkcs11-tool: %v\n%s", err, out)
	}
	o := testenv.Options{Root: "file"}
	n := testenv.Prepare(t, o) // only the configuration is wanted
	if err := os.Remove(strings.TrimPrefix(n.StoreURL, "sqlite:")); err != nil {
		t.Fatal(err)
	}
	n.SetEnv(append(token.Env(), "CLAVIGER_TEST_PIN="+token.PIN)...)
	n.SetRoot(t, testenv.Options{RootLines: "adopt_keys = true"}.RootSection(token))
	out, err := n.TryInit(t)
	if err == nil || !strings.Contains(out, "it is extractable") || !strings.Contains(out, "it allows wrap or unwrap besides") {
		t.Errorf("init on an unfit root key: %v\n%s", err, out)
	}
	n.SetRoot(t, testenv.Options{RootLines: "adopt_keys = true\naccept_unfit_keys = true"}.RootSection(token))
	n.Init(t, "--renew-administrator")
	n.Restart(t)
	n.Cert, n.Key = n.NewClient(t, "demo", "default")
	same(t, dial(t, n, "", ""), created(t, dial(t, n, "", ""), 1))
	for _, c := range []struct {
		want string
		args []string
	}{
		{"UNFIT ROOT KEYS ACCEPTED", []string{"status"}},
		{"UNFIT: ", []string{"root", "list"}},
		{"WARNING: its root keys are extractable", []string{"report", "inventory", "--format", "csv"}},
		{"WARNING: its root keys are extractable", []string{"report", "inventory", "--format", "json"}},
		{"root.unfit-accepted", []string{"audit", "list"}},
	} {
		if out := n.CLI(t, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("claviger %s does not say %q:\n%s", strings.Join(c.args, " "), c.want, out)
		}
	}
}
