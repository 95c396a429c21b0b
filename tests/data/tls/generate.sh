#!/bin/sh
# Makes the certificates of this folder anew. See README.md.
set -eu
cd "$(dirname "$0")"
days=36500
authority() { # name, subject
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.pem" -days $days \
        -subj "/CN=$2" -addext 'basicConstraints=critical,CA:TRUE' 2>/dev/null
}
certify() { # name, subject, alternative names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" 2>/dev/null
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$3" >extensions
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -out "$1.pem" -days $days -extfile extensions 2>/dev/null
    rm -f "$1.csr" extensions
}
authority ca 'An authority for tests'
certify server localhost 'DNS:localhost,IP:127.0.0.1'
certify client 'A client in tests' 'DNS:client.example'
rm -f ca.key ca.srl
