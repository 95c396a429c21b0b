#!/bin/sh
# What `make bench` runs: codec and dispatch, the broker under load beside Redis, the Perl client beside Redis' clients,
# memory of ten thousand idle connections, HTTP beside LWP. Peers that are not installed are said so and left out.
set -eu
cd "$(dirname "$0")/.."
seconds=${BENCH_SECONDS:-2}
directory=$(mktemp -d)
pids=
clean_up() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# $1: a command prefix (taskset), or empty; then flags of the broker's
start_broker() {
    prefix_of_broker=$1
    shift
    rm -f "$directory/ready"
    mkfifo "$directory/ready"
    $prefix_of_broker "$CPAN_BRIDGE_BIN" serve --socket "$directory/broker.sock" --ready-fd 1 --max-connections 15000 \
        --log-level warning "$@" >"$directory/ready" 2>"$directory/log" &
    broker=$!
    pids="$pids $broker"
    [ "$(cat "$directory/ready")" = ready ] || { cat "$directory/log" >&2; exit 1; }
}
stop_broker() { kill "$broker"; wait "$broker" || true; }

# $1: a server, whose socket and log lie in the directory
await_socket() {
    tries=0
    until [ -S "$directory/$1.sock" ]; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || { cat "$directory/$1.log" >&2; exit 1; }
        sleep 0.02
    done
}

redis=
start_redis() {
    command -v redis-server >/dev/null || { echo "  (redis-server is not installed: no comparison)"; return 0; }
    $1 redis-server --port 0 --unixsocket "$directory/redis.sock" --save '' --appendonly no --dir "$directory" \
        --daemonize no >"$directory/redis.log" 2>&1 &
    redis=$!
    pids="$pids $redis"
    await_socket redis
}
stop_redis() {
    [ -n "$redis" ] || return 0
    kill "$redis"
    wait "$redis" || true
    redis=
    rm -f "$directory/redis.sock"
}

load() {
    $prefix "$load_binary" --seconds "$seconds" "$@"
}
load_both() {
    printf '  broker  '
    load --socket "$directory/broker.sock" "$@"
    [ -n "$redis" ] || return 0
    printf '  redis   '
    load --socket "$directory/redis.sock" --redis "$@"
}

newest() { find target/release/deps -name "$1-*" -type f -perm -100 -exec ls -t {} + | head -1; }
load_binary=$(newest load)
echo_binary=$(newest echo)

start_echo() {
    $1 "$echo_binary" "$directory/echo.sock" >"$directory/echo.log" &
    echo_server=$!
    pids="$pids $echo_server"
    await_socket echo
}
stop_echo() {
    kill "$echo_server"
    wait "$echo_server" 2>/dev/null || true
    rm -f "$directory/echo.sock"
}

echo "== Codec, frames, dispatch"
"${CARGO:-cargo}" bench --locked --bench codec -- --quiet 2>/dev/null | grep -E 'time:|^[a-z]+/' | sed 's/^/  /'

for place in apart together; do
    prefix=
    if [ $place = together ]; then
        command -v taskset >/dev/null || { echo "(taskset is not installed: no run on one CPU)"; continue; }
        prefix='taskset -c 0'
        echo "== Everything on one CPU"
    else
        echo "== On $(getconf _NPROCESSORS_ONLN) CPUs"
    fi
    start_broker "$prefix"
    start_redis "$prefix"
    start_echo "$prefix"
    echo " Under load, in turns (test.echo beside Redis' PING, and beside a server that sends back bytes it does not understand):"
    $prefix "$load_binary" --contest "broker=$directory/broker.sock,${redis:+redis=$directory/redis.sock,}echo=$directory/echo.sock" \
        --connections 1,50 --in-flight 1,16,64 --rounds 7 --seconds 0.3
    stop_echo
    echo " A connection for each request:"
    load_both --one-shot
    echo " From Perl:"
    $prefix "${PERL:-perl}" -Iperl/lib benches/client.pl "$directory/broker.sock" "${redis:+$directory/redis.sock}" "$seconds"
    stop_redis
    stop_broker
done

# Prints the figures in $directory/ours beside those in $directory/original; $1 names the latter.
beside() {
    awk -F'\t' -v peer="$1" 'NR == FNR { original[$1] = $2; next }
        $1 in original { printf "  %-36s %10.1f   %s %10.1f   ratio %6.2f\n", $1, $2, peer, original[$1], $2 / original[$1]; next }
        { printf "  %-36s %10.1f\n", $1, $2 }' "$directory/original" "$directory/ours"
}

echo "== Crypt::CBC: the stand-in beside the original (AES-256-CBC)"
prefix=
start_broker ''
export CPAN_BRIDGE_SOCKET="$directory/broker.sock"
"${PERL:-perl}" -Iperl/lib -Iperl/compat benches/crypt_cbc.pl "$seconds" 64 >"$directory/ours"
if "${PERL:-perl}" -MCrypt::CBC -MCrypt::Cipher::AES -MCrypt::PBKDF2 -e1 2>/dev/null; then
    "${PERL:-perl}" benches/crypt_cbc.pl "$seconds" 64 >"$directory/original"
else
    echo "  (Crypt::CBC with CryptX and Crypt::PBKDF2 is not installed: no comparison)"
    : >"$directory/original"
fi
beside original
echo "== The old daemon's cipher functions, beside its library without a socket (PyCryptodome in the same process)"
"${PERL:-perl}" -Iperl/lib benches/legacy_cipher.pl "$seconds" >"$directory/ours"
if python3 -c 'import Crypto.Cipher.AES' 2>/dev/null; then
    python3 benches/legacy_cipher.py "$seconds" >"$directory/original"
else
    echo "  (PyCryptodome is not installed: no comparison)"
    : >"$directory/original"
fi
beside library
unset CPAN_BRIDGE_SOCKET
stop_broker

echo "== HTTP: the stand-in for LWP::UserAgent beside the original, against nginx on this machine; the loop beside slow transfers"
start_broker '' --workers 64
"${PERL:-perl}" benches/http.pl "$seconds" "$load_binary" "$directory/broker.sock"
stop_broker

echo "== Memory"
prefix=
start_broker ''
printf '  '
load --socket "$directory/broker.sock" --idle 10000
stop_broker
