#!/bin/sh
# Runs PHP servers, each an Apache httpd in front of a PHP-FPM, on 127.0.0.1 until Ctrl-C:
#
#   backends.sh ROUTE=PORT:FPM_PORT…
#
# Needs Debian's apache2 and php-fpm; their own services and files are left as they are.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
fpm=
for f in /usr/sbin/php-fpm*; do [ -x "$f" ] && fpm=$f; done
[ -n "$fpm" ] || { echo "backends.sh: no php-fpm in /usr/sbin: install php-fpm" >&2; exit 1; }
root=
[ "$(id -u)" != 0 ] || root=--allow-to-run-as-root
all=$(mktemp -d)
pids=
stop() {
  [ -z "$pids" ] || { kill $pids; wait; } 2>/dev/null || true # they may have ended with the terminal
  rm -rf "$all"
}
trap stop EXIT
trap 'exit 0' INT TERM
for arg; do
  ports=${arg#*=}
  export ROUTE="${arg%%=*}" PORT="${ports%%:*}" FPM_PORT="${ports#*:}"
  export BASE="$all/$ROUTE" APP="fcgi://127.0.0.1:$FPM_PORT$here/htdocs/"
  mkdir -p "$BASE/sessions"
  "$fpm" --nodaemonize $root --fpm-config "$here/fpm.conf" &
  pids="$pids $!"
  apache2 -d "$BASE" -f "$here/backend.conf" -D FOREGROUND &
  pids="$pids $!"
done
[ -n "$pids" ] || { echo "usage: backends.sh ROUTE=PORT:FPM_PORT…" >&2; exit 2; }
wait
