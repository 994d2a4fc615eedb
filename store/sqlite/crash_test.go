package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/claviger/claviger/store"
	"github.com/claviger/claviger/store/audit"
	"github.com/claviger/claviger/store/sqlite"
)

// crashURL tells the test binary to be the process that is killed.
const crashURL = "CLAVIGER_TEST_SQLITE_CRASH_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(crashURL); url != "" {
		fmt.Fprintln(os.Stderr, commitForever(url))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// commitForever prints the identifier of each object once it is durable.
func commitForever(url string) error {
	s, err := sqlite.Open(context.Background(), url, store.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				uid := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, i)
				err := s.Commit(context.Background(), store.Change{
					Insert: []store.Object{{Domain: "d", UID: uid, Revision: 1}},
					Audit:  []audit.Entry{{Domain: "d", UID: uid, Outcome: audit.Success}},
				})
				if err != nil {
					failed <- err
				}
				fmt.Println(uid) //nolint:forbidigo // the parent reads it
			}
		}()
	}
	return <-failed
}

func TestAcknowledgedCommitsSurviveKill(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	if err := sqlite.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), crashURL+"="+url)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 100 && lines.Scan(); n++ {
			acknowledged = append(acknowledged, lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed

		s := reopen(t, url, store.Options{})
		for _, uid := range acknowledged {
			if _, err := s.Object(t.Context(), "d", uid); err != nil {
				t.Errorf("%s was acknowledged, but: %v", uid, err)
			}
		}
		if len(acknowledged) != (round+1)*100 {
			t.Errorf("%d were acknowledged", len(acknowledged))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
