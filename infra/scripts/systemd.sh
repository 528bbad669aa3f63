#!/bin/sh
# Checks the units of systemd, and how much they let their processes do.
#
# usage: infra/scripts/systemd.sh
set -eu

# Of 100: what is left is a network without a list of addresses, which SQS does
# not have, and a process that may read what is no secret.
exposure_max=15

if ! command -v systemd-analyze >/dev/null; then
    echo 'SKIP systemd units: no systemd-analyze in PATH (Debian: systemd)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
# The program need not be installed here, but has to be executable.
sed "s|^ExecStart=/usr/local/bin/fleet|ExecStart=$(command -v env) fleet|" \
    infra/systemd/fleet-relay.service >"$units/fleet-relay.service"
sed "s|^ExecStart=/usr/local/bin/fleet|ExecStart=$(command -v env) fleet|" \
    infra/systemd/fleet-run@.service >"$units/fleet-run@billing.service"
for unit in "$units"/*.service; do
    systemd-analyze verify --man=no "$unit"
    if ! said=$(systemd-analyze security --offline=true --threshold="$exposure_max" --no-pager "$unit"); then
        echo "$said" >&2
        exit 1
    fi
done
