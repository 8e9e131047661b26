#!/usr/bin/env bash
# Sends an event through an environment and waits until it is delivered: hack/smoke.sh
#
#   INGEST_URL, MANAGE_URL    where events are sent, and where the management API is
#   SMOKE_KEY                 an API key of the tenant whose endpoint takes it, with events:write and deliveries:read
#   SMOKE_TYPE                the event's type, which an endpoint of the tenant subscribes to (homing.smoke)
#   SMOKE_WAIT                how many seconds it may take (60)
#   GATEWAY                   host:port to connect to, whatever the URLs say: for a cluster without DNS
set -euo pipefail

say() { echo "smoke: $*" >&2; }
for variable in INGEST_URL MANAGE_URL SMOKE_KEY; do
  [ -n "${!variable:-}" ] || { say "$variable is not set"; exit 2; }
done

# request CURL_ARGUMENT...: with the key, which no list of processes shows. It may be made again: an event is known by its id.
request() {
  local to=()
  [ -z "${GATEWAY:-}" ] || to=(--connect-to "::$GATEWAY")
  curl -sS --fail-with-body --max-time 30 --retry 5 --retry-delay 1 --retry-all-errors "${to[@]}" -H @/dev/fd/3 "$@" 3<<<"Authorization: Bearer $SMOKE_KEY"
}

id=smoke-$(date +%s)-$$
receipt=$(request "$INGEST_URL/v1/events" -H 'Content-Type: application/json' -H 'ce-specversion: 1.0' -H "ce-id: $id" \
  -H 'ce-source: /homing/smoke' -H "ce-type: ${SMOKE_TYPE:-homing.smoke}" -d '{"smoke": true}')
event=$(jq -r .id <<<"$receipt")
[ "$(jq -r 'if .duplicate then 1 else .deliveries end' <<<"$receipt")" -gt 0 ] || { say "event $event is accepted, but no endpoint takes it"; exit 1; }
for ((end = SECONDS + ${SMOKE_WAIT:-60}; SECONDS < end; )); do
  states=$(request "$MANAGE_URL/v1/deliveries?event=$event" | jq -r '[.data[].state] | unique | join(" ")')
  [ "$states" != succeeded ] || { say "event $event is delivered"; exit 0; }
  sleep 1
done
say "event $event is not delivered: ${states:-no delivery}"
exit 1
