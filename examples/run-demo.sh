#!/bin/sh
# Starts a broker in a directory of its own, runs demo.pl against it, stops it, leaves nothing behind.
set -eu
here=$(dirname "$0")
binary=${CPAN_BRIDGE_BIN:-${CARGO_TARGET_DIR:-$here/../target}/release/cpan-bridge}
directory=$(mktemp -d)
broker=
clean_up() {
    if [ -n "$broker" ]; then
        kill "$broker" 2>/dev/null || true
        wait "$broker" 2>/dev/null || true
    fi
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# What the environment says to a broker of one's own is not meant for this one.
for name in $(env | sed -n 's/^\(CPAN_BRIDGE_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
mkfifo "$directory/ready"
"$binary" serve --socket "$directory/broker.sock" --ready-fd 1 >"$directory/ready" 2>"$directory/log" &
broker=$!
if [ "$(cat "$directory/ready")" != ready ]; then
    cat "$directory/log" >&2
    exit 1
fi
echo "A broker listens on $directory/broker.sock (process $broker)."
"${PERL:-perl}" -I"$here/../perl/lib" "$here/demo.pl" "$directory/broker.sock"
kill "$broker"
wait "$broker" && echo "The broker ended with exit code 0. Its log:" || echo "The broker ended with exit code $?. Its log:"
broker=
sed 's/^/  /' "$directory/log"
