#!/bin/sh
# Checks the bill of materials: it is CycloneDX, and lists exactly what ships.
#
# usage: infra/scripts/sbom.sh TARGET_DIR
set -eu

here=$(dirname "$0")
bill=$1/sbom/fleet-workers.cdx.json

if ! command -v python3 >/dev/null || ! python3 -c 'import tomllib' 2>/dev/null; then
    echo 'SKIP sbom: no python3 of 3.11 or newer'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
python3 -B "$here/sbom.py" "$bill"

# Asked once more, and in another way than the bill was made.
shipped=$(mktemp)
listed=$(mktemp)
trap 'rm -f "$shipped" "$listed"' EXIT
"${CARGO:-cargo}" tree --locked -p fleet-workers --no-default-features -e normal --prefix none |
    awk 'NF { sub(/^v/, "", $2); print "pkg:cargo/" $1 "@" $2 }' | sort -u >"$shipped"
python3 -B -c '
import json, sys
bill = json.load(open(sys.argv[1], encoding="utf-8"))
for one in [bill["metadata"]["component"], *bill["components"]]:
    print(one["purl"])
' "$bill" | sort >"$listed"
diff -u "$shipped" "$listed"

if ! bin=$("$here/venv.sh" "$1" sbom); then
    echo 'SKIP sbom: its schema could not be installed (see above)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
"$bin/python" -B -c '
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = open(sys.argv[1], encoding="utf-8").read()
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
sys.exit(f"{sys.argv[1]}: {error}" if error else 0)
' "$bill"
