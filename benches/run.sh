#!/bin/sh
# What `make bench` and `make bench-full` run: every contest, on one CPU and on two. Prints tables, and writes docs/benchmarks.md
# and its plots. Peers that are not installed are said so and left out.
#
#     run.sh [full] [SECTION...]      sections: codec load data one-shot payload paced busy-poll idle costs perl perl-codec modules
set -eu
cd "$(dirname "$0")/.."
: "${CPAN_BRIDGE_BIN:?names the broker to measure: use make bench}"
level=quick
[ "${1:-}" != full ] || { level=full; shift; }
sections=${*:-codec load data one-shot payload paced busy-poll idle costs perl perl-codec modules}
perl=${PERL:-perl}
directory=$(mktemp -d)
results="$directory/results.tsv"
: >"$results"
pids=
clean_up() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
# Ten thousand connections, and as many of whoever drives them; who may raise the limit does.
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

if [ $level = full ]; then
    rounds=7 slice=0.3 connections=1,10,50,1000,10000 in_flight=1,16,64,256
    data_connections=$connections data_in_flight=$in_flight
    sizes=16,256,4096,65536,1048576,16777216 megabytes=64 loads=20,50,80,100
else
    rounds=5 slice=0.2 connections=1,50 in_flight=1,16,64
    data_connections=1,50 data_in_flight=1,64
    sizes=16,65536,16777216 megabytes=16 loads=50,80
fi
has() { command -v "$1" >/dev/null; }
wants() { case " $sections " in *" $1 "*) ;; *) return 1 ;; esac; }
say() { echo "$*" >&2; }
about() { printf 'about\t%s\t%s\n' "$1" "$2" >>"$results"; }

# --- Servers: each gets a name, and is started with the prefix of its place (taskset, or nothing)
prefix=

await() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || { cat "$directory"/*.log >&2; exit 1; }
        sleep 0.02
    done
}

# $1: the name of the socket; then flags of the broker's. Leaves its process in $broker.
start_broker() {
    name=$1
    shift
    rm -f "$directory/ready"
    mkfifo "$directory/ready"
    $prefix "$CPAN_BRIDGE_BIN" serve --socket "$directory/$name.sock" --ready-fd 1 --max-connections 15000 \
        --log-level warning "$@" >"$directory/ready" 2>"$directory/$name.log" &
    broker=$!
    pids="$pids $broker"
    [ "$(cat "$directory/ready")" = ready ] || { cat "$directory/$name.log" >&2; exit 1; }
}
stop() {
    for pid in "$@"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

redis= redis_process=
start_redis() {
    has redis-server || { say "  (redis-server is not installed: no comparison)"; return 0; }
    $prefix redis-server --port 0 --unixsocket "$directory/redis.sock" --save '' --appendonly no --dir "$directory" \
        --maxclients 15000 --daemonize no >"$directory/redis.log" 2>&1 &
    redis_process=$!
    pids="$pids $redis_process"
    await test -S "$directory/redis.sock"
    redis="redis=$directory/redis.sock"
}
stop_redis() {
    [ -n "$redis" ] || return 0
    stop "$redis_process"
    redis=
    rm -f "$directory/redis.sock"
}

start_echo() {
    $prefix "$echo_binary" "$directory/echo.sock" >"$directory/echo.log" &
    echo_process=$!
    pids="$pids $echo_process"
    await test -S "$directory/echo.sock"
    echo_server="echo=$directory/echo.sock"
}
stop_echo() {
    stop "$echo_process"
    rm -f "$directory/echo.sock"
}

gearman=
start_gearman() {
    has gearmand && "$perl" -MGearman::Client -MGearman::Worker -e1 2>/dev/null ||
        { say "  (gearmand and Gearman::Client are not installed: no comparison)"; return 0; }
    port=$("$perl" -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
    $prefix gearmand --listen=127.0.0.1 --port="$port" --threads=1 --log-file="$directory/gearman.log" >/dev/null 2>&1 &
    gearman_process=$!
    pids="$pids $gearman_process"
    gearman="127.0.0.1:$port"
    await "$perl" -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => shift)' "$gearman"
}
stop_gearman() {
    [ -n "$gearman" ] || return 0
    stop "$gearman_process"
    gearman=
}

newest() { find "$(dirname "$CPAN_BRIDGE_BIN")/deps" -name "$1-*" -type f -perm -100 -exec ls -t {} + | head -1; }
load_binary=$(newest load)
echo_binary=$(newest echo)

# $1: topic; then arguments of the load generator's
load() {
    topic=$1
    shift
    $prefix "$load_binary" --topic "$topic" --place "$place" --rounds "$rounds" --seconds "$slice" "$@" >>"$results"
}
# $1: topic; then labels and commands
turns() {
    topic=$1
    shift
    $prefix "$perl" benches/turns.pl "$topic" "$place" "$rounds" "$@" >>"$results"
}

# --- Sections

under_load() {
    say " under load"
    load load "$ours" $redis "$echo_server" --connections $connections --in-flight $in_flight
}

under_load_with_data() {
    say " under load, with data"
    load data "$ours" ${redis:+"redis-set=$directory/redis.sock" "redis-get=$directory/redis.sock"} "$echo_server" \
        --size 100 --connections $data_connections --in-flight $data_in_flight
}

from_perl() {
    say " from Perl"
    start_gearman
    set -- CPANBridge "$directory/broker.sock" call_python "$directory/broker.sock" bare "$directory/echo.sock"
    for class in Redis Redis::Fast; do
        if [ -n "$redis" ] && "$perl" -M$class -e1 2>/dev/null; then
            set -- "$@" $class "$directory/redis.sock"
        else
            say "  ($class is not installed: no comparison)"
        fi
    done
    [ -z "$gearman" ] || set -- "$@" Gearman "$gearman"
    count=$#
    while [ "$count" -gt 0 ]; do
        client=$1 where=$2
        shift 2
        set -- "$@" "$client" "$perl benches/client.pl $client $where $slice"
        count=$((count - 2))
    done
    turns perl "$@"
    stop_gearman
}

busy_poll() {
    say " busy polling"
    start_broker busy --busy-poll 100us
    load busy-poll "polling:broker=$directory/busy.sock" "sleeping:broker=$directory/broker.sock" --connections 1,50 --in-flight 1
    stop "$broker"
}

idle() {
    say " idle connections"
    # Fresh ones: memory that was used before would be used again.
    start_broker fresh
    fresh=$broker
    load idle "broker=$directory/fresh.sock" --idle 10000
    [ -z "$redis" ] || { stop_redis; start_redis; load idle "$redis" --idle 10000; }
    start_broker other
    load crowded "crowded:broker=$directory/fresh.sock" "uncrowded:broker=$directory/other.sock" --idle 10000 \
        --connections 50 --in-flight 1,16 --rounds 15
    stop "$broker" "$fresh"
}

costs() {
    say " what a call costs"
    $prefix "$perl" benches/costs.pl "$load_binary" "$CPAN_BRIDGE_BIN" "$place" "broker=$directory/broker.sock:$our_broker" \
        ${redis:+"$redis:$redis_process"} "$echo_server:$echo_process" >>"$results"
}

everything_at() {
    start_broker broker --max-frame 32MiB
    our_broker=$broker
    ours="broker=$directory/broker.sock"
    start_redis
    start_echo
    ! wants load || under_load
    ! wants data || under_load_with_data
    ! wants one-shot || { say " a connection for each request"; load one-shot "$ours" $redis "$echo_server" --one-shot; }
    ! wants payload || { say " payloads"; load payload "$ours" $redis "$echo_server" --size $sizes --connections 1 --in-flight 1; }
    ! wants paced || { say " latency by load"; load paced "$ours" $redis "$echo_server" --connections 50 --paced $loads; }
    ! wants busy-poll || busy_poll
    ! wants perl || from_perl
    [ "$place" = two ] || ! wants costs || costs
    stop_echo
    ! wants idle || idle
    stop_redis
    stop "$our_broker"
}

codec_in_perl() {
    say "Codecs in Perl"
    set -- CPANBridge::MessagePack
    ! "$perl" -MData::MessagePack -e1 2>/dev/null || set -- "$@" Data::MessagePack::XS Data::MessagePack::PP
    set -- "$@" Storable JSON::PP
    count=$#
    while [ "$count" -gt 0 ]; do
        codec=$1
        shift
        set -- "$@" "$codec" "$perl benches/perl_codec.pl $codec $slice"
        count=$((count - 1))
    done
    turns codec "$@"
}

modules() {
    say "Modules"
    start_broker broker
    export CPAN_BRIDGE_SOCKET="$directory/broker.sock"
    "$perl" -MCrypt::CBC -MCrypt::Cipher::AES -MCrypt::PBKDF2 -e1 2>/dev/null && original=original || original=
    [ -n "$original" ] || say "  (Crypt::CBC with CryptX and Crypt::PBKDF2 is not installed: no comparison)"
    turns crypt-cbc stand-in "$perl -Iperl/lib -Iperl/compat benches/crypt_cbc.pl $slice $megabytes" \
        ${original:+original "$perl benches/crypt_cbc.pl $slice $megabytes"}
    python3 -c 'import Crypto.Cipher.AES' 2>/dev/null && original=PyCryptodome || original=
    [ -n "$original" ] || say "  (PyCryptodome is not installed: no comparison)"
    turns old-ciphers broker "$perl -Iperl/lib benches/legacy_cipher.pl $slice" \
        ${original:+PyCryptodome "python3 benches/legacy_cipher.py $slice"}
    "$perl" -MHTML::Parser -e1 2>/dev/null && original=original || original=
    [ -n "$original" ] || say "  (HTML::Parser is not installed: no comparison)"
    turns html stand-in "$perl -Iperl/lib -Iperl/compat benches/html.pl $slice" \
        ${original:+original "$perl benches/html.pl $slice"}
    unset CPAN_BRIDGE_SOCKET
    stop "$broker"
    start_broker broker --workers 64
    busy=$broker
    start_broker other --workers 64
    "$perl" benches/http.pl "$slice" "$rounds" "$load_binary" "$directory/broker.sock" "$directory/other.sock" >>"$results"
    stop "$busy" "$broker"
}

about command "make bench$([ $level = quick ] || echo -full)"
about date "$(date +%Y-%m-%d)"
about machine "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(getconf _NPROCESSORS_ONLN) CPUs, Linux $(uname -r)"
about versions "cpan-bridge $("$CPAN_BRIDGE_BIN" --version | sed 's/.* //'), Perl $("$perl" -e 'printf "%vd", $^V')$(
    ! has redis-server || redis-server --version | sed 's/.* v=\([^ ]*\).*/, Redis \1/')$(
    ! has gearmand || gearmand --version | sed -n 's/^gearmand \([0-9.]*\).*/, gearmand \1/p')"

if wants codec; then
    echo "== Codec, frames, dispatch (Criterion)"
    "${CARGO:-cargo}" bench --locked --bench codec -- --quiet 2>/dev/null | grep -E 'time:|^[a-z]+/' | sed 's/^/  /'
fi
for place in one two; do
    prefix=
    if [ $place = one ]; then
        has taskset || { say "(taskset is not installed: no run on one CPU)"; continue; }
        prefix='taskset -c 0'
        say "Everything on one CPU"
    else
        say "On two CPUs"
    fi
    everything_at
done
prefix=
place=here
! wants perl-codec || codec_in_perl
! wants modules || modules

[ ! -f docs/benchmarks/results.tsv ] || "$perl" benches/report.pl --compare docs/benchmarks/results.tsv "$results"
"$perl" benches/report.pl "$results"
# A part of it is for looking at; for the record only if that is asked for, in place of the same part of the last time.
if [ $# -gt 0 ]; then
    [ -n "${KEEP:-}" ] || exit 0
    awk -F'\t' 'NR == FNR { again[$1] = 1; print; next } !($1 in again)' "$results" docs/benchmarks/results.tsv >"$directory/all.tsv"
    results="$directory/all.tsv"
fi
"$perl" benches/report.pl "$results" docs/benchmarks.md docs/benchmarks
