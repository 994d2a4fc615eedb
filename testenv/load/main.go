// Command load measures Claviger beside the server of PyKMIP, on one machine, in
// one run, with one client: requests over mutual TLS, at several numbers of
// connections, bounded in count and time. It starts both servers itself, on
// loopback and in folders that it removes, and can write what it measured into
// a document.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	seconds float64
	count   int
	objects int
	store   string
	python  string
	report  string
	skip    bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.Float64Var(&o.seconds, "seconds", 2, "for each measurement")
	flag.IntVar(&o.count, "count", 20000, "requests of each measurement, at most")
	flag.IntVar(&o.objects, "objects", 500, "keys in each server before the first measurement")
	flag.StringVar(&o.store, "store", "", "`URL` of an empty store for Claviger; SQLite when empty")
	flag.StringVar(&o.python, "python", "/usr/bin/python3", "interpreter that has PyKMIP")
	flag.StringVar(&o.report, "report", "", "document to write the figures into")
	flag.BoolVar(&o.skip, "claviger-only", false, "leave PyKMIP out")
	flag.Parse()
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "claviger-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var results []result
	servers := []func(context.Context, options, string) (*server, error){startClaviger, startPyKMIP}
	if o.skip {
		servers = servers[:1]
	}
	for _, start := range servers {
		r, err := measureServer(ctx, o, dir, start, stderr)
		if err != nil {
			return err
		}
		results = append(results, r...)
	}
	text := format(o, results)
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if o.report != "" {
		return writeReport(o.report, text)
	}
	return nil
}

// measureServer starts a server, measures every point, and ends it.
func measureServer(ctx context.Context, o options, dir string, start func(context.Context, options, string) (*server, error), stderr io.Writer) ([]result, error) {
	s, err := start(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	fixture, err := prepare(ctx, o, s)
	if err != nil {
		return nil, fmt.Errorf("%s: prepare: %w", s.name, err)
	}
	var results []result
	for _, w := range workloads {
		for _, connections := range []int{1, 8, 32} {
			r, err := measure(ctx, o, s, fixture, w, connections)
			if err != nil {
				return nil, fmt.Errorf("%s: %s at %d connections: %w", s.name, w.name, connections, err)
			}
			fmt.Fprintf(stderr, "%-9s %-7s %3d connections %8.0f/s  p50 %-9v p99 %v\n", r.server, r.workload, r.connections, r.rate(), r.quantile(0.5), r.quantile(0.99))
			results = append(results, r)
		}
	}
	return results, nil
}

// result is a measurement.
type result struct {
	server, workload string
	connections      int
	elapsed          time.Duration
	latencies        []time.Duration // sorted
}

func (r result) rate() float64 { return float64(len(r.latencies)) / r.elapsed.Seconds() }

func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[int(q*float64(len(r.latencies)-1))].Round(10 * time.Microsecond)
}
