// Package e2e runs Homing on a cluster with Knative and a RabbitMQ broker, as hack/e2e-knative.sh (make e2e-knative)
// calls it: it deploys with the very scripts that users have, plays producers and receivers through the agent
// (test/knative/agent), counts what was accepted against what arrived, and writes docs/knative-report.md.
//
// It owns the namespaces homing and homing-e2e of the cluster of the current kubeconfig, and never runs with `make
// test`: its tests have the build tag e2e.
package e2e
