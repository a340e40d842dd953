#!/bin/sh
# What the pipeline runs for each change: every site by itself, then all of them together. Needs no server, no network, and
# no certificate. PINION names the program, if it is not in the PATH.
set -eu
cd "$(dirname "$0")"
"${PINION:-pinion}" check --offline --strict conf/sites
"${PINION:-pinion}" check --offline conf/httpd.conf
