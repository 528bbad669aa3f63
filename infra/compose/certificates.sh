#!/bin/sh
# Makes a certificate for a server, and an authority for this one certificate.
#
# usage: certificates.sh AUTHORITY_DIR SERVER_DIR HOST OWNER
#
# AUTHORITY_DIR gets ca.crt, for clients; SERVER_DIR gets server.crt and
# server.key, for the server, which runs as OWNER. The authority's own key is
# thrown away: nobody can ever sign another certificate that clients believe.
# Does nothing while the certificate is good for another month.
set -eu

authority=$1
server=$2
host=$3
owner=$4

month_secs=2592000
days=365

if openssl x509 -in "$server/server.crt" -noout -checkend "$month_secs" >/dev/null 2>&1 &&
    openssl verify -CAfile "$authority/ca.crt" -verify_hostname "$host" "$server/server.crt" >/dev/null 2>&1; then
    echo "certificates: the one for $host is good for another month"
    exit 0
fi

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Makes a key and asks for a certificate for the name $2, as $1.key and $1.csr.
ask() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
        -subj "/CN=$2" -keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
}

ask ca "$host authority"
printf '%s\n' basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign >"$work/ca.ext"
openssl x509 -req -in "$work/ca.csr" -signkey "$work/ca.key" -days "$days" \
    -extfile "$work/ca.ext" -out "$work/ca.crt" 2>/dev/null

ask server "$host"
printf '%s\n' "subjectAltName=DNS:$host" basicConstraints=critical,CA:FALSE \
    keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth >"$work/server.ext"
openssl x509 -req -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" \
    -CAcreateserial -days "$days" -extfile "$work/server.ext" -out "$work/server.crt" 2>/dev/null

openssl verify -CAfile "$work/ca.crt" -verify_hostname "$host" "$work/server.crt" >/dev/null

chmod 644 "$work/ca.crt" "$work/server.crt"
cp -f "$work/ca.crt" "$authority/ca.crt"
cp -f "$work/server.crt" "$server/server.crt"
# A key of before belongs to somebody else by now, and is replaced as a whole.
rm -f "$server/server.key"
cp "$work/server.key" "$server/server.key"
chown "$owner" "$server/server.key"
echo "certificates: made one for $host, good for $days days"
