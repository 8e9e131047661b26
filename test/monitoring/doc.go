// Package monitoring holds monitoring/ to the code, by the parsers of those who will read it: Prometheus, Alertmanager,
// Grafana, Kubernetes. It is a module of its own, so that Homing depends on none of them.
package monitoring
