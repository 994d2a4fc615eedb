package interop

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/testenv"
)

// TestClientsSeeNoGapWhileKeysRotate: the server replaces keys that are due while clients locate
// them by Name and fetch them, all the time. Each finds one key, and gets it.
func TestClientsSeeNoGapWhileKeysRotate(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{{Store: "sqlite"}, {Store: "postgres"}} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			names := []string{"alpha", "beta", "gamma"}
			maker, err := client.Dial(t.Context(), client.Config{Address: n.KMIP, TLS: n.TLS(t, "", ""), Version: kmip.V21})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = maker.Close() }()
			for _, name := range names {
				attrs := append(symmetric(name, 256), kmip.NewAttribute(kmip.DateTime(kmip.TagActivationDate, time.Now())),
					kmip.NewAttribute(kmip.Interval(kmip.TagRotateInterval, time.Second)), kmip.NewAttribute(kmip.Boolean(kmip.TagRotateAutomatic, true)))
				if _, err := maker.Create(t.Context(), attrs); err != nil {
					t.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var mu sync.Mutex
			seen, rounds := map[string]map[string]bool{}, 0 // the keys that a name has had
			for i := range clients {
				c := dial(t, n, "", "")
				wg.Go(func() {
					for turn := i; ctx.Err() == nil; turn++ {
						name := names[turn%len(names)]
						uid, err := current(t.Context(), c, name)
						if err != nil {
							t.Errorf("%s: %v", name, err)
							return
						}
						mu.Lock()
						if seen[name] == nil {
							seen[name] = map[string]bool{}
						}
						seen[name][uid] = true
						rounds++
						mu.Unlock()
					}
				})
			}
			deadline := time.Now().Add(time.Minute)
			for done := false; !done && time.Now().Before(deadline) && !t.Failed(); time.Sleep(200 * time.Millisecond) {
				mu.Lock()
				done = true
				for _, name := range names {
					done = done && len(seen[name]) >= 3
				}
				mu.Unlock()
			}
			stop()
			wg.Wait()
			for _, name := range names {
				if len(seen[name]) < 3 && !t.Failed() {
					t.Errorf("%s was %d keys within a minute, want 3", name, len(seen[name]))
				}
			}
			t.Logf("%d rounds", rounds)
		})
	}
}

// current locates the one key of a name and fetches it.
func current(ctx context.Context, c *client.Client, name string) (string, error) {
	found, err := c.Locate(ctx, symmetric(name, 256)[3:], 0)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", errors.New("not one key has the name")
	}
	o, err := c.Get(ctx, found[0], kmip.KeyFormatTypeRaw)
	if err != nil {
		return "", err
	}
	o.Destroy()
	return found[0], nil
}
