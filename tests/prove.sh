#!/bin/sh
# Runs the client's tests; a warning of Perl's, whichever process it comes from, counts as a failure.
#
#     prove.sh PROVE [ARGUMENT...]
#
# TEST_PERL is the perl that runs the tests, if not the host's.
set -eu
HARNESS_PERL=$(cd "$(dirname "$0")" && pwd)/one_test.sh
export HARNESS_PERL
directory=$(mktemp -d)
# What is said goes on being shown as long as this one is there.
sleep 86400 &
showing=$!
trap 'kill "$showing" 2>/dev/null || :; rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM
: >"$directory/said"
tail -n +1 -f --pid="$showing" "$directory/said" >&2 &
status=0
# A file, as a pipe would be open as long as any process that a test left behind. And not in the background, where it would not hear Ctrl-C.
"$@" 2>>"$directory/said" || status=$?
kill "$showing"
wait
# What tests say themselves is behind a #.
if warnings=$(grep -v '^#' "$directory/said" | grep -E ' at .+ line [0-9]+(, <.*> (line|chunk) [0-9]+)?( during global destruction)?\.$'); then
    printf '\nWarnings, which count as failures:\n%s\n' "$warnings" >&2
    [ "$status" -ne 0 ] || status=1
fi
exit "$status"
