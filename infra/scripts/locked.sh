#!/bin/sh
# Checks that nothing is built with other versions than those of Cargo.lock.
#
# usage: infra/scripts/locked.sh TARGET_DIR
set -eu

# Every call of cargo that chooses versions, comments left out.
commands='(build|test|run|check|clippy|doc|bench|rustc|install|tree|metadata|deny)'
loose=$(git ls-files -z -- Makefile .ci infra '*Dockerfile*' |
    xargs -0 grep -nE "(^|[^a-z-])(cargo|\\\$\(CARGO\)|\\\$\{CARGO:-cargo\}\") +$commands( |\$)" |
    grep -vE '^[^:]+:[0-9]+: *(#|//|echo |say )|--locked|SKIP|\.md:' || true)
if [ -n "$loose" ]; then
    echo 'without --locked:' >&2
    echo "$loose" >&2
    exit 1
fi
