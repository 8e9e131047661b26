#!/usr/bin/env bash
# The security gate: code (gosec), dependencies (govulncheck), licences, secrets (gitleaks), manifests and Terraform
# (Trivy's checks), and the reports of image scanners. Exits 1 on every critical or high finding that
# hack/security/waivers.yaml does not waive, on a waiver that has expired or waives nothing, on a scanner that could not
# run, and when docs/security/report.md does not say what was found. What it needs is built through the Go module proxy
# into .dev/bin, pinned by hack/security/go.mod and the Makefile; the first time takes some minutes.
#
#   hack/verify-security.sh [OPTION...]
#
#   -write                          write the report
#   -date 2026-11-30                the day of this run, by which waivers are judged (default: today)
#   -only secrets,terraform         some of code, dependencies, licences, secrets, manifests, terraform, images
#   -history                        look for secrets in every commit too
#   -image-report FILE              judge what `trivy image --format json` found; may be repeated
#   -allow-unreachable-database     pass though there was no vulnerability database to look into; for machines without
#                                   any network: continuous integration never says this
#   -root DIRECTORY                 judge another checkout
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

golangci=$(make -s golangci)
mkdir -p .dev/bin
GOEXPERIMENT=jsonv2 go build -C hack/security -ldflags '-s -w' -o "$PWD/.dev/bin/security" .
exec .dev/bin/security -golangci "$PWD/$golangci" "$@"
