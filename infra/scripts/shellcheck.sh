#!/bin/sh
# Checks every shell script of the repository.
#
# usage: infra/scripts/shellcheck.sh TARGET_DIR
set -eu

here=$(dirname "$0")
if command -v shellcheck >/dev/null; then
    shellcheck=shellcheck
elif bin=$("$here/venv.sh" "$1"); then
    shellcheck=$bin/shellcheck
else
    echo 'SKIP shellcheck: it is not in PATH and could not be installed (see above)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
git ls-files -z -- '*.sh' .ci/run | xargs -0 "$shellcheck" --external-sources
