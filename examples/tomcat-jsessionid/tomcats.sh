#!/bin/sh
# Runs Tomcats with the example's application on 127.0.0.1 until Ctrl-C:
#
#   tomcats.sh ROUTE=PORT…
#
# Each gets a folder of its own; Debian's tomcat10 is left as it is. CATALINA_HOME names another Tomcat.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export CATALINA_HOME="${CATALINA_HOME:-/usr/share/tomcat10}"
defaults=$CATALINA_HOME/conf
[ -d "$defaults" ] || defaults=$CATALINA_HOME/etc
base=$(mktemp -d)
pids=
stop() {
  [ -z "$pids" ] || { kill $pids; wait; } 2>/dev/null || true # they may have ended with the terminal
  rm -rf "$base"
}
trap stop EXIT
trap 'exit 0' INT TERM
for arg; do
  route=${arg%%=*} port=${arg#*=}
  mkdir -p "$base/$route/conf" "$base/$route/logs" "$base/$route/temp" "$base/$route/webapps" "$base/$route/work"
  cp "$defaults/web.xml" "$base/$route/conf/"
  cp "$here/server.xml" "$base/$route/conf/"
  CATALINA_BASE=$base/$route CATALINA_TMPDIR=$base/$route/temp \
    CATALINA_OPTS="-Dexample.route=$route -Dexample.port=$port -Dexample.app=$here/webapp" \
    "$CATALINA_HOME/bin/catalina.sh" run &
  pids="$pids $!"
done
[ -n "$pids" ] || { echo "usage: tomcats.sh ROUTE=PORT…" >&2; exit 2; }
wait
