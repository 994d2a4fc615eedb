package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// errMissing reports that a way to get a server is not there on this machine.
var errMissing = errors.New("missing")

// server is the one of this test binary.
var server = sync.OnceValues(func() (string, error) {
	if u := os.Getenv("CLAVIGER_TEST_POSTGRES_URL"); u != "" {
		return u, nil
	}
	return startPostgres()
})

// Postgres returns the URL of a new, empty database, which is dropped when the
// test ends. The server is, in this order: the one of
// CLAVIGER_TEST_POSTGRES_URL (whose user may create databases), one started
// for this test binary from the programs of the machine, a container.
func Postgres(t testing.TB) string {
	t.Helper()
	base, err := server()
	if errors.Is(err, errMissing) {
		var cerr error
		if base, cerr = runContainer(t); errors.Is(cerr, errMissing) {
			Require(t, "postgres", fmt.Sprintf("no CLAVIGER_TEST_POSTGRES_URL, %v, %v", err, cerr))
		} else {
			err = cerr
		}
	}
	if err != nil {
		t.Fatalf("start Postgres: %v", err)
	}
	return newDatabase(t, base)
}

// newDatabase creates a database on the server of a URL.
func newDatabase(t testing.TB, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("URL of the Postgres server: %v", err)
	}
	name := "claviger_" + strings.ToLower(rand.Text())
	execute(t, base, `create database `+name)
	t.Cleanup(func() { execute(t, base, `drop database if exists `+name+` with (force)`) })
	u.Path = "/" + name
	return u.String()
}

func execute(t testing.TB, base, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Fatalf("connect to Postgres: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}
