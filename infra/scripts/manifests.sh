#!/bin/sh
# Checks the style of every YAML file, and the Kubernetes manifests against the
# schemas of two versions.
#
# usage: infra/scripts/manifests.sh TARGET_DIR
set -eu

# The newest that the schemas know, and one that clusters may still run.
versions='1.33 1.37'

# Kinds that are not Kubernetes' own have no schema here; a test in
# tests/tests/manifests checks their fields.
without_schema='Kustomization|PodMonitor|ScaledObject|TriggerAuthentication'

here=$(dirname "$0")
if ! bin=$("$here/venv.sh" "$1" lint); then
    echo 'SKIP yamllint, kubernetes-validate: they could not be installed (see above)'
    [ -z "${CI:-}" ] || exit 1
    exit 0
fi

git ls-files -z -- '*.yaml' '*.yml' | xargs -0 "$bin/yamllint" --strict --config-file infra/yamllint.yaml

failed=0
for version in $versions; do
    # One file a call: it ends with the first one that is wrong.
    for file in infra/kubernetes/*.yaml infra/kubernetes/*/*.yaml; do
        said=$("$bin/kubernetes-validate" --strict --quiet --kubernetes-version "$version" "$file" 2>&1) ||
            failed=1
        unknown=$(printf '%s\n' "$said" | grep -Ev "^(WARN .* schema for kind ($without_schema) .*)?$" || true)
        [ -z "$unknown" ] || { echo "$unknown" >&2; failed=1; }
    done
done
exit "$failed"
