#!/bin/sh
# Checks the compose file against the schema of the compose specification, and
# the routes of alerts with Alertmanager's own tool.
#
# usage: infra/scripts/compose.sh TARGET_DIR
set -eu

here=$(dirname "$0")
if ! { bin=$("$here/venv.sh" "$1" lint) &&
    tree=$("$here/unpack.sh" "$1" compose docker-compose prometheus-alertmanager); }; then
    echo 'SKIP compose file, alert routes: their checkers are not to be had (see above)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi
schema=$(find "$tree" -name compose_spec.json)
# With its anchors followed and its merges made. A name of the whole came later
# than the schema.
"$bin/python" -B - infra/compose.yaml "$schema" <<'PYTHON'
import json, sys
import jsonschema, yaml

instance = yaml.safe_load(open(sys.argv[1]))
instance.pop("name")
schema = json.load(open(sys.argv[2]))
errors = list(jsonschema.Draft7Validator(schema).iter_errors(instance))
for error in errors:
    print("/".join(map(str, error.absolute_path)), error.message, sep=": ", file=sys.stderr)
sys.exit(bool(errors))
PYTHON
"$tree/usr/bin/amtool" check-config infra/compose/alertmanager.yml >/dev/null
