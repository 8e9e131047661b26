#!/usr/bin/env bash
# Checks what stands around the environments, beside the modules' own tests (hack/verify-terraform.sh): the document of
# security groups and roles is current, GitHub's settings fit the repository, the firewall fits the payloads, secrets are
# written once; and hack/drift.sh finds what it should.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/.dev/bin:$PATH"

go run ./hack/accessdoc -check
go test -count=1 ./hack/accessdoc
go test -count=1 -run '^(TestEdge|TestBudgets|TestGitHub|TestSecrets|TestImages|TestStates)' ./test/contract

# Drift, on a configuration that needs no provider: Terraform's own terraform_data.
command -v terraform >/dev/null || { echo "verify-posture: terraform is missing: see hack/verify-terraform.sh" >&2; exit 1; }
export CHECKPOINT_DISABLE=1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
write() { printf 'resource "terraform_data" "x" {\n  input = "%s"\n}\n' "$1" >"$tmp/main.tf"; }
expect() {
  local want=$1 what=$2 got=0
  hack/drift.sh "$tmp" >"$tmp/out" 2>&1 || got=$?
  [ "$got" = "$want" ] || { echo "verify-posture: drift.sh says $got, not $want, of $what"; cat "$tmp/out"; exit 1; }
}
write one
expect 2 "what was never applied"
(cd "$tmp" && terraform init -no-color >/dev/null && terraform apply -no-color -auto-approve >/dev/null)
expect 0 "what was just applied"
write two
expect 2 "a change"
grep -q 'terraform_data.x will be updated' "$tmp/out" || { echo "verify-posture: drift.sh does not name it"; exit 1; }
if grep -q '"two"' "$tmp/out"; then echo "verify-posture: drift.sh shows values"; exit 1; fi
echo 'resource "terraform_data" {' >"$tmp/main.tf"
expect 1 "what is no configuration"
echo "posture: ok"
