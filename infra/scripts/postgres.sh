#!/bin/sh
# Makes sure that there is a Postgres to run a private cluster with.
#
# usage: infra/scripts/postgres.sh [TARGET_DIR]
#
# Prints the folder of its programs. Looks at FLEET_PG_BIN, PATH, pg_config,
# /usr/lib/postgresql and at what it unpacked before; else unpacks the
# distribution's package into TARGET_DIR/tools, as the user who calls it:
# nothing is installed, no service is started. Else prints the line to type.
# fleet::testing::cluster looks in the same places by itself.
set -eu

major_min=14
target=${1:-target}
case $target in
/*) ;;
*) target=$PWD/$target ;;
esac
tree=$target/tools/postgresql

say() { echo "postgres: $*" >&2; }

# shellcheck source=infra/scripts/debian.sh
. "$(dirname "$0")/debian.sh"

# Tells whether the folder $1 holds programs that run and are new enough.
usable() {
    [ -x "$1/postgres" ] && [ -x "$1/initdb" ] || return 1
    version=$(LD_LIBRARY_PATH=$(libraries "$tree") "$1/postgres" --version 2>/dev/null) || return 1
    major=$(printf '%s\n' "$version" | sed -n 's/^.*(PostgreSQL) \([0-9]*\).*$/\1/p')
    [ "${major:-0}" -ge "$major_min" ]
}

locate() {
    if [ -n "${FLEET_PG_BIN:-}" ]; then
        usable "$FLEET_PG_BIN" && echo "$FLEET_PG_BIN" && return 0
        say "FLEET_PG_BIN=$FLEET_PG_BIN holds no Postgres $major_min or newer"
        exit 1
    fi
    {
        echo "$PATH" | tr : '\n' | grep '^/'
        pg_config --bindir 2>/dev/null || true
        printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
        printf '%s\n' "$tree"/usr/lib/postgresql/*/bin | sort -rV
    } | while read -r bin; do
        if usable "$bin"; then
            echo "$bin"
            break
        fi
    done
}

# What debian.sh wants to know.
choose() {
    package=$(apt apt-cache pkgnames postgresql- | grep -E '^postgresql-[0-9]+$' |
        sort -t- -k2 -n | tail -n 1)
    [ -n "$package" ] && [ "${package#postgresql-}" -ge "$major_min" ] || return 1
    echo "$package"
}

# Only what a cluster needs stays. The just-in-time compiler is off, and it alone
# would bring 100 MB of LLVM along.
prune() {
    rm -rf "$1"/usr/lib/postgresql/*/lib/bitcode "$1"/usr/lib/postgresql/*/lib/llvmjit*
}
# shellcheck disable=SC2034 # for debian.sh
unneeded='llvm|z3'

programs() {
    find "$1/usr/lib/postgresql" -type f \( -name postgres -o -name initdb -o -name '*.so' \)
}

install_line() {
    sudo='sudo '
    [ "$(id -u)" -ne 0 ] || sudo=''
    if command -v apt-get >/dev/null; then
        echo "${sudo}apt-get install --no-install-recommends postgresql"
    elif command -v dnf >/dev/null; then
        echo "${sudo}dnf install postgresql-server"
    elif command -v apk >/dev/null; then
        echo "${sudo}apk add postgresql16"
    elif command -v brew >/dev/null; then
        echo 'brew install postgresql@17'
    else
        echo 'see https://www.postgresql.org/download/'
    fi
}

bin=$(locate)
if [ -n "$bin" ]; then
    echo "$bin"
    exit 0
fi

if has_packages && mkdir -p "$target/tools" && unpack_into "$tree"; then
    bin=$(locate)
fi

if [ -z "$bin" ]; then
    say "found no Postgres $major_min or newer, and could not unpack one. Type:"
    say "    $(install_line)"
    exit 1
fi
echo "$bin"
