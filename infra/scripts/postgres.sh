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

# Tells whether the folder $1 holds programs that run and are new enough.
usable() {
    [ -x "$1/postgres" ] && [ -x "$1/initdb" ] || return 1
    version=$(LD_LIBRARY_PATH=$(libraries) "$1/postgres" --version 2>/dev/null) || return 1
    major=$(printf '%s\n' "$version" | sed -n 's/^.*(PostgreSQL) \([0-9]*\).*$/\1/p')
    [ "${major:-0}" -ge "$major_min" ]
}

# The shared libraries that were unpacked with it; nothing before that.
libraries() {
    [ -d "$tree" ] || return 0
    find "$tree/usr/lib" "$tree/lib" -maxdepth 1 -name '*-linux-*' 2>/dev/null | paste -s -d: -
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

# apt-get with lists of our own after the first failure: on a fresh machine
# the system's are empty or stale, and updating them would need root.
own_lists=''
apt() {
    tool=$1
    shift
    set -- -q "$@"
    # As root apt drops to a user who may not enter this directory.
    [ "$(id -u)" -ne 0 ] || set -- -o APT::Sandbox::User=root "$@"
    if [ -n "$own_lists" ]; then
        set -- -o "Dir::State=$own_lists/state" -o "Dir::Cache=$own_lists/cache" \
            -o Dir::State::status=/var/lib/dpkg/status -o Debug::NoLocking=1 "$@"
    fi
    "$tool" "$@"
}

# Downloads the packages given and unpacks them into the folder $part.
fetch() {
    (cd "$part/debs" && apt apt-get download "$@" >&2) || return 1
    for deb in "$part"/debs/*.deb; do
        dpkg -x "$deb" "$part/tree"
        rm "$deb"
    done
}

# The shared libraries that the unpacked programs do not find.
missing() {
    find "$part/tree/usr/lib/postgresql" -type f \( -name postgres -o -name initdb -o -name '*.so' \) \
        -exec env LD_LIBRARY_PATH="$(tree=$part/tree libraries)" ldd {} + 2>/dev/null |
        awk '/not found/ { print $1 }' | sort -u
}

unpack() {
    package=$(apt apt-cache pkgnames postgresql- | grep -E '^postgresql-[0-9]+$' |
        sort -t- -k2 -n | tail -n 1)
    [ -n "$package" ] && [ "${package#postgresql-}" -ge "$major_min" ] || return 1
    say "unpacking $package into $tree"
    rm -rf "$part/tree" && mkdir -p "$part/tree" "$part/debs"
    fetch "$package" || return 1
    # Only what a cluster needs. The just-in-time compiler is off, and it alone
    # would bring 100 MB of LLVM along.
    rm -rf "$part/tree/usr/share/doc" "$part/tree/usr/share/man" "$part/tree/usr/share/locale" \
        "$part/tree"/usr/lib/postgresql/*/lib/bitcode "$part/tree"/usr/lib/postgresql/*/lib/llvmjit*
    if [ -n "$(missing)" ]; then
        # What installing it would bring along: of that, the libraries.
        # shellcheck disable=SC2046 # one word a package
        fetch $(apt apt-get install --simulate --no-install-recommends "$package" |
            awk '/^Inst lib/ && !/^Inst lib(c6|llvm|z3)/ { print $2 }') || return 1
        rm -rf "$part/tree/usr/share/doc" "$part/tree/usr/share/man" "$part/tree/usr/share/locale"
    fi
    lacking=$(missing | tr '\n' ' ')
    [ -z "$lacking" ] || { say "still missing: $lacking"; return 1; }
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

if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    mkdir -p "$target/tools"
    part=$tree.part
    rm -rf "$part"
    trap 'rm -rf "$part"' EXIT
    trap 'exit 130' INT TERM
    mkdir -p "$part"
    if ! unpack; then
        say 'trying again with fresh package lists of our own'
        own_lists=$part/apt
        mkdir -p "$own_lists/state/lists/partial" "$own_lists/cache/archives/partial"
        apt apt-get update >&2 && unpack || true
    fi
    if [ -d "$part/tree/usr/lib/postgresql" ] && [ -z "$(missing)" ]; then
        rm -rf "$tree"
        mv "$part/tree" "$tree"
        bin=$(locate)
    fi
fi

if [ -z "$bin" ]; then
    say "found no Postgres $major_min or newer, and could not unpack one. Type:"
    say "    $(install_line)"
    exit 1
fi
echo "$bin"
