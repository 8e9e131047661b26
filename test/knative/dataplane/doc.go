// Package dataplane runs Homing's functions on the real data plane of Knative's RabbitMQ broker: the ingress and the
// dispatcher of eventing-rabbitmq v0.48.0, as processes, on a real RabbitMQ, without Kubernetes.
//
// It owns what stands in for Kubernetes: the controller (topology_test.go declares the exchanges, queues, bindings and
// policies, and makes each program's environment, from the manifests in eventing/, with the controller's own
// functions), the kubelet (pod_test.go starts again what ended), the way to a service (route_test.go, for gateway,
// activator and queue-proxy), and the PingSource (plane_test.go posts the tick). Everything else is real, and the books
// are kept by test/homingtest: what was accepted against what the receiver got.
//
// It promises that a test that passes has counted the three columns of docs/guarantees.md: nothing is lost that Homing
// answered for, nor anything of the broker's that was stored; what of the broker's was not stored yet is counted and
// said. It never says how fast anything is, except in a log line.
//
// The broker's programs are built once by `make broker`, with broker.mod: the module's own go.mod would give them newer
// libraries (amqp091-go v1.16 for v1.9, sdk-go v2.16.2 for v2.16.1) than the release links, and so another program.
package dataplane
