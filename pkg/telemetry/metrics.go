package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newRegistry returns a registry with what every process tells.
func newRegistry(function, version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "homing_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"function": function, "version": version},
	})
	build.Set(1)
	r.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// metricsHandler shows a registry in the formats of Prometheus.
func metricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.InstrumentMetricHandler(r, promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}

// Precreate makes the metric of every combination of label values, one list of values per label in the vector's
// order, so that rates start at zero and alerts see the first event. It returns the vector.
func Precreate[M any, V interface{ WithLabelValues(...string) M }](vector V, values ...[]string) V {
	combination := make([]string, len(values))
	var fill func(label int)
	fill = func(label int) {
		if label == len(values) {
			vector.WithLabelValues(combination...)
			return
		}
		for _, value := range values[label] {
			combination[label] = value
			fill(label + 1)
		}
	}
	fill(0)
	return vector
}

// Values returns words of a closed set, such as webhook.Outcomes, as label values.
func Values[W ~string](words []W) []string {
	values := make([]string, len(words))
	for i, w := range words {
		values[i] = string(w)
	}
	return values
}
