#!/bin/sh
# Runs `fleet dev` and a Prometheus that watches it, until Ctrl-C.
#
# usage: infra/scripts/observe.sh FLEET TARGET_DIR
#
# FLEET is the program. The rules are those of infra/prometheus as they are, so an
# alert takes its time. Prometheus listens on a free port of loopback and keeps
# nothing.
set -eu

fleet=$1
bin=$("$(dirname "$0")/prometheus.sh" "$2")
rules=$(cd "$(dirname "$0")/../prometheus" && pwd)

folder=$(mktemp -d)
dev='' watcher='' status=0

# Ends what runs, waits for it, and leaves nothing.
end() {
    trap '' INT TERM HUP
    for process in $watcher $dev; do kill -TERM "$process" 2>/dev/null || true; done
    [ -z "$watcher" ] || wait "$watcher" || true
    [ -z "$dev" ] || wait "$dev" || status=$?
    rm -rf "$folder"
    exit "$status"
}
trap end INT TERM HUP

# Each in a session of its own: a terminal's Ctrl-C comes here alone, and each is
# told once. A second signal would end `dev` before it has cleaned up.
mkfifo "$folder/said"
setsid "$fleet" dev >"$folder/said" &
dev=$!
exec 3<"$folder/said"

metrics=''
while [ -z "$metrics" ] && read -r line <&3; do
    printf '%s\n' "$line"
    metrics=$(printf '%s\n' "$line" | sed -n 's|^probes, metrics *http://\([0-9.:]*\)$|\1|p')
done
if [ -z "$metrics" ]; then
    echo 'observe: fleet dev ended without an address' >&2
    end
fi

sed -e "s|127\.0\.0\.1:9464|$metrics|" -e "s|^  - \(.*\.yml\)$|  - $rules/\1|" \
    "$rules/prometheus.yml" >"$folder/prometheus.yml"
setsid "$bin/prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
    --web.listen-address=127.0.0.1:0 2>"$folder/log" &
watcher=$!

# It says where it listens and that it is ready, or why not.
address=''
while [ -z "$address" ] && kill -0 "$watcher" 2>/dev/null; do
    if grep -q 'Server is ready' "$folder/log"; then
        address=$(sed -n 's|^.*"Listening on" address=\([0-9.:]*\).*$|\1|p' "$folder/log" | head -n 1)
    else
        sleep 0.1
    fi
done
if [ -z "$address" ]; then
    cat "$folder/log" >&2
    end
fi
echo "Prometheus        http://$address/alerts"

# What else `dev` says; it ends when Ctrl-C ends it, or by itself.
cat <&3 &
wait "$dev" || status=$?
dev=''
end
