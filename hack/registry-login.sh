#!/usr/bin/env bash
# Logs in to a registry, for ko, cosign and crane, which read what Docker would: hack/registry-login.sh HOST
#
#   REGISTRY_USER, REGISTRY_PASSWORD    as whom; the password goes through a pipe
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

for variable in REGISTRY_USER REGISTRY_PASSWORD; do [ -n "${!variable:-}" ] || die "$variable is not set"; done
[ -n "${1:-}" ] || die "usage: registry-login.sh HOST"
need crane
crane auth login "$1" --username "$REGISTRY_USER" --password-stdin <<<"$REGISTRY_PASSWORD"
