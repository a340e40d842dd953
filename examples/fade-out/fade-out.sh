#!/bin/sh
# Fades a member of a balancer out, takes it off, or brings it back, by an edit of the configuration.
#
#   fade-out.sh FILE ROUTE fade   status=+R: its sessions stay, it gets no new ones
#   fade-out.sh FILE ROUTE off    status=+D: it gets nothing more
#   fade-out.sh FILE ROUTE back   no status: as before
#
# The new file is checked before it takes the old one's place, in one step. PINION names the program, if it is not in the PATH.
set -eu
usage="usage: fade-out.sh FILE ROUTE fade|off|back"
file=${1:?$usage} route=${2:?$usage}
case ${3:?$usage} in
  fade) status=' status=+R' ;;
  off)  status=' status=+D' ;;
  back) status='' ;;
  *)    echo "$usage" >&2; exit 2 ;;
esac
line="^[[:space:]]*BalancerMember[[:space:]].*[[:space:]]route=$route\([[:space:]]\|\$\)"
grep -q "$line" "$file" || { echo "fade-out.sh: $file has no BalancerMember with route=$route" >&2; exit 1; }
new=$file.new
trap 'rm -f "$new"' EXIT
sed "/$line/{
  s/[[:space:]]*status=[^[:space:]]*//
  s/[[:space:]]*\$/$status/
}" "$file" >"$new"
"${PINION:-pinion}" -t -f "$new"
mv "$new" "$file"
