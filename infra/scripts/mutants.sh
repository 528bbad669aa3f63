#!/bin/sh
# Breaks the code in one place after the other and tells which breaks no test
# notices.
#
# usage: infra/scripts/mutants.sh TARGET_DIR [FILE…]
#
# FILEs are some of those below, which are all looked at if none is named. It
# fails when less than nine in ten mutants of a file are caught. Everything it
# writes, the copy of the tree that it breaks included, is below the target
# directory.
set -eu

caught_min_percent=90

# The decisions on which "nothing lost, nothing doubled" rests: when a message is
# deleted, when it comes back, whose it is, and whether its event is done.
files='
shared/fleet/src/consume/settlement.rs
shared/fleet/src/service/retry.rs
shared/fleet/src/consume/lease/mod.rs
shared/fleet/src/consume/lease/book.rs
shared/fleet/src/consume/lease/keeper.rs
shared/fleet/src/consume/acknowledger.rs
shared/fleet/src/consume/batch.rs
shared/fleet/src/store/postgres/inbox.rs
shared/fleet/src/consume/outcome.rs
shared/fleet/src/consume/settle.rs
shared/fleet/src/store/memory.rs
shared/fleet/src/store/memory/transaction.rs
'

root=$PWD
target=$1
shift
tools=$target/tools
tree=$target/mutants/tree
out=$target/mutants/out
PATH=$PATH:$tools/bin

if ! command -v cargo-mutants >/dev/null; then
    # A build of its own, so that it shares nothing with the one it tests.
    CARGO_TARGET_DIR=$tools/cargo-mutants-build cargo install --locked --quiet --root "$tools" cargo-mutants
    rm -rf "$tools/cargo-mutants-build"
fi

# Says which tests look at a file: targets, and names of tests. Each mutant that
# lives waits for all of them, so only those stand here that have to do with it.
choose_tests() {
    case $1 in
    */service/retry.rs) targets=--lib names=service::retry:: ;;
    */consume/settlement.rs) targets=--lib names=consume::settlement:: ;;
    */consume/outcome.rs)
        targets='--lib --test=consume_suite' names='consume::outcome:: outcomes:: records:: outages::'
        ;;
    */consume/lease/book.rs) targets=--lib names=consume::lease:: ;;
    */consume/lease/*) targets=--test=consume_suite names='leases:: shutdown::' ;;
    */consume/acknowledger.rs | */consume/batch.rs)
        targets=--test=consume_suite names='acknowledgements:: records:: shutdown:: flow::'
        ;;
    */consume/settle.rs) targets=--test=consume_suite names= ;;
    */store/postgres/inbox.rs) targets=--test=store_suite names='conformance::postgres:: postgres::' ;;
    */store/memory*)
        targets='--test=store_suite --test=consume_suite' names='conformance::memory:: outcomes:: outages::'
        ;;
    *)
        echo "mutants: no tests are known for $1" >&2
        exit 2
        ;;
    esac
}

# Incremental, and without debug information: what a mutant costs is the build. In
# a folder of its own: cargo does not tell the copy's builds from the tree's, and
# would hand out a mutant as the tree's next test.
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=false
export CARGO_TARGET_DIR="$target/mutants/target"

# Copied with new times: of an earlier run that was killed cargo may have built
# a mutant, and must not take it for the original.
rm -rf "$tree"
mkdir -p "$tree" "$out"
git ls-files -co --exclude-standard | while read -r file; do
    [ ! -f "$file" ] || printf '%s\n' "$file"
done | tar -cf - -T - | tar -xmf - -C "$tree"
cd "$tree"

# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $files

# Builds with your environment, which may name a proxy for downloads.
cargo test --locked -p sqs-fleet --features testing --lib --test consume_suite --test store_suite --no-run

# Counts the lines of a list of mutants.
count() { wc -l <"$1" | tr -d ' '; }

failed=0
report=$target/mutants/report.txt
printf '%-44s %7s %7s %8s %7s %8s %8s\n' file viable caught timeout missed percent seconds >"$report"
for file in "$@"; do
    choose_tests "$file"
    results=$out/$(echo "${file#shared/fleet/src/}" | tr / -)
    began=$(date +%s)
    # Its status says the same as its lists, but for a build or tests that fail unbroken.
    status=0
    # shellcheck disable=SC2046,SC2086 # words
    "$root"/infra/scripts/clean-env.sh cargo mutants --in-place --package sqs-fleet --file "$file" \
        --output "$results" --no-times --colors never \
        $(printf -- '--cargo-arg=%s ' --locked --offline $targets) -- -- $names || status=$?
    case $status in
    0 | 2 | 3) ;;
    *) echo "mutants: cargo-mutants gave up on $file ($status)" >&2; exit 1 ;;
    esac
    lists=$results/mutants.out
    caught=$(count "$lists/caught.txt")
    timeout=$(count "$lists/timeout.txt")
    missed=$(count "$lists/missed.txt")
    viable=$((caught + timeout + missed))
    percent=100
    [ "$viable" -eq 0 ] || percent=$(((caught + timeout) * 100 / viable))
    [ "$percent" -ge "$caught_min_percent" ] || failed=1
    printf '%-44s %7d %7d %8d %7d %7d%% %8d\n' "${file#shared/fleet/src/}" \
        "$viable" "$caught" "$timeout" "$missed" "$percent" "$(($(date +%s) - began))" >>"$report"
done

echo
cat "$report"
for file in "$@"; do
    cat "$out/$(echo "${file#shared/fleet/src/}" | tr / -)/mutants.out/missed.txt"
done
exit "$failed"
