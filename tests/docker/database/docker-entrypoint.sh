#!/bin/bash
# Does what the entry point of the library image mysql does of what docker-compose.yml uses: MYSQL_ROOT_PASSWORD,
# MYSQL_DATABASE, MYSQL_USER and MYSQL_PASSWORD, each as a variable or as a file named by ..._FILE; the folders
# belong to the user mysql, and the server runs as that user.
set -euo pipefail
[[ ${1:-} != -* ]] || set -- mysqld "$@"
[ "${1:-}" = mysqld ] || exec "$@"

data=/var/lib/mysql run=/run/mysqld
for name in MYSQL_ROOT_PASSWORD MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD; do
  file=${name}_FILE
  if [ -n "${!file:-}" ]; then
    [ -z "${!name:-}" ] || { echo "Both $name and $file are set: set one of them." >&2; exit 1; }
    export "$name=$(< "${!file}")"
    unset "$file"
  fi
done
mkdir -p "$data" "$run"
if [ "$(id -u)" = 0 ]; then
  find "$data" "$run" ! -user mysql -exec chown --no-dereference mysql {} +
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

shift
server=$(command -v mariadbd || command -v mysqld)
client=$(command -v mariadb || command -v mysql)
if [ ! -d "$data/mysql" ]; then
  : "${MYSQL_ROOT_PASSWORD:?set it, or MYSQL_ROOT_PASSWORD_FILE}"
  if [[ $server = */mariadbd ]]; then
    mariadb-install-db --datadir="$data" --skip-test-db --auth-root-authentication-method=normal > /dev/null
  else
    "$server" --initialize-insecure --datadir="$data" "$@"
  fi
  "$server" --skip-networking "$@" &
  first=$!
  root=("$client" --no-defaults --user=root --socket="$run/mysqld.sock")
  until "${root[@]}" -e 'SELECT 1' > /dev/null 2>&1; do
    kill -0 "$first" || { echo "The server ended during its first start." >&2; exit 1; }
    sleep 0.5
  done
  {
    if [ -n "${MYSQL_DATABASE:-}" ]; then
      echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;"
    fi
    if [ -n "${MYSQL_USER:-}" ]; then
      echo "CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';"
      [ -z "${MYSQL_DATABASE:-}" ] || echo "GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO '$MYSQL_USER'@'%';"
    fi
    echo "CREATE USER 'root'@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';"
    echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD'; FLUSH PRIVILEGES;"
  } | "${root[@]}"
  kill "$first"
  wait "$first" || true
fi
exec "$server" "$@"
