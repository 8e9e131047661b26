#!/usr/bin/env bash
# Shows that the gate closes: plants a weakness of each kind into a copy of the checkout, one at a time, and wants
# hack/verify-security.sh to be red because of it; then the same with waivers, and with a database out of reach.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GOEXPERIMENT=jsonv2 exec go test -C hack/security -count=1 -timeout 20m -v "$@" ./...
