#!/usr/bin/env bash
# Prints where a build comes from, as the predicate of SLSA's provenance 1.0 (https://slsa.dev/spec/v1.0/provenance): which
# commit, built by which workflow, in which run. Outside GitHub Actions it says that it was built by hand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commit=$(git rev-parse HEAD)
repository=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:-homing-hooks/homing}
run=${GITHUB_RUN_ID:+$repository/actions/runs/$GITHUB_RUN_ID/attempts/${GITHUB_RUN_ATTEMPT:-1}}
builder=$repository/by-hand
[ -z "${GITHUB_WORKFLOW_REF:-}" ] || builder=${GITHUB_SERVER_URL:-https://github.com}/$GITHUB_WORKFLOW_REF
jq -n --arg commit "$commit" --arg repository "$repository" --arg ref "${GITHUB_REF:-$commit}" --arg run "$run" \
  --arg builder "$builder" --arg version "$(git describe --tags --always --dirty)" \
  --arg at "$(date -u -d "@$(git log -1 --format=%ct)" +%Y-%m-%dT%H:%M:%SZ)" '{
    buildDefinition: {
      buildType: ($repository + "/blob/main/hack/images.sh"),
      externalParameters: {repository: $repository, ref: $ref},
      internalParameters: {version: $version, committedAt: $at},
      resolvedDependencies: [{uri: ("git+" + $repository + "@" + $ref), digest: {gitCommit: $commit}}]
    },
    runDetails: {builder: {id: $builder}, metadata: {invocationId: (if $run == "" then "by-hand" else $run end)}}
  }'
