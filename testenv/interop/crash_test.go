package interop

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/payload"
	"github.com/claviger/claviger/testenv"
)

// TestKilled kills a server at random moments while clients create and activate
// keys. After each restart on the same store, everything that was acknowledged
// is there and of use.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, o := range []testenv.Options{{Store: "sqlite"}, {Store: "postgres"}} {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			n := testenv.Start(t, o)
			total := 0
			for range 5 {
				made := workUntilKilled(t, n)
				n.Restart(t)
				total += len(made)
				check(t, dial(t, n, "", ""), made)
			}
			if total < 50 {
				t.Errorf("only %d keys were acknowledged: this proves nothing", total)
			}
			t.Logf("%d acknowledged keys over 5 crashes", total)
		})
	}
}

// acknowledged is what a client was told.
type acknowledged struct {
	uid      string
	active   bool
	material []byte // as Get showed it; nil if there was no time for it
}

// workUntilKilled lets clients work, kills the server, and returns what they
// were told.
func workUntilKilled(t *testing.T, n *testenv.Node) []acknowledged {
	t.Helper()
	var mu sync.Mutex
	var made []acknowledged
	var clients sync.WaitGroup
	for range 4 {
		c := dial(t, n, "", "")
		clients.Go(func() {
			for {
				a, err := work(t.Context(), c)
				if a.uid != "" {
					mu.Lock()
					made = append(made, a)
					mu.Unlock()
				}
				if err != nil {
					return // the server is gone
				}
			}
		})
	}
	time.Sleep(150*time.Millisecond + rand.N(350*time.Millisecond))
	n.Kill(t)
	clients.Wait()
	return made
}

func work(ctx context.Context, c *client.Client) (acknowledged, error) {
	var a acknowledged
	uid, err := c.Create(ctx, symmetric("", 256))
	if err != nil {
		return a, err
	}
	a.uid = uid
	o, err := c.Get(ctx, uid, 0)
	if err != nil {
		return a, err
	}
	a.material = bytes.Clone(o.Key.Material.Reveal())
	if err := c.Activate(ctx, uid); err != nil {
		return a, err
	}
	a.active = true
	return a, nil
}

func check(t *testing.T, c *client.Client, made []acknowledged) {
	t.Helper()
	for _, a := range made {
		o, err := c.Get(t.Context(), a.uid, 0)
		if err != nil {
			t.Errorf("%s was acknowledged and is lost: %v", a.uid, err)
			continue
		}
		if a.material != nil && !bytes.Equal(o.Key.Material.Reveal(), a.material) {
			t.Errorf("%s is another key after the crash", a.uid)
		}
		if !a.active {
			continue
		}
		_, err = c.Encrypt(t.Context(), payload.EncryptRequest{
			UniqueIdentifier: kmip.Reference{Text: a.uid}, Data: payload.Data{Bytes: make([]byte, 16)}, IVCounterNonce: make([]byte, 16),
			CryptographicParameters: cbc(),
		})
		if err != nil {
			t.Errorf("%s was activated and is of no use: %v", a.uid, err)
		}
	}
}

func cbc() *kmip.Item {
	i := kmip.Structure(kmip.TagCryptographicParameters,
		kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC),
		kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5))
	return &i
}
