#!/bin/sh
# Makes sure that there are `umoci` and `runc`, which make an image and run it
# without a daemon.
#
# usage: infra/scripts/containers.sh TARGET_DIR
#
# Prints the folder of the two: of PATH, else of Debian's packages, unpacked into
# TARGET_DIR/tools. Ends with 1 and the line to type on stderr where neither is
# to be had; the caller decides whether that is a SKIP.
set -eu

if found=$(command -v umoci) && [ "$(command -v runc)" = "${found%/*}/runc" ]; then
    echo "${found%/*}"
elif tree=$("$(dirname "$0")/unpack.sh" "$1" containers umoci runc); then
    echo "$tree/usr/bin"
else
    echo 'no umoci and runc in PATH. Type: sudo apt-get install umoci runc' >&2
    exit 1
fi
