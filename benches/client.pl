#!/usr/bin/env perl
# Small calls per second from Perl, by one of several clients: persistent, with a connection for each, and pipelined by 100 where
# the client can do that. Run by benches/run.sh, which has the clients take turns; prints names and figures.
#
#     client.pl CLIENT PLACE SECONDS
#
# CLIENT is CPANBridge, call_python, bare (a socket and the built-ins, with a server that sends back what it gets: the most that
# Perl can come to), Redis, Redis::Fast or Gearman; PLACE its server's socket, or host and port.
use strict;
use warnings;
use lib 'benches', 'perl/lib';

use Rate;
use Socket qw(PF_UNIX SOCK_STREAM pack_sockaddr_un);

use constant BATCH => 100;

my ($client, $place, $seconds) = @ARGV;
my %measure = (
    CPANBridge    => \&cpan_bridge,
    call_python   => \&call_python,
    bare          => \&bare,
    Redis         => sub { redis('Redis') },
    'Redis::Fast' => sub { redis('Redis::Fast') },
    Gearman       => \&gearman,
);
$measure{$client}->();
exit 0;

sub persistent { return Rate::report($seconds, 'persistent',            50,    repeated(50, @_)) }
sub one_shot   { return Rate::report($seconds, 'one-shot',              10,    repeated(10, @_)) }
sub pipelined  { return Rate::report($seconds, 'pipelined by ' . BATCH, BATCH, @_) }

sub repeated {
    my ($times, $work) = @_;
    return sub { $work->() for 1 .. $times };
}

sub cpan_bridge {
    require CPANBridge;
    my $bridge = CPANBridge->new(socket => $place);
    persistent(sub { $bridge->call('test.echo', {}) });
    my $single = CPANBridge->new(socket => $place, persistent => 0);
    one_shot(sub { $single->call('test.echo', {}) });
    my @batch = (['test.echo', {}]) x BATCH;
    pipelined(sub { $bridge->pipeline(@batch) });
    return;
}

sub call_python {
    require CPANBridge;
    my $bridge = CPANBridge->new(socket => $place);
    persistent(sub { $bridge->call_python('test', 'echo', {}) });
    my $single = CPANBridge->new(socket => $place, persistent => 0);
    one_shot(sub { $single->call_python('test', 'echo', {}) });
    return;
}

# The bytes of a small call, there and back.
sub bare {
    my $request = "\x00\x00\x00\x0e\x94\x00\x01\xa9test.echo\x80";
    my $connect = sub {
        socket my $socket, PF_UNIX, SOCK_STREAM, 0 or die "no socket: $!";
        connect $socket, pack_sockaddr_un($place) or die "can't connect: $!";
        return $socket;
    };
    my $exchange = sub {
        syswrite $_[0], $request;
        sysread $_[0], my $answer, 65_536;
    };
    my $socket = $connect->();
    persistent(sub { $exchange->($socket) });
    one_shot(sub { $exchange->($connect->()) });
    my $requests = $request x BATCH;
    pipelined(sub {
        syswrite $socket, $requests;
        my $left = length $requests;
        $left -= sysread $socket, my $answer, 65_536 while $left > 0;
    });
    return;
}

sub redis {
    my ($class) = @_;
    eval "require $class; 1" or die $@;
    my $redis = $class->new(sock => $place);
    persistent(sub { $redis->ping });
    one_shot(sub { $class->new(sock => $place)->ping });
    my $taken = sub { };
    pipelined(sub {
        # Redis.pm has no pipelined ping.
        $redis->echo(q{}, $taken) for 1 .. BATCH;
        $redis->wait_all_responses;
    });
    return;
}

# With a worker in Perl, which Gearman needs for its server to have something to hand the work to.
sub gearman {
    require Gearman::Client;
    require Gearman::Worker;
    my $parent = $$;
    my $worker = fork;
    die "no process: $!" if !defined $worker;
    if (!$worker) {
        my $gearman = Gearman::Worker->new(job_servers => [$place]);
        $gearman->register_function(echo => sub { return $_[0]->arg });
        $gearman->work(stop_if => sub { return getppid != $parent }) while getppid == $parent;
        exit 0;
    }
    my $client = Gearman::Client->new(job_servers => [$place]);
    persistent(sub { $client->do_task(echo => 'x') });
    one_shot(sub { Gearman::Client->new(job_servers => [$place])->do_task(echo => 'x') });
    kill KILL => $worker;
    waitpid $worker, 0;
    return;
}
