#!/bin/sh
# Checks licences, sources, bans and known vulnerabilities of what we depend on.
#
# usage: infra/scripts/deny.sh
set -eu

if ! command -v cargo-deny >/dev/null; then
    # Building it takes longer than the rest of `make check`, so CI images that
    # want this check bring it along.
    echo 'SKIP cargo-deny: not installed. Type: cargo install --locked cargo-deny'
    exit 0
fi
cargo deny --all-features check
