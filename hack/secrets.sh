#!/usr/bin/env bash
# Makes the Secrets that the functions look for, in the cluster of the current kubeconfig, from these variables. For a
# start, and for clusters that nothing better provides with Secrets; values go through pipes, and are never printed.
#
#   DATABASE_URL         Postgres, as a user who owns the schema and may create roles; the functions take on theirs
#   REDIS_URL            Redis
#   RABBITMQ_URI         RabbitMQ's management API without user: http://rabbitmq.example.com:15672
#   RABBITMQ_HOST        RabbitMQ's AMQP address, host:port
#   RABBITMQ_USERNAME, RABBITMQ_PASSWORD
#                        an administrator there, for the brokers
#   ENCRYPTION_KEYS      HOMING_ENCRYPTION_KEYS; when it is not set, one that is there stays, else one is made
#
# The users who park and fetch get passwords of their own, which stay as they are from then on. Where DATABASE_URL is to
# differ by function, as it should in prod, set DATABASE_URL_INGEST, _INGEST_BROKER, _DELIVER, _RETRY and _MANAGE.
set -euo pipefail
# shellcheck source=hack/deploy-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/deploy-lib.sh"

need kubectl
for variable in DATABASE_URL REDIS_URL RABBITMQ_URI RABBITMQ_HOST RABBITMQ_USERNAME RABBITMQ_PASSWORD; do
  [ -n "${!variable:-}" ] || die "$variable is not set"
done

# held SECRET KEY: what a Secret holds already; empty when it does not.
held() {
  kubectl get secret "$1" -n "$NAMESPACE" -o "jsonpath={.data.$2}" 2>/dev/null | base64 -d || true
}

# secret NAME: from lines of KEY=value on stdin. Through a pipe, so that no list of processes shows a value.
secret() {
  kubectl create secret generic "$1" -n "$NAMESPACE" --from-env-file=/dev/stdin --dry-run=client -o yaml |
    kubectl apply --server-side --force-conflicts --field-manager=homing-secrets -f - >&2
}

# database SERVICE: its DATABASE_URL.
database() {
  local variable; variable=DATABASE_URL_$(tr '[:lower:]-' '[:upper:]_' <<<"$1")
  echo "DATABASE_URL=${!variable:-$DATABASE_URL}"
}

# parking SERVICE USER: the user's Secret, and his RABBITMQ_URL.
parking() {
  local password; password=$(held "homing-$1-rabbitmq" password)
  password=${password:-$(openssl rand -hex 24)}
  printf 'username=%s\npassword=%s\n' "$2" "$password" | secret "homing-$1-rabbitmq"
  echo "RABBITMQ_URL=amqp://$2:$password@$RABBITMQ_HOST/"
}

kubectl create namespace "$NAMESPACE" --dry-run=client -o yaml | kubectl apply -f - >&2
keys=${ENCRYPTION_KEYS:-$(held homing-deliver HOMING_ENCRYPTION_KEYS)}
keys=HOMING_ENCRYPTION_KEYS=${keys:-k1:$(openssl rand -base64 32)}

printf 'uri=%s\nusername=%s\npassword=%s\n' "$RABBITMQ_URI" "$RABBITMQ_USERNAME" "$RABBITMQ_PASSWORD" | secret rabbitmq
database migrate | secret homing-migrate
database ingest | secret homing-ingest
{ database ingest-broker; parking ingest-broker homing-ingest; } | secret homing-ingest-broker
{ database deliver; echo "REDIS_URL=$REDIS_URL"; echo "$keys"; } | secret homing-deliver
{ database retry; echo "REDIS_URL=$REDIS_URL"; parking retry homing-retry; } | secret homing-retry
{ database manage; echo "$keys"; } | secret homing-manage
say "the Secrets are in namespace $NAMESPACE"
