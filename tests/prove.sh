#!/bin/sh
# Runs the client's tests; a warning of Perl's, whichever process it comes from, counts as a failure.
#
#     prove.sh PROVE [ARGUMENT...]
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
trap 'exit 130' INT TERM
exec 3>&1
{
    "$@" 2>&1 >&3 3>&- && echo 0 >"$directory/status" || echo $? >"$directory/status"
} | tee "$directory/said" >&2
status=$(cat "$directory/status")
# What tests say themselves is behind a #.
if warnings=$(grep -v '^#' "$directory/said" | grep -E ' at .+ line [0-9]+(, <.*> (line|chunk) [0-9]+)?( during global destruction)?\.$'); then
    printf '\nWarnings, which count as failures:\n%s\n' "$warnings" >&2
    [ "$status" -ne 0 ] || status=1
fi
exit "$status"
