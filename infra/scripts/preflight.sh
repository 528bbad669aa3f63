#!/bin/sh
# Checks what a build needs before it starts, and says what to do about it.
#
# usage: infra/scripts/preflight.sh TARGET_DIR
set -eu

# What the AWS SDK asks for.
rust_min=1.94.1
# A debug build with tests, a quick one and a release one side by side.
disk_min_gb=15

target=$1
failed=0
fail() {
    echo "preflight: $1" >&2
    shift
    for line in "$@"; do echo "    $line" >&2; done
    failed=1
}

# Tells whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    # shellcheck disable=SC2016 # for the reader to type
    fail 'no cargo and rustc in PATH. Install Rust, or type if it is installed:' \
        '. "$HOME/.cargo/env"' 'see https://rustup.rs'
else
    rust=$(rustc --version | cut -d' ' -f2)
    # A nightly of the same number will do.
    at_least "${rust%%-*}" "$rust_min" ||
        fail "rustc is $rust, but $rust_min or newer is needed. Type:" 'rustup update stable'
fi

if ! command -v cc >/dev/null; then
    fail 'no C compiler (cc) in PATH, which links every Rust program. Type:' \
        'sudo apt-get install --no-install-recommends gcc libc6-dev'
fi

# The nearest folder that exists; what an earlier build fills counts as free.
folder=$target
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
free_kb=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
built_kb=0
[ ! -d "$target" ] || built_kb=$(du -sk "$target" 2>/dev/null | cut -f1)
if [ $(((free_kb + built_kb) / 1048576)) -lt "$disk_min_gb" ]; then
    fail "$folder has $((free_kb / 1048576)) GB free, but a build needs up to $disk_min_gb GB." \
        'Free some, or build elsewhere: CARGO_TARGET_DIR=/other/disk/target make …'
fi

exit "$failed"
