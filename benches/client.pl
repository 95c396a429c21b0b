#!/usr/bin/env perl
# Calls per second from Perl: our client, and the Redis clients where they are installed. Run by benches/run.sh.
use strict;
use warnings;

use CPANBridge;
use Time::HiRes qw(time);

my ($socket, $redis_socket, $seconds) = @ARGV;
$seconds ||= 1;

my $bridge = CPANBridge->new(socket => $socket);
my $single = CPANBridge->new(socket => $socket, persistent => 0);
my @batch  = (['test.echo', {}]) x 100;
my %rate;
$rate{one_shot}    = rate('CPANBridge, one-shot', 1, sub { $single->call('test.echo', {}) });
$rate{call_python} = rate('CPANBridge, one-shot, call_python', 1, sub { $single->call_python('test', 'echo', {}) });
$rate{persistent}  = rate('CPANBridge, persistent', 1, sub { $bridge->call('test.echo', {}) });
$rate{pipelined}   = rate('CPANBridge, pipelined by 100', 100, sub { $bridge->pipeline(@batch) });
printf "    %-36s %8.1f times the old daemon's 270/s\n", 'one-shot', $rate{one_shot} / 270;
printf "    %-36s %8.1f times the 1,000/s of its fastest raw client\n", 'persistent', $rate{persistent} / 1000;

if (defined $redis_socket && length $redis_socket) {
    for my $class (qw(Redis Redis::Fast)) {
        if (!eval "require $class; 1") {
            print "    $class is not installed\n";
            next;
        }
        my $redis = $class->new(sock => $redis_socket);
        my $persistent = rate("$class, ping, persistent", 1, sub { $redis->ping });
        printf "    %-36s %8.2f\n", "CPANBridge to $class", $rate{persistent} / $persistent;
        my $one_shot = rate("$class, ping, one-shot", 1, sub { $class->new(sock => $redis_socket)->ping });
        printf "    %-36s %8.2f\n", "CPANBridge to $class, one-shot", $rate{one_shot} / $one_shot;
    }
}

sub rate {
    my ($what, $each, $work) = @_;
    $work->() for 1 .. 50;
    my ($count, $begin, $took) = (0, time, 0);
    while (($took = time - $begin) < $seconds) {
        $work->() for 1 .. 50;
        $count += 50 * $each;
    }
    printf "    %-36s %8.0f/s\n", $what, $count / $took;
    return $count / $took;
}
