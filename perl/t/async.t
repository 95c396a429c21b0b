# Calls whose answers are waited for later, and someone else's event loop.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start('--workers', 2);
my $bridge = CPANBridge->new(socket => $broker->socket_path);

my $slow = $bridge->send_call('test.sleep', { seconds => 0.2 });
my $fast = $bridge->send_call('test.echo', { n => 1 });
ok(!$slow->is_done, 'under way');
is_deeply($bridge->wait_for($fast), { n => 1 }, 'the second is there first');
is_deeply($bridge->call('test.echo', { n => 2 }), { n => 2 }, 'and another call in between');
ok($bridge->wait_for($slow)->{slept} >= 0.2, 'the first, later');
is_deeply([$bridge->poll(0)], [], 'what was waited for is not polled');

my $failing = $bridge->send_call('test.nope');
ok(!eval { $bridge->wait_for($failing); 1 }, 'waiting for a failed call dies');
is($@->code, 'unknown_function', 'with its error');

# An event loop of the script's own.
my %open = map { ($_ => 1) } map { $bridge->send_call('test.sleep', { seconds => $_ / 50 }) } 1 .. 5;
my $number = $bridge->fileno;
my $rounds = 0;
while (%open && $rounds++ < 1000) {
    my $readable = '';
    vec($readable, $number, 1) = 1;
    select $readable, undef, undef, 5;
    delete $open{$_} for $bridge->poll;
}
is_deeply([keys %open], [], 'all came by and by');
is_deeply([$bridge->poll(0.01)], [], 'and no more');

# Giving up: a call that waits for a worker never runs.
my @busy = map { $bridge->send_call('test.sleep', { seconds => 30 }) } 1 .. 2;
my $waiting = $bridge->send_call('test.sleep', { seconds => 30 });
$bridge->cancel($waiting);
ok(!eval { $bridge->wait_for($waiting); 1 }, 'given up');
is($@->code, 'cancelled', 'cancelled');
$bridge->cancel($_) for @busy;
for my $ticket (@busy) {
    eval { $bridge->wait_for($ticket) };
    is($@->code, 'cancelled', 'one that runs and listens is cancelled as well');
}

# Notifications.
my $before = $bridge->call('test.stats')->{requests_processed};
$bridge->notify('test.echo', { a => 1 });
is($bridge->call('test.stats')->{requests_processed}, $before + 2, 'a notification runs and is not answered');

# The end of a connection ends its calls.
my $lost = $bridge->send_call('test.sleep', { seconds => 30 });
$bridge->disconnect;
ok($lost->is_done, 'done with the connection');
is($lost->error->code, 'cancelled', 'by the script');
is_deeply([$bridge->poll], [$lost], 'and polled like any other');

# Deadlines of their own.
my $late = $bridge->send_call('test.sleep', { seconds => 30 }, timeout => 0.1);
my @done = $bridge->poll(10);
is_deeply(\@done, [$late], 'a call whose time is over is done');
is($late->error->code, 'timeout', 'timeout');

{
    # A call's number is the key of a hash elsewhere, which marks it as a string on older versions of Perl: it is sent as a number.
    my $canceller = CPANBridge->new(socket => $broker->socket_path);
    my $ticket = $canceller->send_call('test.sleep', { seconds => 0.2 });
    $ticket->{msgid} = "$ticket->{msgid}";
    $canceller->cancel($ticket);
    ok(eval { $canceller->wait_for($ticket); 1 } || $@->code eq 'cancelled', 'a call that is given up ends');
    ok($canceller->is_connected, 'and its connection goes on');
    is($canceller->call('test.echo', { n => 1 })->{n}, 1, 'with the next call');
}

done_testing;
