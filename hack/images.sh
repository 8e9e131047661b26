#!/usr/bin/env bash
# Builds the images of all programs and pushes them to KO_DOCKER_REPO, and prints their names with digests:
#
#   KO_DOCKER_REPO=registry.example.com/homing hack/images.sh
#
# For amd64 and arm64, with an SBOM each (SPDX, beside the image), on the base image of .ko.yaml or KO_DEFAULTBASEIMAGE.
# homing-rotate is for arm64 alone: AWS Lambda takes no image for several. VERSION is what `git describe` says, unless it is
# set. The same commit gives the same digests. With IMAGES_FILE the names are also written there, for hack/publish.sh.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

need ko
build_settings
{
  ko build --base-import-paths ./functions/{ingest,deliver,retry,manage} ./cmd/homing{,-probe}
  ko build --base-import-paths --platform linux/arm64 ./cmd/homing-rotate
} | tee "${IMAGES_FILE:-/dev/null}"
