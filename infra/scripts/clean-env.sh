#!/bin/sh
# Runs a program in an environment that names nobody's database, queue,
# account or proxy: whatever it starts stays on this machine.
#
# usage: infra/scripts/clean-env.sh PROGRAM [ARGUMENT…]
#
# Downloads (cargo fetching, apt, pip) are not run through this: they may need
# the proxy of the place.
set -eu

for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*$/\1/p'); do
    case $name in
    FLEET_PG_BIN | FLEET_TEST_DATABASE_URL) ;;
    DATABASE_* | PG* | AWS_* | OTEL_* | FLEET_* | *_QUEUE_URL) unset "$name" ;;
    *_[Pp][Rr][Oo][Xx][Yy] | SMTP_URL | MAIL_API_URL | API_TOKENS) unset "$name" ;;
    esac
done

# Fixed credentials that open nothing; and no other source is asked for more.
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
export AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null

exec "$@"
