package ovh

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipclient"
)

// TestManyClients has 64 clients take keys through their lives at once, each on
// a connection of its own, in all versions. Nothing may fail.
func TestManyClients(t *testing.T) {
	const clients = 64
	rounds := 8
	if s := os.Getenv("CLAVIGER_OVH_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	connections := make([]*kmipclient.Client, clients)
	for i := range connections {
		connections[i] = connect(t, kmipclient.EnforceVersion(versions[i%len(versions)]))
	}
	start := time.Now()
	var wg sync.WaitGroup
	for i, c := range connections {
		wg.Go(func() {
			for round := range rounds {
				if err := live(c, fmt.Sprintf("%d-%d-%d", start.UnixNano(), i, round)); err != nil {
					t.Errorf("client %d, round %d: %v", i, round, err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d lives in %v", clients*rounds, time.Since(start))
}

// live takes one key through its life.
func live(c *kmipclient.Client, name string) error {
	made, err := c.Create().AES(256, encrypts).WithName(name).Exec()
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	id := made.UniqueIdentifier
	if _, err := c.Activate(id).Exec(); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	found, err := c.Locate().WithName(name).Exec()
	if err != nil || len(found.UniqueIdentifier) != 1 || found.UniqueIdentifier[0] != id {
		return fmt.Errorf("locate: %+v, %w", found, err)
	}
	if _, err := c.Get(id).Exec(); err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if _, err := c.AddAttribute(id, "x-Owner", name).Exec(); err != nil {
		return fmt.Errorf("add attribute: %w", err)
	}
	if _, err := c.Revoke(id).WithRevocationReasonCode(kmip.RevocationReasonCodeCessationOfOperation).Exec(); err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	if _, err := c.Destroy(id).Exec(); err != nil {
		return fmt.Errorf("destroy: %w", err)
	}
	return nil
}
