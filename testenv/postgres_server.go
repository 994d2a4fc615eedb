package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// superviseScript runs a server until its standard input ends, which it does
// with the test binary however that ends, and then removes its folder.
const superviseScript = `
"$1/postgres" -D "$2/data" -k "$2/socket" -c listen_addresses= -c max_connections=200 >"$2/log" 2>&1 </dev/null &
cat >/dev/null
kill -QUIT $!
wait $!
cd / && rm -rf "$2"
`

// startPostgres starts a server from the programs of this machine, in a folder
// of its own, reachable by a Unix socket. It ends with the test binary.
func startPostgres() (string, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return "", err
	}
	attributes, err := unprivileged()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "claviger-pg-")
	if err != nil {
		return "", err
	}
	for _, d := range []string{dir, filepath.Join(dir, "socket")} {
		if err := errors.Join(os.MkdirAll(d, 0o755), os.Chmod(d, 0o755)); err != nil {
			return "", err
		}
		if c := attributes.Credential; c != nil {
			if err := os.Chown(d, int(c.Uid), int(c.Gid)); err != nil {
				return "", err
			}
		}
	}
	if err := initDatabase(bin, dir, attributes); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}

	cmd := exec.Command("/bin/sh", "-c", superviseScript, "claviger-postgres", bin, dir)
	cmd.SysProcAttr = attributes
	cmd.Dir = dir
	// The write end stays open, and closes with this process.
	if _, err := cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	go cmd.Wait()
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres"}
	u.RawQuery = url.Values{"host": {filepath.Join(dir, "socket")}, "sslmode": {"disable"}}.Encode()
	if err := answers(u.String(), 30*time.Second); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return "", fmt.Errorf("server does not answer: %w\n%s", err, log)
	}
	return u.String(), nil
}

// initDatabase makes the data folder. The language of the database sorts
// unlike bytes where this build of Postgres can, so that a key column without
// its collation shows.
func initDatabase(bin, dir string, attributes *syscall.SysProcAttr) error {
	var failed error
	for _, locale := range [][]string{
		{"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"},
		{"--locale=C.UTF-8"},
		{"--no-locale"},
	} {
		args := append([]string{"-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"}, locale...)
		cmd := exec.Command(filepath.Join(bin, "initdb"), args...)
		cmd.SysProcAttr = attributes
		cmd.Dir = dir
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if err == nil {
			return nil
		}
		failed = fmt.Errorf("initdb: %w\n%s", err, out.Bytes())
		if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// postgresPrograms finds the folder of initdb and postgres.
func postgresPrograms() (string, error) {
	var folders []string
	if p, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(p))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(debian)
	for _, d := range append(folders, debian...) {
		ok := true
		for _, name := range []string{"initdb", "postgres"} {
			if _, err := os.Stat(filepath.Join(d, name)); err != nil {
				ok = false
			}
		}
		if ok {
			return d, nil
		}
	}
	return "", fmt.Errorf("%w: no initdb and postgres in PATH or /usr/lib/postgresql", errMissing)
}

// unprivileged runs a program as somebody else if this is root, whom Postgres
// refuses, and in a process group of its own.
func unprivileged() (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("%w: neither a user postgres nor nobody: %w", errMissing, err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, nil
}

// answers waits until a server takes a connection.
func answers(u string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, u)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
