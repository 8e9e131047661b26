#!/usr/bin/env bash
# Gives all traffic of a service to its newest revision, and to those to come: ENV=dev hack/promote.sh SERVICE
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

environment >/dev/null
readonly service=${1:-}
[ -n "$service" ] || die "usage: promote.sh SERVICE"
need kubectl kn
route "$service" --traffic @latest=100
say "$service: $(ready_revision "$service") 100 %"
