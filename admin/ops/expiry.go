package ops

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Expiry is a collector of the ends of certificates: of each kind the next one.
func Expiry(next func() map[string]time.Time) prometheus.Collector { return expiryCollector{next} }

type expiryCollector struct{ next func() map[string]time.Time }

var expiryDesc = prometheus.NewDesc("claviger_certificate_expiry_seconds",
	"When the next certificate of a kind expires, in seconds since 1970.", []string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (c expiryCollector) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc }

// Collect implements prometheus.Collector.
func (c expiryCollector) Collect(ch chan<- prometheus.Metric) {
	for kind, at := range c.next() {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(at.Unix()), kind)
	}
}
