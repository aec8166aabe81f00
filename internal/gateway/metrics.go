// What Prometheus is told.

package gateway

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what Prometheus is told.
type metrics struct {
	registry    *prometheus.Registry
	connections prometheus.Gauge
	requests    *prometheus.CounterVec
	fetches     prometheus.Counter
	sent        prometheus.Counter
	hits        prometheus.Counter
	loads       prometheus.Counter
	reads       prometheus.Counter
	starved     prometheus.Counter
	refusals    *prometheus.CounterVec
	liveFetches prometheus.Counter
	liveBytes   prometheus.Counter
}

func newMetrics(g *Gateway) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "bifrost",
			Subsystem: "gateway",
			Name:      name,
			Help:      help,
		})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "bifrost",
			Subsystem: "gateway",
			Name:      name,
			Help:      help,
		}, []string{label})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "bifrost",
			Subsystem: "gateway",
			Name:      "connections",
			Help:      "Connections of clients that are open.",
		}),
		requests:    vector("requests_total", "Requests of clients, by kind.", "request"),
		fetches:     counter("fetches_total", "Fetches."),
		sent:        counter("sent_bytes_total", "Bytes of answers that were sent."),
		hits:        counter("cache_hits_total", "Members of objects that were found in memory."),
		loads:       counter("cache_loads_total", "Members of objects that were read and made into batches."),
		reads:       counter("store_reads_total", "Reads of the store: indexes of objects, and members."),
		starved:     counter("starved_fetches_total", "Fetches that were answered empty because no memory was free."),
		liveFetches: counter("live_fetches_total", "Fetches that were passed on to the live cluster."),
		liveBytes:   counter("live_bytes_total", "Bytes of batches that came from the live cluster."),
		refusals: vector("logins_refused_total",
			"Clients that could not say who they are, by SASL mechanism.", "mechanism"),
	}
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "bifrost",
		Subsystem: "gateway",
		Name:      "cache_bytes",
		Help:      "Bytes of batches that are kept in memory.",
	}, func() float64 { return float64(g.cache.segments.held()) })
	lag := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "bifrost",
		Subsystem: "gateway",
		Name:      "live_offsets",
		Help:      "Offsets between the archive's end and the live end, of the partitions that are read from both.",
	}, g.liveOffsets)
	m.registry.MustRegister(m.connections, m.requests, m.fetches, m.sent, m.hits, m.loads, m.reads, m.starved,
		m.refusals, memory, m.liveFetches, m.liveBytes, lag, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observation answers /metrics for Prometheus, /groups, which says of each group whether it
// may move to the live cluster, and /healthz: 200 while the gateway takes connections, 503
// once it is about to end.
func (g *Gateway) Observation() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /groups", g.writeGroups)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if g.drained() {
			http.Error(w, "about to end", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n")) // whoever asked is gone otherwise
	})
	return mux
}
