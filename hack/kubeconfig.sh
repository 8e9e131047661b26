#!/usr/bin/env bash
# Makes the cluster of an environment the current one of kubectl: ENV=prod hack/kubeconfig.sh
# Needs aws, with the role that deploys, and a way to the cluster's private address: docs/pipeline.md.
set -euo pipefail
case ${ENV:-} in dev | staging | prod) ;; *) echo "kubeconfig: ENV must be dev, staging or prod" >&2; exit 2 ;; esac
aws eks update-kubeconfig --name "${CLUSTER:-homing-$ENV}" --alias "homing-$ENV"
kubectl --context "homing-$ENV" version --output=yaml >/dev/null
