#!/bin/sh
# Makes sure that there are `prometheus` and `promtool`.
#
# usage: infra/scripts/prometheus.sh TARGET_DIR
#
# Prints the folder of the two: of PATH, else of Debian's package, unpacked into
# TARGET_DIR/tools. Ends with 1 and the line to type on stderr where neither is
# to be had; the caller decides whether that is a SKIP.
set -eu

if found=$(command -v promtool) && [ "$(command -v prometheus)" = "${found%/*}/prometheus" ]; then
    echo "${found%/*}"
elif tree=$("$(dirname "$0")/unpack.sh" "$1" prometheus prometheus); then
    echo "$tree/usr/bin"
else
    echo 'no prometheus and promtool in PATH. Type: sudo apt-get install prometheus' >&2
    exit 1
fi
