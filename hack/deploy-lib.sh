# Sourced by the scripts that deploy. ENV is dev, staging or prod; the cluster is that of the current kubeconfig.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly NAMESPACE=homing
PATH=$PWD/.dev/bin:$PATH
export PATH

say() { echo "$(basename "$0" .sh): $*" >&2; }
die() { say "$*"; exit 1; }

# environment: ENV, checked, as the directory of its overlay. In dev OVERLAY may name another one, to try things.
environment() {
  case ${ENV:-} in
  dev) echo "${OVERLAY:-knative/overlays/dev}" ;;
  staging | prod) echo "knative/overlays/$ENV" ;;
  *) die "ENV must be dev, staging or prod" ;;
  esac
}

# need TOOL...: from the PATH if they are there, else made by hack/tools.sh.
need() {
  local tool
  for tool; do
    case $tool in
    kubectl) command -v kubectl >/dev/null || die "kubectl is not on the PATH" ;;
    manifest | canaryanalysis) hack/tools.sh "$tool" >/dev/null ;; # this checkout's own, never an old one
    *) command -v "$tool" >/dev/null || hack/tools.sh "$tool" >/dev/null ;;
    esac
  done
}

# function_of SERVICE: the program that it runs, as in functions/.
function_of() { case $1 in ingest-broker) echo ingest ;; *) echo "$1" ;; esac; }

# image_of NAME: the image to use for a program, from IMAGE_INGEST, IMAGE_DELIVER, ..., IMAGE_HOMING; empty when ko is
# to build it.
image_of() {
  local variable; variable=IMAGE_$(tr '[:lower:]-' '[:upper:]_' <<<"$1")
  echo "${!variable:-}"
}

# resolved KIND NAME PROGRAM: one manifest, checked, with its image.
resolved() {
  local image; image=$(image_of "$3")
  if [ -n "$image" ]; then
    manifest -overlay "$OVERLAY" "-$1" "$2" -image "$image"
  else
    need ko
    build_settings
    # In a variable, so that what ko leaves unsaid when it fails halfway is not applied.
    local text; text=$(manifest -overlay "$OVERLAY" "-$1" "$2" | ko resolve --base-import-paths -f -)
    manifest -check <<<"$text"
  fi
}

# build_settings: what .ko.yaml wants to know about this build.
build_settings() {
  [ -n "${KO_DOCKER_REPO:-}" ] || die "set KO_DOCKER_REPO to the registry that ko pushes to, or IMAGE_* to images"
  VERSION=${VERSION:-$(git describe --tags --always --dirty)}
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
  KO_DATA_DATE_EPOCH=$SOURCE_DATE_EPOCH
  export VERSION SOURCE_DATE_EPOCH KO_DATA_DATE_EPOCH
}

# exists SERVICE: is it in the cluster?
exists() { kubectl get ksvc "$1" -n "$NAMESPACE" -o name >/dev/null 2>&1; }

# of SERVICE JSONPATH: what the cluster has there.
of() { kubectl get ksvc "$1" -n "$NAMESPACE" -o jsonpath="$2"; }

# ready_revision SERVICE: the newest revision that became ready.
ready_revision() { of "$1" '{.status.latestReadyRevisionName}'; }

# tagged SERVICE TAG: the revision that has an address of its own by that tag.
tagged() { of "$1" "{.spec.traffic[?(@.tag==\"$2\")].revisionName}"; }

# serving_revision SERVICE: the revision that gets the most traffic now.
serving_revision() {
  of "$1" '{range .status.traffic[*]}{.percent}{" "}{.revisionName}{"\n"}{end}' |
    sort -rn | awk '$1 > 0 && !found {print $2; found = 1}'
}

# route SERVICE FLAG...: changes its traffic, with kn; the tags of a release that was under way go with it. (Callers have
# a readonly $service.)
route() {
  local name=$1 untag=() tag; shift
  for tag in canary green blue; do
    [ -z "$(of "$name" "{.spec.traffic[?(@.tag==\"$tag\")].tag}")" ] || untag+=(--untag "$tag")
  done
  kn service update "$name" -n "$NAMESPACE" "${untag[@]}" "$@" --wait >&2
}
