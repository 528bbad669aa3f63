#!/bin/sh
# Checks the rules of Prometheus and the dashboard; their tests are of `make test`.
#
# usage: infra/scripts/prometheus-check.sh TARGET_DIR
set -eu

if bin=$(infra/scripts/prometheus.sh "$1"); then
    "$bin/promtool" check config --lint-fatal infra/prometheus/prometheus.yml
else
    echo 'SKIP prometheus: it is not in PATH and could not be unpacked (see above)'
    [ -z "${CI:-}" ] || exit 1
fi

if command -v python3 >/dev/null; then
    python3 -B infra/grafana/fleet.py --check
else
    echo 'SKIP dashboard: no python3'
    [ -z "${CI:-}" ] || exit 1
fi
