#!/usr/bin/env bash
# Checks the infrastructure code offline: Terraform itself (format, init, validate, test with mocks) against the schemas of
# the real providers, which hack/terraform-kit replays; then the contracts with the rest of the repository, and that the
# documents made from the code are current.
#
#   hack/verify-terraform.sh [DIR...]     DIR: only these below terraform/ are given to Terraform (default: all)
#
# Needs Go, bash, perl, tar, git. Terraform 1.11 or later is taken from PATH, else built once by hack/build-terraform.sh.
# What cannot be checked so is in hack/terraform-kit/README.md: values, and what only AWS knows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

# recent: is there a terraform on PATH that is new enough?
recent() {
  local version
  version=$(TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1 terraform version 2>/dev/null | sed -n '1s/^Terraform v//p')
  [ -n "$version" ] && [ "$(printf '%s\n1.11.0\n' "$version" | sort -V | head -1)" = 1.11.0 ]
}
if ! recent; then
  hack/build-terraform.sh
  PATH=$PWD/.dev/bin/terraform-built:$PATH
fi

if [ $# = 0 ]; then set -- terraform; fi
say "Terraform: fmt, init, validate, test"
hack/terraform-kit/tf-check "$@"

say "Contracts with code, manifests and documents"
go test -count=1 ./hack/infradoc ./test/contract -run 'Terraform|Infrastructure|Document|Bill|Unit|Diagram|Check'
if [ -d hack/accessdoc ]; then go run ./hack/accessdoc -check; fi
