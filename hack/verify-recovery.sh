#!/usr/bin/env bash
# Tries what docs/disaster-recovery.md says, on servers of its own: Postgres to a moment, RabbitMQ from its definitions,
# Redis from nothing, the manifests from a clone of what is committed. Prints what it measured (RPO, RTO).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if command -v shellcheck >/dev/null; then shellcheck hack/postgres-backup.sh hack/verify-recovery.sh; fi
hack/services.sh env >/dev/null 2>&1 || trap 'hack/services.sh down' EXIT # stopped at the end unless it ran before
hack/services.sh up postgres
eval "$(hack/services.sh env)"
go test -tags faults -count=1 -timeout 10m -v ./test/recovery | grep -E '^(=== RUN|\s*--- |ok|FAIL|PASS)|_test.go|RPO|RTO|Error|:\s' |
  grep -v '^{'
