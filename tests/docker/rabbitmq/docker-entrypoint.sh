#!/bin/bash
# Does what the entry point of the library image rabbitmq does: the folder belongs to the user rabbitmq, and the
# server runs as that user. RABBITMQ_DEFAULT_USER, _PASS and _VHOST are read by the server itself.
set -euo pipefail
if [[ ${1:-} = rabbitmq* ]] && [ "$(id -u)" = 0 ]; then
  if [ "$1" = rabbitmq-server ]; then
    find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq {} +
  fi
  exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
fi
if [ -z "${RABBITMQ_USE_LONGNAME:-}" ] && [ "$(hostname)" != "$(hostname -s)" ]; then
  export RABBITMQ_USE_LONGNAME=true
fi
exec "$@"
