#!/bin/sh
# Makes the Python environment of the checks and prints its bin folder.
#
# usage: infra/scripts/venv.sh TARGET_DIR
#
# Ends with 1 and a reason on stderr where Python or the packages are not to
# be had; the caller decides whether that is a SKIP.
set -eu

here=$(dirname "$0")
venv=$1/venv

# Complete only when the list it was made from is the list of today.
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" >/dev/null 2>&1 && [ -x "$venv/bin/pip" ]; }; then
        echo 'no python3 with venv and pip (Debian: python3-venv)' >&2
        exit 1
    fi
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement "$here/requirements.txt" >&2; then
        echo 'pip could not install the packages' >&2
        exit 1
    fi
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi
echo "$venv/bin"
