// Command security is the gate of hack/verify-security.sh: it looks for weaknesses in code, dependencies, licences,
// secrets, manifests, Terraform and the reports of image scanners, with the scanners of others, as libraries where that
// is possible, and fails on every finding that is critical or high and not waived.
//
// It owns what counts as a finding, the waivers (waivers.yaml) and the report (docs/security/report.md). It promises that
// a scanner that could not run is a failure, and that what it prints never has a secret in it. It never mends anything.
//
// It is a module of its own, so that nothing of it gets into the go.mod of what it judges. Trivy's libraries want
// GOEXPERIMENT=jsonv2; what is judged is built without it.
package main
