package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// PostgresContainer is Postgres on a server in a container of its own, which
// is removed when the test ends. The image is the one that
// images/postgres/build.sh makes, or that of CLAVIGER_TEST_POSTGRES_IMAGE; it
// is never pulled.
func PostgresContainer(t testing.TB) string {
	t.Helper()
	base, err := runContainer(t)
	if errors.Is(err, errMissing) {
		Require(t, "container", err.Error())
	}
	if err != nil {
		t.Fatalf("start Postgres in a container: %v", err)
	}
	return newDatabase(t, base)
}

// runContainer starts a server. Returns errMissing if there is no engine or no
// image.
func runContainer(t testing.TB) (string, error) {
	t.Helper()
	image := os.Getenv("CLAVIGER_TEST_POSTGRES_IMAGE")
	if image == "" {
		image = "claviger-test/postgres:local"
	}
	// The container that would clean up after tests is an image from a registry.
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := hasImage(ctx, image); err != nil {
		return "", err
	}
	c, err := testcontainers.Run(
		ctx, image,
		testcontainers.WithExposedPorts("5432/tcp"),
		testcontainers.WithWaitStrategyAndDeadline(time.Minute,
			wait.ForLog("database system is ready to accept connections")),
	)
	t.Cleanup(func() {
		if err := testcontainers.TerminateContainer(c, testcontainers.StopTimeout(time.Second)); err != nil {
			t.Errorf("remove container: %v", err)
		}
	})
	if err != nil {
		return "", fmt.Errorf("start container: %w", err)
	}
	return containerURL(ctx, c)
}

// containerURL finds an address by which a container answers: published on
// this machine, or where the library thinks that the engine is, which is wrong
// when this process is in a container of another engine, or by its own.
func containerURL(ctx context.Context, c testcontainers.Container) (string, error) {
	port, err := c.MappedPort(ctx, "5432/tcp")
	if err != nil {
		return "", fmt.Errorf("port of the container: %w", err)
	}
	addresses := []string{net.JoinHostPort("127.0.0.1", port.Port())}
	if host, err := c.Host(ctx); err == nil {
		addresses = append(addresses, net.JoinHostPort(host, port.Port()))
	}
	if ip, err := c.ContainerIP(ctx); err == nil {
		addresses = append(addresses, net.JoinHostPort(ip, "5432"))
	}
	var failed []error
	for _, a := range addresses {
		u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", Host: a, RawQuery: "sslmode=disable"}
		err := answers(u.String(), 5*time.Second)
		if err == nil {
			return u.String(), nil
		}
		failed = append(failed, err)
	}
	return "", errors.Join(failed...)
}

func hasImage(ctx context.Context, image string) error {
	engine, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return fmt.Errorf("%w: no container engine: %w", errMissing, err)
	}
	defer engine.Close()
	if _, err := engine.ImageInspect(ctx, image); err != nil {
		return fmt.Errorf("%w: no image %s (testenv/images/postgres/build.sh makes it)", errMissing, image)
	}
	return nil
}
