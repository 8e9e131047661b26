#!/usr/bin/env bash
# Checks the pipeline without GitHub and without a cluster: the workflows by actionlint and by the rules of docs/pipeline.md,
# the scripts that they call by shellcheck, the judgement of canaries on a real Prometheus, the migrations on a real
# Postgres, and that the drawing of the pipeline is current. The first time, tools are built for some minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.dev/bin:$PATH

say() { printf 'verify-workflows: %s\n' "$*"; }

say "the workflows are what GitHub takes, and keep the rules"
hack/tools.sh actionlint >/dev/null
actionlint
go test -count=1 ./hack/pipelinedoc/... ./test/contract -run 'Workflow|GitHub|Rollback|Dependabot|Drawing|Parse'
go run ./hack/pipelinedoc -check

say "the scripts are sound"
make --no-print-directory lint-scripts

say "an environment's rollout and deployment, step by step, beside a stand-in for the cluster"
go test -count=1 ./test/contract -run '^Test(Rollout|Deploy|Undeploy)'

say "a canary is promoted, rolled back, or not known"
go test -count=1 ./hack/canaryanalysis
(cd test/monitoring && go test -count=1 -run '^TestCanary' .)

say "migrations only add"
# Stopped at the end, unless it was running before: then it is somebody's.
hack/services.sh env >/dev/null 2>&1 || trap 'hack/services.sh down' EXIT
hack/services.sh up postgres 2>/dev/null
# shellcheck disable=SC1090 # printed by the script
eval "$(hack/services.sh env)"
go test -count=1 ./pkg/store/postgres -run '^TestMigrations'

say "all is well"
