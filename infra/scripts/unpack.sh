#!/bin/sh
# Unpacks Debian packages into a folder of the target directory, and prints it.
#
# usage: infra/scripts/unpack.sh TARGET_DIR NAME PACKAGE…
#
# The folder is TARGET_DIR/tools/NAME. The packages come with the shared
# libraries that their programs do not find on this machine; a program that
# needs one is started with LD_LIBRARY_PATH=TREE/usr/lib/x86_64-linux-gnu, or
# what its machine is called. Other packages that they depend on are to be named
# as well. Nothing is installed, nothing needs root. Ends with 1 and a reason on
# stderr where they are not to be had; the caller decides whether that is a SKIP.
set -eu

case $1 in
/*) target=$1 ;;
*) target=$PWD/$1 ;;
esac
name=$2
shift 2
wanted=$*

say() { echo "$name: $*" >&2; }

# What debian.sh wants to know.
choose() { echo "$wanted"; }

prune() { :; }

programs() {
    find "$1" -type f \( -path '*/bin/*' -o -path '*/sbin/*' -o -name '*.so' -o -name '*.so.*' \)
}

# shellcheck source=infra/scripts/debian.sh
. "$(dirname "$0")/debian.sh"

tree=$target/tools/$name
# Whole only with the list of the packages that it was made of.
if [ "$(cat "$tree/.packages" 2>/dev/null)" != "$wanted" ]; then
    has_packages || { say 'no apt-get and dpkg to unpack it with'; exit 1; }
    mkdir -p "$target/tools"
    unpack_into "$tree" || { say "could not unpack $wanted"; exit 1; }
    echo "$wanted" >"$tree/.packages"
fi
echo "$tree"
