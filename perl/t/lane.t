# The fast way of the usual call, which CPANBridge has beside the general one: what it gives, throws and leaves is the same.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Errno qw(EDOM);
use POSIX ();
use Test::More;
use Time::HiRes qw(setitimer ITIMER_REAL);
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start('--test-faults');

sub has_lane { return $_[0]->{ CPANBridge::KEY() }{lane} ? 1 : 0 }

# An object whose next call takes the lane; by default one that keeps its connection.
sub warm {
    my (%arguments) = @_;
    my $bridge = CPANBridge->new(socket => $broker->socket_path, %arguments);
    $bridge->call('test.echo', { data => 'x' });
    eval { $bridge->call($_) } for qw(test.sleep test.ping crypto.hash system.modules test.panic nobody.here);
    $bridge->call('test.echo', {});
    ok(has_lane($bridge), 'the next call takes the lane');
    return $bridge;
}

# Result or error of a call, and what it did to the variables of who calls.
sub outcome {
    my ($bridge, @call) = @_;
    local $@ = "what was before\n";
    local $! = EDOM;
    local $_ = 'topic';
    my $result;
    my $died = '';
    {
        local $@;
        $died = $@ if !eval { $result = $bridge->call(@call); 1 };
    }
    my $code = ref $died ? $died->code . ': ' . $died->message : $died;
    return { result => $result, error => $code, last => $bridge->get_last_error, left => [$@, $! + 0, $_] };
}

my @calls = (
    ['test.echo', {}],
    ['test.echo'],
    ['test.echo', { a => [1, -1, undef, 'text', "\x{263a}"], b => { c => 1.5 } }],
    ['test.echo', { large => 'x' x 300_000 }],
    ['test.echo', { at_the_edge => 'x' x (65_536 - 4 - 8 - 1 - 12 - 5) }],
    ['test.echo', { code => sub { 1 } }],
    ['test.echo', [1]],
    ['test.check_module', { module => 'crypto' }],
    ['test.check_module', { module => 'none' }],
    ['test.check_module', {}],
    ['crypto.hash', { data => 'abc', algorithm => 'sha256' }],
    ['crypto.hash', { data => 'abc', algorithm => 'none' }],
    ['test.sleep', { seconds => 0.01 }],
    ['test.panic', {}],
    ['nobody.here', {}],
    ['system.modules', {}],
);
for my $persistent (1, 0) {
    my $name = $persistent ? 'one connection' : 'a connection each';
    for my $call (@calls) {
        my $fast = warm(persistent => $persistent);
        my $slow = CPANBridge->new(socket => $broker->socket_path, persistent => $persistent);
        my ($this, $that) = (outcome($fast, @$call), outcome($slow, @$call));
        for my $outcome ($this, $that) {
            # A defect is given a number, and no sleep takes as long as another.
            s/reference [\d-]+/reference/ for @{$outcome}{qw(error last)};
            $outcome->{result}{slept} = 'so long' if $call->[0] eq 'test.sleep';
        }
        is_deeply($this, $that, "$name: $call->[0]");
        is_deeply($this->{left}, ["what was before\n", EDOM + 0, 'topic'], 'nothing of the caller changes');
        is_deeply($fast->call('test.echo', { n => 1 }), { n => 1 }, 'and the next call gets its own answer');
    }
    is(CPANBridge->new(socket => $broker->socket_path, persistent => 0)->call('system.connections')->{active_connections}, 1,
        "$name: nothing stays open");
}

{
    my $bridge = warm();
    is_deeply([map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 5], [1 .. 5], 'one call after the other');
    ok(has_lane($bridge), 'on the lane');
    my $ticket = $bridge->send_call('test.sleep', { seconds => 0.05 });
    ok(!has_lane($bridge), 'a call under way closes it');
    is($bridge->call('test.echo', { n => 6 })->{n}, 6, 'a call beside it');
    ok($bridge->wait_for($ticket)->{slept}, 'and that call');
    is($bridge->call('test.echo', { n => 7 })->{n}, 7, 'and one after it');
    ok(has_lane($bridge), 'which opens it again');
    $bridge->set_timeout(0.2);
    ok(!eval { $bridge->call('test.sleep', { seconds => 20 }); 1 }, 'another time limit counts at once');
    is($@->code, 'timeout', 'and is told');
    is($bridge->call('test.echo', { n => 8 })->{n}, 8, 'the answer that comes late is nobody\'s');
    $bridge->{ CPANBridge::KEY() }{msgid} = 4_294_967_293;
    is_deeply([map { $bridge->call('test.echo', { n => $_ })->{n} } 1 .. 9], [1 .. 9], 'numbers of calls begin anew');
    ok($bridge->{ CPANBridge::KEY() }{msgid} < 200, 'with the first of their form');
}

{
    # The limit is kept by the client when the broker can't: it stands still.
    my $bridge = warm(timeout => 0.2);
    kill STOP => $broker->pid;
    ok(!eval { $bridge->call('test.echo', {}); 1 }, 'a broker that stands still');
    is($@->code, 'timeout', 'is not waited for');
    kill CONT => $broker->pid;
    is($bridge->call('test.echo', { n => 1 })->{n}, 1, 'and what it says later is nobody\'s answer');

    $bridge = warm(timeout => 0.3);
    my $signals = 0;
    local $SIG{ALRM} = sub { $signals++ };
    kill STOP => $broker->pid;
    setitimer(ITIMER_REAL, 0.02, 0.02);
    my $begin = Time::HiRes::time();
    ok(!eval { $bridge->call('test.echo', {}); 1 }, 'nor through signals');
    is($@->code, 'timeout', 'which neither end the wait');
    setitimer(ITIMER_REAL, 0);
    kill CONT => $broker->pid;
    ok($signals >= 5, "nor begin it anew ($signals came)");
}

{
    my $bridge = warm();
    my $inner;
    local $SIG{ALRM} = sub { $inner = $bridge->call('test.echo', { n => 2 })->{n} };
    setitimer(ITIMER_REAL, 0.05);
    ok($bridge->call('test.sleep', { seconds => 0.2 })->{slept}, 'a handler that calls');
    is($inner, 2, 'gets its answer');
    local $SIG{ALRM} = sub { die "enough\n" };
    $bridge->call('test.echo', {});
    ok(has_lane($bridge), 'the next takes the lane');
    ok(!eval { setitimer(ITIMER_REAL, 0.05); $bridge->call('test.sleep', { seconds => 20 }); 1 }, 'a handler that dies');
    is($@, "enough\n", 'ends the call');
    is($bridge->call('test.echo', { n => 3 })->{n}, 3, 'and the next gets its own answer');
}

{
    my $bridge = warm();
    my $child = fork;
    if (!$child) {
        # Its own connection, and its own answers.
        my $wrong = grep { $bridge->call('test.echo', { n => $_ })->{n} != $_ } 1 .. 300;
        POSIX::_exit($wrong ? 1 : 0);
    }
    my $wrong = grep { $bridge->call('test.echo', { n => -$_ })->{n} != -$_ } 1 .. 300;
    waitpid $child, 0;
    is($? >> 8, 0, 'a child is not given its parent\'s answers');
    is($wrong, 0, 'nor the parent the child\'s');
}

for my $persistent (1, 0) {
    my $bridge = warm(persistent => $persistent);
    $broker->stop;
    $broker->run;
    is($bridge->call('test.echo', { n => 1 })->{n}, 1, 'a restart between two calls');
    ok(has_lane($bridge), 'the lane is open again');
    $broker->stop;
    my $late = fork;
    if (!$late) {
        select undef, undef, undef, 0.3;
        $broker->run;
        # The broker is this child's; it lives on when the child ends.
        POSIX::_exit(0);
    }
    if ($persistent) {
        is($bridge->call('test.echo', { n => 2 })->{n}, 2, 'a broker that comes back later');
    }
    else {
        ok(!eval { $bridge->call('test.echo', {}); 1 }, 'no broker');
        is($@->code, 'connect', 'is told as ever');
        like($@->message, qr/start a broker/, 'with what helps');
    }
    waitpid $late, 0;
    ok(TestBroker::eventually(sub { eval { CPANBridge->new(socket => $broker->socket_path)->call('system.shutdown'); 1 } }),
        'the broker that came later');
    ok(TestBroker::eventually(sub { !-S $broker->socket_path }), 'is gone');
    $broker->run;
}

{
    # The place is looked at for every connection.
    my $second = TestBroker->start;
    local $ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
    my $bridge = CPANBridge->new(persistent => 0);
    my $at = sub { $bridge->call('system.info', {})->{socket_path} };
    is($at->(), $broker->socket_path, 'the place of the environment') for 1 .. 2;
    $ENV{CPAN_BRIDGE_SOCKET} = $second->socket_path;
    is($at->(), $second->socket_path, 'which may change') for 1 .. 2;
    local $CPANBridge::DAEMON_SOCKET = $broker->socket_path;
    is($at->(), $broker->socket_path, 'or be outdone by the variable');
}

done_testing;
