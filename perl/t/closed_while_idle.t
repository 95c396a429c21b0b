# Connections that end when nobody looks: opened anew without a word, and nothing is ever run twice.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start('--stale-timeout', '0.1');
my $watcher = CPANBridge->new(socket => $broker->socket_path, persistent => 0);
my $closed = sub { $watcher->call('system.connections')->{closed}{idle} || 0 };

my $bridge = CPANBridge->new(socket => $broker->socket_path);
for my $round (1 .. 3) {
    $bridge->call('test.echo', { n => $round });
    ok(TestBroker::eventually(sub { $closed->() == $round }), 'the broker closed the idle connection');
    is_deeply($round == 1 ? $bridge->call('test.echo', { n => 7 })
            : $round == 2 ? ($bridge->pipeline(['test.echo', { n => 7 }]))[0]
            :               $bridge->wait_for($bridge->send_call('test.echo', { n => 7 })),
        { n => 7 }, 'the next call does not notice');
    $bridge->disconnect;
}

# A restart between two calls, and one with the broker away for a moment.
$bridge->call('test.ping');
$broker->stop;
$broker->run;
is($bridge->call('test.ping')->{message}, 'pong', 'a restart between two calls');
$broker->stop;
my $late = fork;
if (!$late) {
    select undef, undef, undef, 0.3;
    $broker->run;
    require POSIX;
    # The broker is this child's; it lives on when the child ends.
    POSIX::_exit(0);
}
is($bridge->call('test.ping')->{message}, 'pong', 'a broker that comes back later');
waitpid $late, 0;
$bridge->call('system.shutdown');

# What a broker does wrong. Each connection to the fake counts how many requests it got.
sub outcome {
    my ($serve, @calls) = @_;
    my $fake = TestBroker->fake($serve);
    my $client = CPANBridge->new(socket => $fake->socket_path, timeout => 5);
    return map { my $call = $_; eval { $call->($client) } || $@ } @calls;
}
my $call = sub { $_[0]->call('test.echo', { n => 1 }) };
sub answer {
    my ($connection, $frame, $value) = @_;
    my $message = CPANBridge::MessagePack->unpack($frame);
    syswrite $connection, pack 'N/a*', CPANBridge::MessagePack->pack([1, $message->[1], undef, $value]);
    return;
}

my ($error) = outcome(sub { TestBroker::read_frame($_[0]) }, $call);
is($error->code, 'lost', 'closed after the request was taken: the call may have run, and is not repeated');

my ($result) = outcome(sub {
    my ($connection, $number) = @_;
    # The first connection is closed with the request half read: it can't have run.
    return sysread $connection, my $part, 6 if $number == 1;
    answer($connection, TestBroker::read_frame($connection), "connection $number");
}, $call);
is($result, 'connection 2', 'closed before the request was taken: sent again');

($error) = outcome(sub { TestBroker::read_frame($_[0]); syswrite $_[0], "\x00\x00\x00\x09\x94\x01" }, $call);
is($error->code, 'lost', 'closed within the answer');

($error) = outcome(sub { TestBroker::read_frame($_[0]); syswrite $_[0], "\x00\x00\x00\x02\xc1\xc1" }, $call);
is($error->code, 'protocol', 'an answer that is none');
($error) = outcome(sub { TestBroker::read_frame($_[0]); syswrite $_[0], "\xff\xff\xff\xff" }, $call);
is($error->code, 'protocol', 'an answer of 4 GB');

my @results = outcome(sub {
    my ($connection) = @_;
    while (defined(my $frame = TestBroker::read_frame($connection))) {
        my $message = CPANBridge::MessagePack->unpack($frame);
        my $code = $_[1] < 3 ? 'unavailable' : 'failed';
        syswrite $connection, pack 'N/a*', CPANBridge::MessagePack->pack([1, $message->[1], { code => $code, message => 'm' }, undef]);
        last if $code eq 'unavailable';
    }
}, $call);
is($results[0]->code, 'failed', 'a call that did not run for a shutdown is sent to the next broker');

# What another system said comes along, as far as it is plain.
($error) = outcome(sub {
    my ($connection) = @_;
    my $message = CPANBridge::MessagePack->unpack(TestBroker::read_frame($connection));
    my %detail = (number => 942, state => '42S02', odd => [1], none => undef, 'x' x 50 => 1);
    syswrite $connection, pack 'N/a*',
        CPANBridge::MessagePack->pack([1, $message->[1], { code => 'failed', message => 'no such table', detail => \%detail }, undef]);
}, $call);
is_deeply($error->detail, { number => 942, state => '42S02' }, 'detail of an error');

# So is one that is waited for later, in whatever way. The first broker runs the first request and refuses the others.
my $going = sub {
    my ($connection, $number) = @_;
    my $count = 0;
    while (defined(my $frame = TestBroker::read_frame($connection))) {
        my $message = CPANBridge::MessagePack->unpack($frame);
        next if $message->[0] == 2;
        if ($number > 1 || $count++ == 0) {
            answer($connection, $frame, "connection $number");
            next;
        }
        syswrite $connection, pack 'N/a*', CPANBridge::MessagePack->pack([1, $message->[1], { code => 'unavailable', message => 'm' }, undef]);
    }
};
my @echo = map { ['test.echo', { n => $_ }] } 1 .. 3;
my @expected = ('connection 1', 'connection 2', 'connection 2');
is_deeply([outcome($going, sub { [$_[0]->pipeline(@echo)] })], [\@expected], 'in a pipeline');
is_deeply([outcome($going, sub {
    my ($client) = @_;
    my @tickets = map { $client->send_call(@$_) } @echo;
    return [reverse map { $client->wait_for($_) } reverse @tickets];
})], [\@expected], 'one that has a ticket');
is_deeply([outcome($going, sub {
    my ($client) = @_;
    my @tickets = map { $client->send_call(@$_) } @echo;
    my %came;
    for (1 .. 500) {
        $came{$_} = $_->result for $client->poll(0.1);
        last if keys %came == 3;
    }
    return [map { $came{$_} } @tickets];
})], [\@expected], 'one that is polled for');
is_deeply([outcome($going, sub {
    my ($client) = @_;
    my @tickets = map { $client->send_call(@$_) } @echo;
    return [$client->call('test.echo', { n => 4 }), map { $client->wait_for($_) } @tickets];
})], [['connection 2', @expected]], 'and a call among those that are under way');

# What was refused is nobody else's, and given up without being sent.
is_deeply([outcome($going, sub {
    my ($client) = @_;
    my ($first, $second, $third) = map { $client->send_call(@$_) } @echo;
    $client->wait_for($first);
    my @states;
    my $child = fork;
    if (!$child) {
        my $code = eval { $client->wait_for($second); 1 } ? 'ran' : $@->code;
        require POSIX;
        POSIX::_exit($code eq 'lost' ? 0 : 1);
    }
    waitpid $child, 0;
    push @states, $?;
    $client->cancel($third);
    push @states, eval { $client->wait_for($second) } || $@->code;
    push @states, eval { $client->wait_for($third) } || $@->code =~ /\A(?:cancelled|unavailable)\z/;
    return \@states;
})], [[0, 'connection 2', 1]], 'a child does not send what its parent was refused, and what is cancelled is not sent');

done_testing;
