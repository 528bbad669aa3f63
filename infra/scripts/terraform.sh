#!/bin/sh
# Checks the Terraform modules without a network: format, validity, tests.
#
# usage: infra/scripts/terraform.sh TARGET_DIR
#
# A stand-in of our own takes the place of the provider hashicorp/aws
# (infra/terraform/stub), so this proves how things are wired, not that AWS
# takes them. Works on a copy below TARGET_DIR, with a configuration of its own
# that knows no registry: neither the sources nor the user's state are touched.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=$here/../terraform
target=$(mkdir -p "$1" && cd "$1" && pwd)
work=$target/terraform
# The oldest that the modules allow; it must fit their versions.tf.
version=6.8.0

skip() {
    echo "SKIP terraform: $1"
    [ -z "${CI:-}" ] || exit 1
    exit 0
}

command -v terraform >/dev/null ||
    skip 'not in PATH. Install 1.9 or newer from your distribution or its maker'
bin=$("$here/venv.sh" "$target" terraform) ||
    skip 'the package for the stand-in of the provider could not be installed (see above)'

# Nobody's plugins, credentials, variables or logs.
for name in $(env | sed -n 's/^\(TF_[A-Za-z0-9_]*\)=.*$/\1/p'); do unset "$name"; done
export TF_CLI_CONFIG_FILE="$work/cli.tfrc" TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 HOME="$work/home"

rm -rf "$work"
mkdir -p "$HOME"
cp -R "$source/modules" "$source/examples" "$work"
cat >"$TF_CLI_CONFIG_FILE" <<END
disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path = "$work/mirror"
  }
}
END

terraform fmt -check -diff -recursive "$source"

# Where a mirror keeps a provider depends on the registry it would come from
# and on the platform; terraform itself tells both.
address=$(terraform -chdir="$work/modules/queue" providers |
    sed -n 's|^.*provider\[\(.*/hashicorp/aws\)\].*$|\1|p' | head -n 1)
platform=$(terraform version -json | sed -n 's/^ *"platform": "\(.*\)",*$/\1/p')
stand_in=$work/mirror/$address/$version/$platform/terraform-provider-aws_v$version
mkdir -p "$(dirname "$stand_in")"
cat >"$stand_in" <<END
#!/bin/sh
exec "$bin/python" -B "$source/stub/provider.py" "\$@"
END
chmod +x "$stand_in"

for folder in "$work"/modules/* "$work"/examples/*; do
    echo "terraform: ${folder#"$work"/}"
    terraform -chdir="$folder" init -backend=false -input=false >"$work/init.log" ||
        { cat "$work/init.log" && exit 1; }
    terraform -chdir="$folder" validate -no-color
    terraform -chdir="$folder" test -no-color
done
