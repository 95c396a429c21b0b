# Signals interrupt no call, SIGPIPE kills nobody, and handlers may make calls of their own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Time::HiRes qw(ualarm setitimer ITIMER_REAL);
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path);
my $other  = CPANBridge->new(socket => $broker->socket_path);

# What a usual call does not need is loaded when something unusual happens, and a handler may die in the middle of that, at any point: whoever
# set it gets its words, and the next call finds everything in place.
{
    my $broken_off = 0;
    for my $round (1 .. 40) {
        pipe my $read, my $write or die;
        my $pid = fork;
        die if !defined $pid;
        if (!$pid) {
            my $died = '';
            my @warnings;
            local $SIG{__WARN__} = sub { push @warnings, @_ };
            local $SIG{ALRM} = sub { die "enough\n" };
            my $fresh = CPANBridge->new(socket => $broker->socket_path);
            # Loading takes some 20 ms.
            my $done = eval {
                setitimer(ITIMER_REAL, 0.0003 + 0.0005 * $round);
                $fresh->call('test.echo', { integer => 1, float => 1.5, text => "\x{263a}", list => [undef, \1, {}] }, timeout => 9);
                $fresh->pipeline(['test.echo', { n => 1 }], ['nobody.here']);
                1;
            };
            setitimer(ITIMER_REAL, 0);
            $died = $@ if !$done;
            my $after = eval {
                my $same = $fresh->call('test.echo', { text => "\x{263a}", list => [1.5, {}] }, timeout => 9);
                my @two  = $fresh->pipeline(['test.echo', { n => 1 }], ['nobody.here']);
                $same->{text} eq "\x{263a}" && $two[0]{n} == 1 && $two[1]->code eq 'unknown_module' ? 'well' : 'wrong';
            } || "died: $@";
            print {$write} join "\x00", $died, $after, @warnings;
            close $write;
            POSIX::_exit(0);
        }
        close $write;
        my ($died, $after, @warnings) = split /\x00/, do { local $/; readline $read }, -1;
        waitpid $pid, 0;
        $broken_off++ if $died ne '';
        is_deeply([$died, $after, \@warnings], [$died eq '' ? '' : "enough\n", 'well', []], "round $round");
    }
    ok($broken_off, "$broken_off times while something was loaded or called");
}

my $signals = 0;
{
    local $SIG{ALRM} = sub { $signals++ };
    setitimer(ITIMER_REAL, 0.01, 0.01);
    ok($bridge->call('test.sleep', { seconds => 0.3 })->{slept} >= 0.3, 'a call goes on through signals');
    my $large = 'x' x 2_000_000;
    is(length $bridge->call('test.echo', { large => $large })->{large}, length $large, 'and so does a large one');
    my @many = $bridge->pipeline(map { ['test.echo', { n => $_ }] } 1 .. 2000);
    is_deeply([map { $_->{n} } @many], [1 .. 2000], 'and so do many');
    setitimer(ITIMER_REAL, 0);
}
ok($signals > 10, "$signals signals came");

# Each signal is due a time after the handler of the one before is done, so that what is interrupted gets on, however slow the machine is.
my $interval;
sub every_now_and_then {
    my ($handler) = @_;
    $interval = 0.002;
    $SIG{ALRM} = sub { $handler->(); setitimer(ITIMER_REAL, $interval) };
    setitimer(ITIMER_REAL, $interval);
    return;
}
sub no_more { setitimer(ITIMER_REAL, $interval = 0); return }

{
    my $wrong = 0;
    local $SIG{ALRM};
    every_now_and_then(sub { $signals++; $wrong++ if $other->call('test.echo', { n => $signals })->{n} != $signals });
    my $bad = grep { my $n = $_; $bridge->call('test.echo', { n => $n, a => [1, { b => $n }] })->{a}[1]{b} != $n } 1 .. 3000;
    no_more();
    is($bad, 0, 'calls are not disturbed by calls of a handler');
    is($wrong, 0, 'nor the other way round');
}

{
    # The same object: its connection is in the middle of a call.
    my $wrong = 0;
    local $SIG{ALRM};
    every_now_and_then(sub { $signals++; $wrong++ if $bridge->call('test.echo', { n => $signals })->{n} != $signals });
    my $bad = grep { my $n = $_; $bridge->call('test.echo', { n => $n })->{n} != $n } 1 .. 3000;
    my $slept = $bridge->call('test.sleep', { seconds => 0.1 }, timeout => 10)->{slept};
    no_more();
    is($bad, 0, 'nor by calls of a handler on the same object');
    is($wrong, 0, 'nor those by what they interrupt');
    ok($slept >= 0.1, 'also when the handler comes while an answer is waited for');
    is_deeply([$bridge->poll], [], 'and nothing is left over');
}

{
    local $SIG{ALRM} = sub { die "enough\n" };
    ok(!eval { setitimer(ITIMER_REAL, 0.05); $bridge->call('test.sleep', { seconds => 20 }); 1 }, 'a handler that dies ends a call');
    is($@, "enough\n", 'with what it died of');
    is_deeply($bridge->call('test.echo', { n => 5 }), { n => 5 }, 'and the next call gets its own answer');
    ok(!eval { setitimer(ITIMER_REAL, 0.05); $bridge->call_python('test', 'sleep', { seconds => 20 }); 1 }, 'also call_python: it is not its error to catch');
    is($@, "enough\n", 'with what it died of');
    for my $round (1 .. 200) {
        # Within, because the handler may come before the next statement.
        eval { setitimer(ITIMER_REAL, 0.0005 + $round / 1e6); $bridge->call('test.echo', { n => $_, text => 'x' x 1000 }) for 1 .. 1000; 1 };
        last if $@ ne "enough\n" || $bridge->call('test.echo', { n => $round })->{n} != $round;
    }
    is($@, "enough\n", 'wherever it strikes');
}

# A broker that is gone: without protection the write would end this process.
my $piped = 0;
$SIG{PIPE} = sub { $piped++ };
$broker->stop;
ok(!eval { CPANBridge->new(socket => $broker->socket_path, retry_count => 0)->call('test.ping'); 1 }, 'no broker');
$bridge->{retry_count} = 0;
ok(!eval { $bridge->call('test.ping'); 1 }, 'a connection whose broker is gone');
is($piped, 0, 'no SIGPIPE was raised');
is(ref $SIG{PIPE}, 'CODE', 'the handler is still there');

# A handler that closes the connection ends the call that it comes into, whichever way that goes.
for my $way ([], [timeout => 9]) {
    my $third = TestBroker->start;
    my $fresh = CPANBridge->new(socket => $third->socket_path, retry_count => 0);
    $fresh->call('test.echo', { a => 'b' });
    local $SIG{ALRM} = sub { $fresh->disconnect };
    setitimer(ITIMER_REAL, 0.1);
    ok(!eval { $fresh->call('test.sleep', { seconds => 5 }, @$way); 1 }, 'a call whose connection is closed by a handler');
    is($@->code, 'cancelled', 'is cancelled');
    setitimer(ITIMER_REAL, 0);
    is($fresh->call('test.echo', { a => 'c' })->{a}, 'c', 'and the next goes on');
    $third->stop;
    ok(!eval { $fresh->call('test.echo', { a => 'd' }); 1 }, 'what fails later');
    like($@->code, qr/\A(?:lost|connect)\z/, 'fails for a reason of its own');
}

done_testing;
