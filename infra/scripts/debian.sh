# shellcheck shell=sh
# Unpacks packages of the distribution as the user who calls: nothing is
# installed, no service is started, nothing needs root. To be sourced.
#
#     unpack_into TREE     makes the folder TREE, whole or not at all
#
# The script that sources this defines
#
#     say TEXT…            tells the user
#     choose               prints the packages, as `apt apt-cache …` knows them
#     prune TREE           removes what nobody needs of what was unpacked
#     programs TREE        prints the programs and libraries that have to run
#     unneeded='A|B'       libraries that no program here needs, as a pattern

# Tells whether this is a machine whose packages can be unpacked.
has_packages() { command -v apt-get >/dev/null && command -v dpkg >/dev/null; }

# The folders below $1 with the shared libraries that were unpacked with it;
# nothing before that.
libraries() {
    [ -d "$1" ] || return 0
    find "$1/usr/lib" "$1/lib" -maxdepth 1 -name '*-linux-*' 2>/dev/null | paste -s -d: -
}

# The shared libraries that the programs in the tree $1 do not find.
missing() {
    programs "$1" | LD_LIBRARY_PATH=$(libraries "$1") xargs -r -d '\n' ldd 2>/dev/null |
        awk '/not found/ { print $1 }' | sort -u
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
        dpkg -x "$deb" "$part/tree" || return 1
        rm "$deb"
    done
    rm -rf "$part/tree/usr/share/doc" "$part/tree/usr/share/man" "$part/tree/usr/share/locale"
    prune "$part/tree"
}

unpack() {
    packages=$(choose) && [ -n "$packages" ] || return 1
    say "unpacking $packages into ${part%.part}"
    rm -rf "$part/tree" && mkdir -p "$part/tree" "$part/debs"
    # shellcheck disable=SC2086 # one word a package
    fetch $packages || return 1
    if [ -n "$(missing "$part/tree")" ]; then
        # What installing it would bring along: of that, the libraries.
        # shellcheck disable=SC2046,SC2086 # one word a package
        fetch $(apt apt-get install --simulate --no-install-recommends $packages |
            awk -v unneeded="^lib(c6|${unneeded:-c6})" \
                '/^Inst lib/ && $2 !~ unneeded { print $2 }') || return 1
    fi
    lacking=$(missing "$part/tree" | tr '\n' ' ')
    [ -z "$lacking" ] || { say "still missing: $lacking"; return 1; }
}

unpack_into() {
    part=$1.part
    trap 'rm -rf "$part"' EXIT
    trap 'exit 130' INT TERM
    rm -rf "$part"
    mkdir -p "$part"
    if ! unpack; then
        say 'trying again with fresh package lists of our own'
        own_lists=$part/apt
        mkdir -p "$own_lists/state/lists/partial" "$own_lists/cache/archives/partial"
        { apt apt-get update >&2 && unpack; } || return 1
    fi
    rm -rf "$1"
    mv "$part/tree" "$1"
}
