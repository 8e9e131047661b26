#!/usr/bin/env bash
# Waits for what ECR's scan finds in images, and fails on anything critical or high: hack/scan-images.sh FILE
#
# FILE has an image in ECR a line, by digest, as hack/publish.sh writes it. Needs aws, with the role that publishes.
# SCAN_WAIT is how many seconds a scan may take (600). An image whose scan has not ended is not known, and fails too.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

[ -s "${1:-}" ] || die "usage: scan-images.sh FILE"
need crane

# findings IMAGE: what ECR says about it.
findings() {
  local registry=${1%%/*} path=${1#*/}
  aws ecr describe-image-scan-findings --region "$(cut -d. -f4 <<<"$registry")" --registry-id "${registry%%.*}" \
    --repository-name "${path%@*}" --image-id "imageDigest=${path#*@}" --output json 2>/dev/null || echo '{}'
}

# scanned IMAGE: its findings, once the scan has ended: COMPLETE for the basic one, ACTIVE for the one that goes on.
scanned() {
  local answer end=$((SECONDS + ${SCAN_WAIT:-600}))
  while :; do
    answer=$(findings "$1")
    case $(jq -r '.imageScanStatus.status // "none"' <<<"$answer") in
    COMPLETE | ACTIVE) echo "$answer"; return ;;
    FAILED | UNSUPPORTED_IMAGE | FINDINGS_UNAVAILABLE | SCAN_ELIGIBILITY_EXPIRED) return 1 ;;
    esac
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 10
  done
}

# each IMAGE: what is scanned: of an index the image of each platform.
each() {
  crane manifest "$1" | jq -r --arg image "$1" '[.manifests[]?.digest] | if . == [] then $image else
    .[] | ($image | sub("@.*"; "")) + "@" + . end'
}

failed=0 images=''
while read -r image; do images+=$(each "$image")$'\n'; done <"$1"
while read -r image; do
  answer=$(scanned "$image") || { say "not scanned: $image"; failed=1; continue; }
  bad=$(jq -r '.imageScanFindings.findingSeverityCounts // {} | (.CRITICAL // 0) + (.HIGH // 0)' <<<"$answer")
  say "$image: $bad critical or high"
  [ "$bad" = 0 ] || failed=1
done < <(sed '/^$/d' <<<"$images")
exit $failed
