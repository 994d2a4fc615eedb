package ops

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/claviger/claviger/hsm/seal"
)

// Metrics serves what a node measures, in the form of Prometheus, with what more
// there is.
func Metrics(version string, tokens func() []seal.TokenStatus, more ...prometheus.Collector) http.Handler {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "claviger_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	r.MustRegister(build, tokenCollector{tokens}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(more...)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Ending measures how many objects are in use and about to be deactivated.
func Ending(count func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "claviger_keys_in_use_ending", Help: "Objects that were used within the in_use window of their key policy and reach their Deactivation Date within 14 days.",
	}, func() float64 { return float64(count()) })
}

// RotationHeld measures how many objects the quota of their domain keeps from being rotated.
func RotationHeld(count func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "claviger_rotations_held", Help: "Objects that are due for automatic rotation and not rotated, because their domain has as many objects as it may.",
	}, func() float64 { return float64(count()) })
}

// BreakGlass measures whether break-glass is open, when it is asked.
func BreakGlass(active func() bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "claviger_break_glass_active", Help: "1 while break-glass is open and an administrator may do everything, else 0.",
	}, func() float64 { return flag(active()) })
}

// tokenCollector reads the state of the tokens when it is asked.
type tokenCollector struct{ tokens func() []seal.TokenStatus }

var (
	tokenLabels  = []string{"token", "serial", "kind"}
	tokenUp      = prometheus.NewDesc("claviger_token_up", "1 if the token is well, else 0.", tokenLabels, nil)
	tokenStopped = prometheus.NewDesc("claviger_token_stopped", "1 if the token refused the PIN and nothing is tried any more.", tokenLabels, nil)
	tokenRetired = prometheus.NewDesc("claviger_token_retired", "1 if the token is out of use.", tokenLabels, nil)
	tokenSince   = prometheus.NewDesc("claviger_token_state_since_seconds", "When the token became well or ill, in seconds since 1970; 0: at the start.", tokenLabels, nil)
)

// Describe implements prometheus.Collector.
func (c tokenCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tokenUp, tokenStopped, tokenRetired, tokenSince} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c tokenCollector) Collect(ch chan<- prometheus.Metric) {
	seen := map[string]bool{}
	for _, t := range c.tokens() {
		labels := []string{t.Label, t.Serial, string(t.Kind)}
		if name := t.Label + "\x00" + t.Serial; seen[name] { // two that are not open yet may look alike
			continue
		} else {
			seen[name] = true
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
		}
		gauge(tokenUp, flag(t.Err == nil))
		gauge(tokenStopped, flag(t.Stopped))
		gauge(tokenRetired, flag(t.Retired))
		since := 0.0
		if !t.Since.IsZero() {
			since = float64(t.Since.UnixMilli()) / 1000
		}
		gauge(tokenSince, since)
	}
}

func flag(v bool) float64 {
	if v {
		return 1
	}
	return 0
}
