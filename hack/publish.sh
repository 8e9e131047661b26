#!/usr/bin/env bash
# Brings images that were built and signed into the registry of an environment, as they are, by digest:
#
#   REGISTRY=…dkr.ecr.eu-central-1.amazonaws.com/homing hack/publish.sh FILE
#
# FILE has an image a line, as hack/images.sh writes it. Each must be signed as hack/verify-image.sh asks, before anything is
# copied. With IMAGES_ENV, lines IMAGE_…=… are written there for hack/rollout.sh, and with PUBLISHED_FILE the new names for
# hack/sign.sh. The tag is TAG, or the version that git says; it names one image for ever.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

[ -s "${1:-}" ] || die "usage: publish.sh FILE"
[ -n "${REGISTRY:-}" ] || die "REGISTRY is not set"
need crane cosign
tag=${TAG:-$(git describe --tags --always)}
mapfile -t images <"$1"
hack/verify-image.sh "${images[@]}" >/dev/null

# ECR gives a password for some hours to who has a role.
if [[ $REGISTRY =~ ^[0-9]+\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/ ]]; then
  aws ecr get-login-password --region "${BASH_REMATCH[1]}" |
    crane auth login "${REGISTRY%%/*}" --username AWS --password-stdin
fi
: >"${PUBLISHED_FILE:=/dev/null}"
: >"${IMAGES_ENV:=/dev/null}"
for image in "${images[@]}"; do
  name=${image%@*} digest=${image#*@}
  name=${name##*/} && name=${name%%:*}
  target=$REGISTRY/$name
  # A tag that is there names this image already, or is not to be moved.
  there=$(crane digest "$target:$tag" 2>/dev/null || true)
  [ -z "$there" ] || [ "$there" = "$digest" ] || die "$target:$tag is another image: $there"
  [ -n "$there" ] || crane copy "$image" "$target:$tag"
  [ "$(crane digest "$target:$tag")" = "$digest" ] || die "$target:$tag is not $digest"
  echo "$target@$digest" | tee -a "$PUBLISHED_FILE"
  echo "IMAGE_$(tr '[:lower:]-' '[:upper:]_' <<<"$name")=$target@$digest" >>"$IMAGES_ENV"
done
