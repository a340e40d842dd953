#!/bin/sh
# Puts conf/ on this machine as the next release and makes it the current one:
#
#   deploy.sh /srv/pinion
#
# The release is checked where it will run. Then one link changes; pinion, which serves /srv/pinion/current/httpd.conf, sees it.
# To go back: ln -sfn releases/N /srv/pinion/current
set -eu
to=${1:?usage: deploy.sh FOLDER}
cd "$(dirname "$0")"
mkdir -p "$to/releases"
n=1
while ! mkdir "$to/releases/$n" 2>/dev/null; do n=$((n + 1)); done
cp -R conf/. "$to/releases/$n/"
if ! "${PINION:-pinion}" -t -f "$to/releases/$n/httpd.conf"; then
  echo "deploy.sh: release $n is broken; nothing was changed" >&2
  rm -r "$to/releases/$n"
  exit 1
fi
ln -sfn "releases/$n" "$to/current"
echo "release $n is current"
