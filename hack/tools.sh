#!/usr/bin/env bash
# The programs that deploying needs, in .dev/bin of the checkout, at the versions below.
#
#   hack/tools.sh [kn] [ko] [manifest] [canaryanalysis] [actionlint] [cosign] [crane]
#                         make what is missing (kn, ko and manifest by default), and print where each is
#
# They are built from source through the Go module proxy. kn, ko and cosign take minutes, once. manifest and
# canaryanalysis are this repository's own, and built anew when they have changed. kubectl comes with the cluster.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly KN=v0.48.0 KN_PKG=v0.0.0-20260128022831-382000a93f17 # Knative 1.21; its pkg as of that release
readonly KO=v0.19.1
readonly ACTIONLINT=v1.7.12 COSIGN=v3.1.3 CRANE=v0.22.1
readonly BIN=$PWD/.dev/bin
export CGO_ENABLED=0 GOFLAGS=-trimpath

say() { echo "tools: $*" >&2; }

# kn's go.mod has a replacement by a folder that its module does not contain, so `go install` refuses it.
make_kn() {
  local dir; dir=$(mktemp -d)
  # Not all of Knative's modules are in the checksum database. What they must be, but for pkg, is in kn's own go.sum.
  (
    export GONOSUMDB='knative.dev/*' GOFLAGS='-mod=mod -trimpath'
    cd "$dir"
    cp -r "$(go mod download -json "knative.dev/client@$KN" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/." .
    chmod -R u+w .
    rm -f go.work go.work.sum # of a workspace whose other half is not in the module
    go mod edit -replace "knative.dev/client/pkg=knative.dev/client/pkg@$KN_PKG"
    go build -ldflags "-s -w -X knative.dev/client/pkg/commands/version.Version=$KN" -o "$1" ./cmd/kn
  )
  rm -rf "$dir"
}

# installed PACKAGE@VERSION PATH
installed() {
  local dir; dir=$(mktemp -d)
  GOBIN=$dir go install -ldflags "-s -w" "$1"
  mv "$dir"/* "$2"
  rm -rf "$dir"
}

make_ko() { installed "github.com/google/ko@$KO" "$1"; }
make_actionlint() { installed "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT" "$1"; }
make_cosign() { installed "github.com/sigstore/cosign/v3/cmd/cosign@$COSIGN" "$1"; }
make_crane() { installed "github.com/google/go-containerregistry/cmd/crane@$CRANE" "$1"; }

make_manifest() { go build -C test/knative -o "$1" ./cmd/manifest; }

# tool NAME VERSION: at its version, unless it is there.
tool() {
  local path=$BIN/$1-$2
  if [ ! -x "$path" ]; then
    say "building $1 $2"
    "make_$1" "$path"
  fi
  ln -sf "$1-$2" "$BIN/$1"
  echo "$BIN/$1"
}

mkdir -p "$BIN"
[ $# -gt 0 ] || set -- kn ko manifest
for name; do
  case $name in
  kn) tool kn "$KN" ;;
  ko) tool ko "$KO" ;;
  actionlint) tool actionlint "$ACTIONLINT" ;;
  cosign) tool cosign "$COSIGN" ;;
  crane) tool crane "$CRANE" ;;
  manifest) make_manifest "$BIN/manifest" && echo "$BIN/manifest" ;;
  canaryanalysis) go build -o "$BIN/canaryanalysis" ./hack/canaryanalysis && echo "$BIN/canaryanalysis" ;;
  *) say "there is no tool $name"; exit 2 ;;
  esac
done
