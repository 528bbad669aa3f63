#!/bin/sh
# Runs the suite that drives sqs-local with boto3, the SDK of Python.
#
# usage: infra/scripts/boto3.sh TARGET_DIR
set -eu

here=$(dirname "$0")
suite=tests/boto3
[ -d "$suite" ] || exit 0

if ! bin=$("$here/venv.sh" "$1"); then
    echo 'SKIP boto3: its packages could not be installed (see above)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
# Of the whole workspace, so that what the Rust tests built serves here too.
CARGO_TARGET_DIR=$1 cargo build --locked --workspace --bin sqs-local
SQS_LOCAL=$1/debug/sqs-local
export SQS_LOCAL
exec "$here/clean-env.sh" "$bin/python" -B -m unittest discover -s "$suite"
