#!/usr/bin/env bash
# Tries what docs/disaster-recovery.md says, on servers of its own: Postgres to a moment, RabbitMQ from its definitions,
# Redis from nothing, the manifests from a clone of what is committed. Prints what it measured (RPO, RTO).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! go test -tags faults -count=1 -timeout 10m -v ./test/recovery >"$log" 2>&1; then
  cat "$log"
  exit 1
fi
grep -E '_test\.go:|^ *--- |^ok' "$log"
