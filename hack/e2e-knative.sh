#!/usr/bin/env bash
# Runs Homing on the cluster of the current kubeconfig, and writes down in docs/knative-report.md what was seen:
#
#   hack/e2e-knative.sh [PART]     Way, Cold, Burst, Canary, Kills or Ticks; all of them, in an hour and a half, by default.
#                                  Of the other parts the report keeps what was seen before.
#
# The cluster is as docs/knative.md wants it: Knative, a RabbitMQ broker, Homing's Secrets. It must be one that nobody
# uses. What Homing has there is replaced, and its settings are changed for a while.
#
#   DATABASE_URL    its Postgres, as it is reached from here: the books are compared with what is stored
#   RABBITMQ_URL    its RabbitMQ, as it is reached from here (amqp://user:password@host:5672/), for part Ticks
#   KO_DOCKER_REPO  the registry that ko pushes to
#   IMAGE_*         images to use instead of building them: those of hack/deploy.sh, IMAGE_AGENT (test/knative/agent), and
#                   IMAGE_INGEST_NEXT and IMAGE_DELIVER_NEXT, others of the same programs, for canaries
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

need kubectl kn
: "${DATABASE_URL:?set it to the Postgres of the cluster, as it is reached from here}"
export DATABASE_URL

# built VARIABLE FOLDER PACKAGE: an image of a program, from the variable when it is set, else by ko.
built() {
  if [ -z "${!1:-}" ]; then
    need ko
    build_settings
    export "$1=$(cd "$2" && KO_CONFIG_PATH=$OLDPWD ko build --base-import-paths "$3")"
  else
    export "${1?}"
  fi
}

built IMAGE_AGENT test/knative ./agent
VERSION=$(git describe --tags --always)-next built IMAGE_INGEST_NEXT . ./functions/ingest
VERSION=$(git describe --tags --always)-next built IMAGE_DELIVER_NEXT . ./functions/deliver
go build -o bin/homing ./cmd/homing

readonly SEEN=$PWD/.dev/e2e
E2E_REPORT=$SEEN go test -C test/knative -tags e2e -run "TestOnACluster${1:+/$1}" -count=1 -timeout 3h -v ./e2e
cat "$SEEN"/*.md >docs/knative-report.md
find "$SEEN" -name '*.svg' -exec cp {} docs/ ';'
