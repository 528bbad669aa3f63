#!/bin/sh
# Makes a Python environment of the checks and prints its bin folder.
#
# usage: infra/scripts/venv.sh TARGET_DIR [NAME]
#
# NAME is the list infra/scripts/requirements-NAME.txt; without it, the list of
# the tests. Each list has an environment of its own, so that what one tool pins
# does not hold another back. Ends with 1 and a reason on stderr where Python or
# the packages are not to be had; the caller decides whether that is a SKIP.
set -eu

here=$(dirname "$0")
name=${2:+-$2}
list=$here/requirements$name.txt
venv=$1/venv$name

# Complete only when the list it was made from is the list of today.
if ! cmp -s "$list" "$venv/requirements.txt"; then
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" >/dev/null 2>&1 && [ -x "$venv/bin/pip" ]; }; then
        echo 'no python3 with venv and pip (Debian: python3-venv)' >&2
        exit 1
    fi
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$list" >&2; then
        echo 'pip could not install the packages' >&2
        exit 1
    fi
    cp "$list" "$venv/requirements.txt"
fi
echo "$venv/bin"
