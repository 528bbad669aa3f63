#!/bin/sh
# Checks licences, sources, bans and known vulnerabilities of what we depend on.
#
# usage: infra/scripts/deny.sh TARGET_DIR
#
# CI builds cargo-deny where it is missing, which takes some minutes; for
# everybody else that is a SKIP.
set -eu

tools=$1/tools
PATH=$PATH:$tools/bin

if ! command -v cargo-deny >/dev/null; then
    if [ -z "${CI:-}" ]; then
        echo 'SKIP cargo-deny: not installed. Type: cargo install --locked cargo-deny'
        exit 0
    fi
    # A build of its own, so that it shares nothing with the one it checks.
    CARGO_TARGET_DIR=$tools/cargo-deny-build cargo install --locked --quiet --root "$tools" cargo-deny
    rm -rf "$tools/cargo-deny-build"
fi

cargo deny --all-features --locked check licenses bans sources

# The list of vulnerabilities lives on another site than the crates do, which
# not every place can reach. What it says counts; that it is silent does not.
if cargo deny --log-level off --all-features --locked fetch db >/dev/null 2>&1; then
    cargo deny --all-features --locked check --disable-fetch advisories
else
    echo 'SKIP advisories: their database could not be fetched'
fi
