#!/bin/sh
# Stands in for perl where prove runs a test (HARNESS_PERL): the test gets a folder of its own for what is temporary and a time limit, and fails
# if it leaves a process or a file behind. What an orphan keeps open, its output say, would hold prove up for ever.
#
#     one_test.sh [ARGUMENT OF PERL...]
#
# TEST_PERL is the perl (perl); TEST_SECONDS the limit (900).
set -u
# Suites that a test runs are not this one.
unset HARNESS_PERL
directory=$(mktemp -d "${TMPDIR:-/tmp}/t.XXXXXX") || exit 1
# As /tmp is: some tests become other users.
chmod 1777 "$directory"

# Ctrl-C is the test's, and this goes on to tidy up. In the background, or in a group of its own, the test would not hear it.
trap : INT TERM HUP
status=0
TMPDIR=$directory timeout --foreground --kill-after=5 "${TEST_SECONDS:-900}" "${TEST_PERL:-perl}" "$@" || status=$?
[ "$status" -ne 124 ] || echo "# ended after ${TEST_SECONDS:-900} s: $*" >&2

# Who names the test's folder, as every process of it does in its environment. A broker's can be read by root alone, its arguments, which name
# the socket, by everybody. A zombie has neither.
processes() {
    printf '%s\n' "$directory" | grep -lasF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | sort -u
}
# Those that were told to end may be about to.
for pause in 0.05 0.2 0.5 1 2; do
    left=$(processes)
    [ -n "$left" ] || break
    sleep "$pause"
done
for pid in $left; do
    echo "# left a process behind: $* - $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" >&2
    kill -KILL "$pid" 2>/dev/null
    [ "$status" -ne 0 ] || status=1
done
files=$(find "$directory" -mindepth 1 | head -5)
if [ -n "$files" ]; then
    printf '# left behind: %s\n' "$*" $files >&2
    [ "$status" -ne 0 ] || status=1
fi
rm -rf "$directory"
exit "$status"
