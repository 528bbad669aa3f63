#!/bin/sh
# Looks after one private Postgres cluster for as long as its owner lives.
#
# usage: sh -c SCRIPT supervise TEMP_DIR [postgres option…]
#
# The owner writes one command a line to stdin and holds that pipe open. Each
# command is answered by lines `log …` and then `done` or `failed`. When the
# pipe closes, by whatever death of the owner, Postgres is stopped and the
# directory removed. Everything in it is thrown away, so no checkpoint is made.
set -u
umask 077

# How long a starting postmaster may take: 1500 looks, 20 ms apart, are 30 s.
looks_max=1500

temp=$1
shift
programs='' libraries='' postmaster=''

crash() {
    if [ -n "$postmaster" ]; then
        # Immediate shutdown: Postgres kills what is left after 5 s by itself.
        kill -QUIT "$postmaster" 2>/dev/null
        wait "$postmaster"
        postmaster=''
    fi
}

clean() {
    trap '' HUP INT TERM
    crash
    cd / && rm -rf "$dir"
}

answer() {
    if [ "$1" -eq 0 ]; then
        echo 'done'
    else
        tail -n 20 "$dir/log" 2>/dev/null | sed 's/^/log /'
        echo 'failed'
    fi
}

initialise() {
    LD_LIBRARY_PATH=$libraries "$programs/initdb" --pgdata="$dir/data" --username=fleet \
        --pwfile="$dir/password" --auth=scram-sha-256 --encoding=UTF8 --locale="$1" \
        --no-sync --no-instructions >"$dir/log" 2>&1 </dev/null
}

ready() {
    looks=0
    while [ "$looks" -lt "$looks_max" ]; do
        # Running these two also reaps a postmaster that has died.
        grep -q '^ready' "$dir/data/postmaster.pid" 2>/dev/null && return 0
        sleep 0.02
        kill -0 "$postmaster" 2>/dev/null || return 1
        looks=$((looks + 1))
    done
    echo 'not ready after 30 s' >>"$dir/log"
    kill -QUIT "$postmaster" 2>/dev/null
    return 1
}

# Where the temporary directory is closed to this user, /tmp is not.
dir=$(mktemp -d "$temp/fleet-pg-XXXXXX" 2>/dev/null || mktemp -d /tmp/fleet-pg-XXXXXX) || exit 1
trap clean EXIT
trap 'exit 0' HUP INT TERM
# An owner that is gone cannot read the answer, which is no reason to stop here.
trap '' PIPE
echo "$dir"

while read -r verb argument; do
    case $verb in
    programs)
        programs=$argument
        answer 0
        ;;
    libraries)
        libraries=$argument
        answer 0
        ;;
    init)
        # By the builtin, so that no process list shows it.
        printf '%s\n' "$argument" >"$dir/password"
        initialise C.UTF-8 || { rm -rf "$dir/data" && initialise C; }
        result=$?
        rm -f "$dir/password"
        answer "$result"
        ;;
    start)
        LD_LIBRARY_PATH=$libraries "$programs/postgres" -D "$dir/data" -p "$argument" "$@" \
            >"$dir/log" 2>&1 </dev/null &
        postmaster=$!
        ready
        result=$?
        if [ "$result" -ne 0 ]; then
            wait "$postmaster"
            postmaster=''
        fi
        answer "$result"
        ;;
    crash)
        crash
        answer 0
        ;;
    esac
done
