package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger/claviger/kmip"
	"github.com/claviger/claviger/kmip/client"
	"github.com/claviger/claviger/kmip/payload"
)

// fixture is what is in a server before the first measurement.
type fixture struct {
	uids []string // keys called bench-0, bench-1, …, all active
}

// workload is one kind of request. n is different for each.
type workload struct {
	name string
	do   func(ctx context.Context, c *client.Client, f *fixture, n int) error
}

// workloads stand in an order in which those that read come before the one that
// makes objects: both servers read from stores of the same size.
var workloads = []workload{
	{"Get", func(ctx context.Context, c *client.Client, f *fixture, n int) error {
		o, err := c.Get(ctx, f.uids[n%len(f.uids)], 0)
		if err == nil && o.Key.Material.Len() != 32 {
			err = errors.New("no key of 32 bytes")
		}
		return err
	}},
	{"Encrypt", func(ctx context.Context, c *client.Client, f *fixture, n int) error {
		parameters := kmip.Structure(kmip.TagCryptographicParameters,
			kmip.Enumeration(kmip.TagBlockCipherMode, kmip.BlockCipherModeCBC),
			kmip.Enumeration(kmip.TagPaddingMethod, kmip.PaddingMethodPKCS5),
			kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES))
		r, err := c.Encrypt(ctx, payload.EncryptRequest{
			UniqueIdentifier: kmip.Reference{Text: f.uids[n%len(f.uids)]}, CryptographicParameters: &parameters,
			Data: payload.Data{Bytes: plaintext}, IVCounterNonce: plaintext[:16],
		})
		if err == nil && len(r.Data) != len(plaintext)+16 {
			err = errors.New("no ciphertext of the right length")
		}
		return err
	}},
	{"Locate", func(ctx context.Context, c *client.Client, f *fixture, n int) error {
		uids, err := c.Locate(ctx, kmip.Attributes{name(n % len(f.uids))}, 0)
		if err == nil && (len(uids) != 1 || uids[0] != f.uids[n%len(f.uids)]) {
			err = fmt.Errorf("located %v", uids)
		}
		return err
	}},
	{"Create", func(ctx context.Context, c *client.Client, _ *fixture, _ int) error {
		_, err := c.Create(ctx, key())
		return err
	}},
}

var plaintext = make([]byte, 1024)

func name(n int) kmip.Attribute {
	return kmip.NewAttribute(kmip.NameValue{Value: "bench-" + strconv.Itoa(n), Type: kmip.NameTypeUninterpretedTextString}.Item())
}

func key(more ...kmip.Attribute) kmip.Attributes {
	return append(kmip.Attributes{
		kmip.NewAttribute(kmip.Enumeration(kmip.TagCryptographicAlgorithm, kmip.CryptographicAlgorithmAES)),
		kmip.NewAttribute(kmip.Integer(kmip.TagCryptographicLength, 256)),
		kmip.NewAttribute(kmip.Mask(kmip.TagCryptographicUsageMask, kmip.CryptographicUsageMaskEncrypt|kmip.CryptographicUsageMaskDecrypt)),
	}, more...)
}

func dial(ctx context.Context, s *server) (*client.Client, error) {
	// 1.2 is the newest version with Encrypt that PyKMIP's users run.
	return client.Dial(ctx, client.Config{Address: s.address, TLS: s.tls, Version: kmip.V12, Timeout: 2 * time.Minute})
}

func prepare(ctx context.Context, o options, s *server) (*fixture, error) {
	c, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	f := &fixture{}
	for n := range o.objects {
		uid, err := c.Create(ctx, key(name(n)))
		if err != nil {
			return nil, err
		}
		if err := c.Activate(ctx, uid); err != nil {
			return nil, err
		}
		f.uids = append(f.uids, uid)
	}
	return f, nil
}

// measure lets connections send requests, one after the other each, until the
// time is over or all are sent. Connections are open before the clock starts.
func measure(ctx context.Context, o options, s *server, f *fixture, w workload, connections int) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var clients []*client.Client
	for range connections {
		c, err := dial(ctx, s)
		if err != nil {
			return result{}, err
		}
		defer c.Close()
		clients = append(clients, c)
		if err := w.do(ctx, c, f, len(clients)); err != nil { // warm
			return result{}, err
		}
	}
	var sent atomic.Int64
	latencies := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var workers sync.WaitGroup
	start := time.Now()
	limit := time.Duration(o.seconds * float64(time.Second))
	for i, c := range clients {
		workers.Go(func() {
			for time.Since(start) < limit {
				n := int(sent.Add(1))
				if n > o.count {
					return
				}
				began := time.Now()
				if err := w.do(ctx, c, f, n); err != nil {
					errs[i] = err
					cancel()
					return
				}
				latencies[i] = append(latencies[i], time.Since(began))
			}
		})
	}
	workers.Wait()
	r := result{server: s.name, workload: w.name, connections: connections, elapsed: time.Since(start), latencies: slices.Concat(latencies...)}
	slices.Sort(r.latencies)
	return r, errors.Join(errs...)
}
