# Time limits: kept, by no signal, and a late answer reaches nobody.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes ();
use POSIX ();
use Socket ();
use File::Temp ();
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path, timeout => 0.05);
eval { $bridge->call('test.sleep', { seconds => 30 }) };
is($@->code, 'timeout', 'the limit of the object');
eval { CPANBridge->new(socket => $broker->socket_path)->call('test.sleep', { seconds => 30 }, timeout => 0.05) };
is($@->code, 'timeout', 'the limit of a call');
is_deeply($bridge->call('test.echo', { n => 1 }), { n => 1 }, 'the connection is as good as before');
my @results = $bridge->pipeline(['test.sleep', { seconds => 30 }], ['test.echo', { n => 2 }]);
is($results[0]->code, 'timeout', 'one of many');
is_deeply($results[1], { n => 2 }, 'and the others');

# A broker that answers late, and one that never does.
my $fake = TestBroker->fake(sub {
    my ($connection) = @_;
    my @late;
    while (defined(my $frame = TestBroker::read_frame($connection))) {
        my $message = CPANBridge::MessagePack->unpack($frame);
        push @late, pack 'N/a*', CPANBridge::MessagePack->pack([1, $message->[1], undef, $message->[3]]);
        next if $message->[3]{late};
        # The late ones first: an answer that is taken for the wrong call would show.
        syswrite $connection, join '', splice @late;
    }
});
my $client = CPANBridge->new(socket => $fake->socket_path, timeout => 5);
for my $n (1 .. 3) {
    eval { $client->call('test.echo', { late => $n }, timeout => 0.05) };
    is($@->code, 'timeout', 'no answer in time');
    is_deeply($client->call('test.echo', { n => $n }), { n => $n }, 'the next call gets its own answer');
}
# Each call's own, on one connection: what the kernel holds it to.
my $limit = sub { (unpack 'l!l!', getsockopt $client->{ +CPANBridge::KEY }{connection}{handle}, Socket::SOL_SOCKET(), Socket::SO_RCVTIMEO())[0] };
my @limits;
for my $option ([], [timeout => 70], [timeout => 70], [], [timeout => 8], [timeout => '6.5'], [timeout => 9]) {
    is_deeply($client->call('test.echo', { n => "@$option" }, @$option), { n => "@$option" }, "a call with the limit (@$option)");
    push @limits, $limit->();
}
is_deeply(\@limits, [5, 70, 70, 5, 8, 6, 9], 'calls with limits of their own have these, and the next one its own');
eval { $client->call('test.echo', { late => 5 }, timeout => 1) };
is($@->code, 'timeout', 'no answer within the second');

my $ticket = $client->send_call('test.echo', { late => 9 }, timeout => 0.05);
eval { $client->wait_for($ticket) };
is($@->code, 'timeout', 'a ticket');
is_deeply([$client->pipeline(['test.echo', { n => 1 }], ['test.echo', { n => 2 }])], [{ n => 1 }, { n => 2 }], 'a pipeline after it');

my $mute = TestBroker->fake(sub { 1 while defined TestBroker::read_frame($_[0]) });
my $patient = CPANBridge->new(socket => $mute->socket_path, timeout => 0.1);
eval { $patient->call('test.ping') };
is($@->code, 'timeout', 'a broker that never answers');

# A broker that takes nothing: also sending has its limit.
my $deaf = TestBroker->fake(sub { select undef, undef, undef, 30 });
eval { CPANBridge->new(socket => $deaf->socket_path, timeout => 0.2)->call('test.echo', { large => 'x' x 5_000_000 }) };
is($@->code, 'timeout', 'a broker that takes nothing');

# A byte now and then is no answer: the limit is that of the whole call.
my $slow = TestBroker->fake(sub {
    my ($connection) = @_;
    TestBroker::read_frame($connection);
    local $SIG{PIPE} = 'IGNORE';
    while (defined syswrite $connection, "\0") {
        select undef, undef, undef, 0.02;
    }
});
eval { CPANBridge->new(socket => $slow->socket_path, timeout => 0.3)->call('test.ping') };
ok($@->code eq 'timeout' || $@->code eq 'protocol', 'a broker that sends a byte now and then');

# Connecting is a part of the first call's time: a broker whose queue is full, and one that takes the connection late.
{
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    my $path = "$directory/broker.sock";
    socket my $listener, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or die $!;
    bind $listener, Socket::pack_sockaddr_un($path) or die $!;
    listen $listener, 0 or die $!;
    my @waiting;
    for (1 .. 5) {
        socket my $client, Socket::AF_UNIX(), Socket::SOCK_STREAM(), 0 or die $!;
        setsockopt $client, Socket::SOL_SOCKET(), Socket::SO_SNDTIMEO(), pack 'l!l!', 0, 1000 or die $!;
        connect $client, Socket::pack_sockaddr_un($path) or last;
        push @waiting, $client;
    }
    for my $late (0, 1) {
        my $pid = fork;
        die if !defined $pid;
        if (!$pid) {
            # Then it says nothing.
            Time::HiRes::sleep(2.6);
            my @taken;
            while ($late && accept my $client, $listener) { push @taken, $client }
            sleep 20;
            POSIX::_exit(0);
        }
        # When each limit that the kernel is given would be over, in seconds since the first was given: with limits that begin anew when the
        # connection is there that would be 5.6. How long a machine takes for it all is not looked at.
        my ($first, @ends);
        my $timeval = \&CPANBridge::Lane::timeval;
        no warnings 'redefine';
        local *CPANBridge::Lane::timeval = sub {
            my $now = Time::HiRes::time();
            $first ||= $now;
            push @ends, $now - $first + $_[0];
            goto &$timeval;
        };
        ok(!eval { CPANBridge->new(socket => $path, timeout => 3, retry_count => 0)->call('test.ping'); 1 }, 'no answer');
        is(scalar(grep { $_ > 4.5 } @ends), 0, $late ? 'a connection that is taken late has what is left' : 'a wait for a connection is the call\'s');
        cmp_ok(scalar @ends, '>', 2, 'limits were given, and given anew');
        kill KILL => $pid;
        waitpid $pid, 0;
    }
}

done_testing;
