#!/bin/sh
# Runs the client's tests with the perls of other releases of Debian, beside the host's own.
#
#     run.sh DIRECTORY CODENAME...
#
# The perls are in the directory, put there by fetch.sh. Left out is what runs the host's tools, whichever perl the test itself has: the Makefile,
# installing and packing.
set -eu
directory=$(cd "${1:?a directory for the perls is wanted}" && pwd)
cd "$(dirname "$0")/../.."
: "${CPAN_BRIDGE_BIN:?names the broker to test with: use make test-perls}"
shift
files=$(ls perl/t/*.t | grep -v -E '/(distribution|install|makefile|packages|quickstart)\.t$')
failed=
for codename in "$@"; do
    perl=$directory/$codename/perl
    PERL5LIB=$(cat "$directory/$codename/inc")
    PERL_OWN_MODULES=$PERL5LIB
    export PERL5LIB PERL_OWN_MODULES
    echo "Debian $codename: $("$perl" -e 'printf "perl %vd", $^V')"
    TEST_PERL=$perl sh tests/prove.sh "$perl" "$directory/$codename/root/usr/bin/prove" -Iperl/lib -Iperl/t/lib -j4 $files || failed="$failed $codename"
done
[ -z "$failed" ] || { echo "failed with the perl of:$failed" >&2; exit 1; }
