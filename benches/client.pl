#!/usr/bin/env perl
# Small calls per second from Perl, by one of several clients: persistent, with a connection for each, and pipelined by 100 where
# the client can do that; the same with two texts there and two back, and a thousand rows there and back; and whole scripts that make one call, in a second of their own CPU time. Run by benches/run.sh, which has the clients take turns; prints names and figures.
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
my %TEXTS = (first_name => 'some words of a text of theirs', second_name => 'and some more words of it');
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

sub texts           { return Rate::report($seconds, 'two texts, persistent', 50, repeated(50, @_)) }
sub texts_pipelined { return Rate::report($seconds, 'two texts, pipelined by ' . BATCH, BATCH, @_) }

sub rows {
    my ($work) = @_;
    my @rows = map { [$_, "row number $_", $_ * 1.25, '2026-11-27', undef] } 1 .. 1_000;
    return Rate::report($seconds, '1,000 rows of 5 columns there and back', 1, sub { @{ $work->(\@rows) } == 1_000 or die 'not all rows' });
}

# Whole scripts, from start to end.
sub script {
    my ($text) = @_;
    my $run = sub { system($^X, '-Iperl/lib', '-e', "use strict; use warnings; $text", $place) == 0 or die "the script failed\n" };
    $run->();
    my ($user, $system) = (times)[2, 3];
    my ($count, $took) = (0, 0);
    # `times` counts hundredths, so it takes some.
    until ($took >= $seconds && $count >= 20) {
        $run->();
        $count++;
        $took = (times)[2] + (times)[3] - $user - $system;
    }
    printf "a script, in a second of CPU time\t%.1f\n", $count / $took;
    return;
}

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
    texts(sub { $bridge->call('test.echo', {%TEXTS}) });
    @batch = map { ['test.echo', {%TEXTS}] } 1 .. BATCH;
    texts_pipelined(sub { $bridge->pipeline(@batch) });
    rows(sub { $bridge->call('test.echo', { rows => $_[0] })->{rows} });
    script(q{use CPANBridge; CPANBridge->new(socket => $ARGV[0])->call('test.echo', { first => 'some text', second => 'more of it' })});
    return;
}

sub call_python {
    require CPANBridge;
    my $bridge = CPANBridge->new(socket => $place);
    persistent(sub { $bridge->call_python('test', 'echo', {}) });
    my $single = CPANBridge->new(socket => $place, persistent => 0);
    one_shot(sub { $single->call_python('test', 'echo', {}) });
    texts(sub { $bridge->call_python('test', 'echo', {%TEXTS}) });
    script(q{use CPANBridge; CPANBridge->new(socket => $ARGV[0])->call_python('test', 'echo', { first => 'some text', second => 'more of it' })});
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
    # As nearly everybody writes it.
    script(q{use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $@; syswrite $s, "\x00\x00\x00\x0e\x94\x00\x01\xa9test.echo\x80"; sysread $s, my $answer, 65_536});
    return;
}

sub redis {
    my ($class) = @_;
    eval "require $class; 1" or die $@;
    my $redis = $class->new(sock => $place);
    persistent(sub { $redis->ping });
    one_shot(sub { $class->new(sock => $place)->ping });
    my $taken = sub { };
    require Storable;
    pipelined(sub {
        # Redis.pm has no pipelined ping.
        $redis->echo(q{}, $taken) for 1 .. BATCH;
        $redis->wait_all_responses;
    });
    my $turn = 0;
    texts(sub { $turn++ % 2 ? $redis->hmget('texts', keys %TEXTS) : $redis->hmset('texts', %TEXTS) });
    texts_pipelined(sub {
        $_ % 2 ? $redis->hmget('texts', keys %TEXTS, $taken) : $redis->hmset('texts', %TEXTS, $taken) for 1 .. BATCH;
        $redis->wait_all_responses;
    });
    # As whoever keeps rows there does it: frozen, so that the server need not understand them.
    rows(sub { $redis->set('rows', Storable::nfreeze($_[0])); Storable::thaw($redis->get('rows')) });
    script(qq{use $class; $class->new(sock => \$ARGV[0])->ping});
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
