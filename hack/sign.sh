#!/usr/bin/env bash
# Signs images, says where they come from, and looks whether that holds: hack/sign.sh FILE
#
# FILE has an image with its digest a line, as hack/images.sh writes it. Signatures and provenance (SLSA 1.0,
# hack/provenance.sh) are cosign's, beside the image in its registry.
#
#   COSIGN_KEY    a key (awskms:///alias/…, or a file); not set: keyless, by the identity that the job has from GitHub
#   COSIGN_FLAGS  more for sign and attest, such as --tlog-upload=false with a key of one's own
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

[ -s "${1:-}" ] || die "usage: sign.sh FILE"
need cosign
predicate=$(mktemp)
trap 'rm -f "$predicate"' EXIT
hack/provenance.sh >"$predicate"
key=()
[ -z "${COSIGN_KEY:-}" ] || key=(--key "$COSIGN_KEY")
read -ra flags <<<"${COSIGN_FLAGS:-}"
while read -r image; do
  [[ $image == *@sha256:* ]] || die "not by its digest: $image"
  cosign sign --yes --recursive "${key[@]}" "${flags[@]}" "$image"
  cosign attest --yes --type slsaprovenance1 --predicate "$predicate" "${key[@]}" "${flags[@]}" "$image"
  hack/verify-image.sh "$image" >/dev/null
  say "$image"
done <"$1"
