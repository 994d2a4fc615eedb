//go:build cgo && unix

package pkcs11

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/claviger/claviger/hsm"
	"github.com/claviger/claviger/hsm/worker"
	"github.com/claviger/claviger/kmip/secret"
	"github.com/claviger/claviger/testenv"
)

// workerVar tells this program that it is a worker.
const workerVar = "CLAVIGER_PKCS11_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerVar) == "" {
		os.Exit(m.Run())
	}
	err := worker.Run(context.Background(), func(ctx context.Context, params []byte, pin worker.PINSource) (hsm.Token, error) {
		cfg := Config{Sessions: benchmarkSessions, PIN: PINSource(pin)}
		var s testenv.SoftHSMToken
		if err := json.Unmarshal(params, &s); err != nil {
			return nil, err
		}
		cfg.Module, cfg.Label = s.Module, s.Label
		return Open(ctx, cfg)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// BenchmarkInWorker compares a token in a worker process with the same one in this
// process, in one run: metric of-inline is the rate as a part of that inline.
func BenchmarkInWorker(b *testing.B) {
	s := testenv.SoftHSM(b)
	cfg := config(s)
	cfg.Sessions = benchmarkSessions
	inline := opened(b, cfg)
	params, err := json.Marshal(testenv.SoftHSMToken{Module: s.Module, Label: s.Label})
	if err != nil {
		b.Fatal(err)
	}
	wrap, err := inline.Generate(b.Context(), hsm.KeySpec{Purpose: hsm.PurposeWrap})
	if err != nil {
		b.Fatal(err)
	}
	k, err := inline.Wrap(b.Context(), wrap.ID, secret.New(make([]byte, hsm.RootKeyBits/8)))
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := inline.EncryptWrapped(b.Context(), k, secret.New(make([]byte, 32)), nil)
	if err != nil {
		b.Fatal(err)
	}
	inWorker, err := worker.Open(b.Context(), worker.Config{
		Command: func() *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), workerVar+"=1")
			return cmd
		},
		Params: params, PIN: worker.PINSource(cfg.PIN), Name: s.Label, Timeout: DefaultTimeout,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = inWorker.Close() })
	decrypt := func(token hsm.Token) func(int) error {
		return func(int) error {
			opened, err := token.DecryptWrapped(b.Context(), k, sealed, nil)
			opened.Destroy()
			return err
		}
	}
	const slices = 10 // by turns, so that what else the machine does hits both
	n := max(b.N/slices, 1)
	var here, there time.Duration
	for range slices {
		here += atOnce(b, n, decrypt(inline)).wall
		there += atOnce(b, n, decrypt(inWorker)).wall
	}
	b.ReportMetric(float64(here)/float64(there), "of-inline")
	b.ReportMetric(float64(here)/slices, "inline-ns/op")
	b.ReportMetric(float64(there)/slices, "ns/op")
}
