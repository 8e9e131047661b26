#!/usr/bin/env bash
# Checks the infrastructure code offline: Terraform itself (format, init, validate, test with mocks) against the schemas
# of the real providers, which hack/terraform-kit replays; then the contracts with the rest of the repository, and that
# the documents made from the code are current.
#
#   hack/verify-terraform.sh [DIR...]     DIR: only these are given to Terraform (default: terraform)
#
# Needs Go, bash, perl, tar, git, and Terraform 1.11 or later on PATH or in .dev/bin. The Go module proxy has its source,
# but not that of its cloud backends, so `go install` does not build it: it comes from HashiCorp.
# What cannot be checked so is in hack/terraform-kit/README.md: values, and what only AWS knows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

# recent: is there a terraform on PATH that is new enough?
recent() {
  local version
  version=$(TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1 terraform version 2>/dev/null |
    sed -n '1s/^Terraform v//p')
  [ -n "$version" ] && [ "$(printf '%s\n1.11.0\n' "$version" | sort -V | head -1)" = 1.11.0 ]
}
PATH=$PWD/.dev/bin:$PATH
if ! recent; then
  cat >&2 <<'TXT'
verify-terraform: Terraform 1.11 or later is needed. On Debian, with HashiCorp's repository, which
developer.hashicorp.com/terraform/install describes: apt-get install terraform. Or put its binary into .dev/bin/.
TXT
  exit 2
fi

if [ $# = 0 ]; then set -- terraform; fi
say "Terraform: fmt, init, validate, test"
hack/terraform-kit/tf-check "$@"

say "Contracts with code, manifests and documents"
go test -count=1 ./hack/infradoc ./test/contract -run 'Terraform|Infrastructure|Document|Bill|Unit|Diagram|Check'
if [ -d hack/accessdoc ]; then go run ./hack/accessdoc -check; fi
