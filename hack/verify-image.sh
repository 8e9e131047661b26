#!/usr/bin/env bash
# Says whether images are signed by whom they should be, and have a provenance: hack/verify-image.sh IMAGE@DIGEST...
#
#   COSIGN_KEY        the key in KMS, or VERIFY_KEY, the public half of a key in a file; not set: keyless, by the workflow below
#   COSIGN_IDENTITY   who must have signed: a regular expression of the workflow's identity
#                     (this repository's deploy.yml on main or a release tag)
#   VERIFY_FLAGS      more for verify, such as --insecure-ignore-tlog=true with a key of one's own
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

[ $# -gt 0 ] || die "usage: verify-image.sh IMAGE@DIGEST..."
need cosign
readonly workflow='^https://github\.com/homing-hooks/homing/\.github/workflows/deploy\.yml@refs/(heads/main|tags/v.*)$'
who=(--certificate-oidc-issuer https://token.actions.githubusercontent.com
  --certificate-identity-regexp "${COSIGN_IDENTITY:-$workflow}")
key=${VERIFY_KEY:-${COSIGN_KEY:-}}
[ -z "$key" ] || who=(--key "$key")
read -ra flags <<<"${VERIFY_FLAGS:-}"
for image; do
  cosign verify "${who[@]}" "${flags[@]}" "$image" >/dev/null || die "not signed as it should be: $image"
  cosign verify-attestation --type slsaprovenance1 "${who[@]}" "${flags[@]}" "$image" >/dev/null ||
    die "no provenance as it should be: $image"
  echo "$image"
done
