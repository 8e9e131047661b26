#!/usr/bin/env bash
# Says whether what is there differs from what terraform/ says: hack/drift.sh terraform/environments/prod ...
# Looks only: no lock, nothing applied, nothing kept. Needs terraform, and rights to read (the role NAME-plan).
#
# Exit 0: no difference. 2: some differ, and each is named. 1: a plan could not be made.
set -uo pipefail

[ $# -gt 0 ] || { echo "usage: hack/drift.sh DIRECTORY..." >&2; exit 1; }
command -v terraform >/dev/null || { echo "drift: terraform is missing" >&2; exit 1; }
export TF_IN_AUTOMATION=1 TF_INPUT=0 CHECKPOINT_DISABLE=1

# What a plan would change, a line each: values may be secret, so they are left out.
changes() {
  terraform -chdir="$1" show -no-color "$2" |
    sed -nE 's/^  # (.*) (will be|must be|has been|has changed|has moved)(.*)$/  \1 \2\3/p'
}

# check prints what differs in one directory; 0, 1 or 2 as above.
check() {
  local dir=$1 plan code
  plan=$(mktemp) || return 1
  terraform -chdir="$dir" init -no-color -lockfile=readonly >"$plan.log" 2>&1 ||
    terraform -chdir="$dir" init -no-color >"$plan.log" 2>&1 &&
    terraform -chdir="$dir" plan -no-color -lock=false -detailed-exitcode -out="$plan" >"$plan.log" 2>&1
  code=$?
  case $code in
    0) echo "drift: $dir: none" ;;
    2) echo "drift: $dir differs:" && changes "$dir" "$plan" ;;
    *) echo "drift: $dir: no plan" >&2 && tail -n 20 "$plan.log" >&2 && code=1 ;;
  esac
  rm -f "$plan" "$plan.log"
  return "$code"
}

worst=0
for dir in "$@"; do
  check "$dir"
  case $? in
    1) worst=1 ;;
    2) [ "$worst" = 1 ] || worst=2 ;;
  esac
done
exit "$worst"
