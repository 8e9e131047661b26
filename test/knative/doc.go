// Package knative holds Homing's manifests and functions against Knative itself: its API types and its RabbitMQ broker.
//
// It is a Go module of its own, with its own go.sum. Knative Serving, Eventing and the RabbitMQ broker require more than
// two hundred modules (Kubernetes' API machinery, controllers, cloud clients), at versions that they choose. In the main
// module those would raise the versions that Homing's programs are built with, and every reader of go.mod would have to
// tell what runs in production from what only checks manifests. Here they are pinned as the v0.48.0 release requires
// them, and nothing in this folder is linked into a program of Homing's.
//
// The packages: types decodes every manifest strictly into the real API types, with their real defaulting and
// validation; dataplane runs the broker's real ingress and dispatcher as processes; e2e runs
// everything on a cluster, with agent as the producers and receivers there; cmd/ holds the small programs that hack/ needs
// for deploying.
//
// knative.dev/eventing v0.48.0 is missing from the public checksum database (its other releases and modules are there),
// so the first download needs GONOSUMDB=knative.dev/eventing; from then on go.sum holds what was downloaded.
package knative
