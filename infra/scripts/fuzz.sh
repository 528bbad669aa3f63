#!/bin/sh
# Checks or builds the fuzz targets, or runs each of them so many times.
#
# usage: infra/scripts/fuzz.sh TARGET_DIR check
#        infra/scripts/fuzz.sh TARGET_DIR build
#        infra/scripts/fuzz.sh TARGET_DIR RUNS [TARGET…]
#
# SEED repeats a run from the committed inputs alone; without it each goes on from
# what the ones before have kept. All of that is below the target directory: inputs
# that reach new code in fuzzing/corpus, those that end in a finding in fuzzing/findings.
set -eu

tests=$(cd "$(dirname "$0")/../../tests/fuzz" && pwd)
target=$1
runs=$2
shift 2

# libFuzzer is C++.
if ! command -v "${CXX:-c++}" >/dev/null; then
    echo 'SKIP fuzz: no C++ compiler (c++) in PATH. Type: sudo apt-get install --no-install-recommends g++'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

# Bytes of an input: the longest golden message twice.
length_max=4096
# Seconds of one execution, and MiB of the process: far more than any needs.
seconds_max=20
memory_max_mb=2048

# Naming the host keeps the instrumentation out of build scripts and macros.
host=$(rustc -vV | sed -n 's/^host: //p')
programs=$target/$host/fuzz
found=$target/fuzzing
cargo=${CARGO:-cargo}

# What cargo-fuzz asks the compiler for, without a sanitizer: `unsafe` is
# forbidden here, so that there is no memory to be wrong about.
build() {
    flags='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
    for feature in inline-8bit-counters pc-table trace-compares; do
        flags="$flags -Cllvm-args=-sanitizer-coverage-$feature"
    done
    CARGO_TARGET_DIR=$target RUSTFLAGS=$flags "$cargo" build --profile fuzz \
        --target "$host" --manifest-path "$tests/Cargo.toml" --bins --locked
}

fuzz() {
    name=$1
    log=$found/$name.log
    kept=$found/corpus/$name
    if [ -n "${SEED:-}" ]; then
        kept=$found/seeded/$name
        rm -rf "$kept"
    fi
    mkdir -p "$kept" "$found/findings"
    case $name in
    sqs_request) words=requests ;;
    *) words=messages ;;
    esac
    set -- -runs="$runs" -max_len="$length_max" -timeout="$seconds_max" \
        -rss_limit_mb="$memory_max_mb" -dict="$tests/dictionaries/$words.dict" \
        -artifact_prefix="$found/findings/$name-" ${SEED:+"-seed=$SEED"}
    if ! "$programs/$name" "$@" "$kept" "$tests/corpus/$name" >"$log" 2>&1; then
        grep -aE -A 8 'panicked at|^==[0-9]+== ?ERROR|Test unit written' "$log" | head -n 40
        echo "$name: FINDING; the whole log is $log"
        return 1
    fi
    # "cov: 3705" stands in the latest lines, "Done 20000 runs in 5 second(s)" is the last.
    awk -v name="$name" '
        match($0, / cov: [0-9]+ /) { edges = substr($0, RSTART + 6, RLENGTH - 7) }
        /^Done / { runs = $2; seconds = $5 }
        END {
            printf "%s: %d executions in %d s (%d a second), %d edges, no finding\n",
                name, runs, seconds, runs / (seconds ? seconds : 1), edges
        }' "$log"
}

# Their format and lints.
check() {
    "$cargo" fmt --manifest-path "$tests/Cargo.toml" --check
    CARGO_TARGET_DIR=$target "$cargo" clippy --manifest-path "$tests/Cargo.toml" \
        --all-targets --locked -- -D warnings
}

case $runs in
check) check ;;
build) build ;;
*)
    if [ "$#" -eq 0 ]; then
        # shellcheck disable=SC2046 # one word a target
        set -- $(cd "$tests/corpus" && ls)
    fi
    failed=0
    for name; do fuzz "$name" || failed=1; done
    exit "$failed"
    ;;
esac
