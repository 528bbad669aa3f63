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
        echo 'SKIP cargo-deny: not installed. Type: cargo install --locked cargo-deny@0.20.2'
        exit 0
    fi
    # A build of its own, so that it shares nothing with the one it checks.
    CARGO_TARGET_DIR=$tools/cargo-deny-build cargo install --locked --quiet --root "$tools" cargo-deny@0.20.2
    rm -rf "$tools/cargo-deny-build"
fi

cargo deny --all-features --locked check licenses bans sources
cargo deny --manifest-path tests/fuzz/Cargo.toml --config deny.toml --locked check licenses bans sources

# The list of vulnerabilities lives on another site than the crates do, which
# not every place can reach. FLEET_ADVISORY_DB names a folder that was fetched
# elsewhere (`cargo deny fetch db` fills ~/.cargo/advisory-dbs); then nothing is
# asked of anybody.
databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
config=deny.toml
if [ -n "${FLEET_ADVISORY_DB:-}" ]; then
    databases=$FLEET_ADVISORY_DB
    config=$tools/deny.toml
    mkdir -p "$tools"
    awk -v path="$databases" '{ print } /^\[advisories\]/ { print "db-path = \"" path "\"" }' \
        deny.toml >"$config"
else
    cargo deny --log-level off --all-features --locked fetch db >/dev/null 2>&1 || true
fi
if [ -n "$(find "$databases" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | head -n 1)" ]; then
    cargo deny --all-features --config "$config" --locked --offline check advisories
else
    echo 'SKIP advisories: their database could not be fetched, and FLEET_ADVISORY_DB names none'
fi
