#!/usr/bin/env bash
# What is in RabbitMQ beside messages: exchanges, queues, bindings, policies of a virtual host; users and permissions of
# the whole server. The topology operator keeps them from Git (eventing/); this is for what it does not know, and for the
# day when there is no cluster.
#
#   hack/rabbitmq-definitions.sh export [VHOST] >definitions.json
#   hack/rabbitmq-definitions.sh import [VHOST] <definitions.json
#
# With VHOST: of that virtual host alone, without users. Importing adds and changes nothing that is the same; it removes
# nothing. A queue that is there with other arguments is left as it is.
#
# RABBITMQ_MANAGEMENT_URL   the management API, with user and password: https://user:password@host:15672
#                           In the cluster: kubectl -n homing port-forward svc/rabbitmq 15672
#
# An export of the whole server has hashes of passwords in it: keep it as a secret.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
if [ $# -lt 1 ] || [ $# -gt 2 ]; then usage; fi
: "${RABBITMQ_MANAGEMENT_URL:?names the management API; call without arguments for help}"

# The URL goes to curl by its configuration, not by an argument, where others on the machine would see the password.
call() { curl --fail-with-body --silent --show-error --max-time 60 --config <(printf 'url = "%s"\n' "$1") "${@:2}"; }

encode() { # a name as part of a path: all but letters, digits, - . _ as %XX
  local i c out=
  for ((i = 0; i < ${#1}; i++)); do
    c=${1:i:1}
    case $c in [a-zA-Z0-9._-]) out+=$c ;; *) out+=$(printf '%%%02X' "'$c") ;; esac
  done
  echo "$out"
}

url=${RABBITMQ_MANAGEMENT_URL%/}/api/definitions
[ $# = 1 ] || url+=/$(encode "$2")
case $1 in
  export) call "$url" ;;
  import) call "$url" --header 'content-type: application/json' --data-binary @- ;;
  *) usage ;;
esac
