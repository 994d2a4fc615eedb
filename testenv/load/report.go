package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	reportBegin = "<!-- measured: written by make bench -->\n"
	reportEnd   = "<!-- end of measured -->\n"
)

// format makes the table, with the ratio of throughputs where both servers were
// measured.
func format(o options, results []result) string {
	var b strings.Builder
	store := "SQLite"
	if strings.HasPrefix(o.store, "postgres") {
		store = "Postgres"
	}
	fmt.Fprintf(&b, "Measured %s on %d cores (%s/%s, %s), %d keys in each server, at most %g s or %d requests for each figure. Claviger on %s with a software root key, every request in the audit.\n\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), o.objects, o.seconds, o.count, store)
	b.WriteString("| Operation | Connections | Claviger/s | p50 | p99 | PyKMIP/s | p50 | p99 | Ratio |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range results {
		if r.server != "Claviger" {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %.0f | %v | %v |", r.workload, r.connections, r.rate(), r.quantile(0.5), r.quantile(0.99))
		other := " – | – | – | – |\n"
		for _, p := range results {
			if p.server == "PyKMIP" && p.workload == r.workload && p.connections == r.connections {
				other = fmt.Sprintf(" %.0f | %v | %v | %.0f |\n", p.rate(), p.quantile(0.5), p.quantile(0.99), r.rate()/p.rate())
			}
		}
		b.WriteString(other)
	}
	return b.String()
}

// writeReport puts the text between the two marks of a document.
func writeReport(path, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), reportBegin)
	_, after, ok2 := strings.Cut(rest, reportEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the marks %q and %q", path, strings.TrimSpace(reportBegin), strings.TrimSpace(reportEnd))
	}
	return os.WriteFile(path, []byte(before+reportBegin+"\n"+text+"\n"+reportEnd+after), 0o644)
}
