# Calls that a broker answers `unavailable`, because it is going, are the next one's; their time limits hold, and whoever waits for something
# else is not held up.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use Socket qw(AF_UNIX SOCK_STREAM pack_sockaddr_un);
use Test::More;
use Time::HiRes qw(setitimer ITIMER_REAL sleep);
use CPANBridge;
use CPANBridge::MessagePack;
use TestBroker;

my $GOING = { code => 'unavailable', message => 'the broker is shutting down' };

sub answer {
    my ($connection, $msgid, $error, $result) = @_;
    syswrite $connection, pack 'N/a*', CPANBridge::MessagePack->pack([1, $msgid, $error, $result]);
    return;
}

# A broker that refuses `x.refused`, answers `x.good` and leaves the rest alone.
sub partly {
    return TestBroker->fake(sub {
        my ($connection) = @_;
        while (defined(my $frame = TestBroker::read_frame($connection))) {
            my (undef, $msgid, $method) = @{ CPANBridge::MessagePack->unpack($frame) };
            $method eq 'x.refused' ? answer($connection, $msgid, $GOING) : $method eq 'x.good' && answer($connection, $msgid, undef, { ok => 1 });
        }
    });
}

# On a path that is free: one broker that refuses all of one connection and is gone then, and after a while the next, if there is to be one.
# It tells by a file when it goes.
sub one_after_the_other {
    my ($pause) = @_;
    my $directory = tempdir(CLEANUP => 1);
    my $path = "$directory/broker.sock";
    my $listen = sub {
        socket my $listener, AF_UNIX, SOCK_STREAM, 0 or die $!;
        bind $listener, pack_sockaddr_un($path) or die $!;
        listen $listener, 10 or die $!;
        return $listener;
    };
    my $first = $listen->();
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        $SIG{ALRM} = 'DEFAULT';
        setitimer(ITIMER_REAL, 30);
        accept my $connection, $first or die;
        close $first;
        unlink $path;
        while (defined(my $frame = TestBroker::read_frame($connection))) {
            answer($connection, CPANBridge::MessagePack->unpack($frame)->[1], $GOING);
        }
        POSIX::_exit(0) if !defined $pause;
        sleep $pause;
        my $second = $listen->();
        while (accept my $next, $second) {
            while (defined(my $frame = TestBroker::read_frame($next))) {
                answer($next, CPANBridge::MessagePack->unpack($frame)->[1], undef, { ok => 1 });
            }
        }
        POSIX::_exit(0);
    }
    require POSIX;
    return bless { path => $path, pid => $pid, directory => $directory }, 'Pair';
}

sub Pair::DESTROY {
    my ($self) = @_;
    local $?;
    kill KILL => $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

# What work comes to, and whether it ended by itself within a time that is longer than any limit here, without burning the processor.
sub outcome {
    my ($work) = @_;
    my ($result, $error);
    my ($user) = times;
    eval {
        local $SIG{ALRM} = sub { die "still at it\n" };
        setitimer(ITIMER_REAL, 15);
        $result = eval { $work->() };
        $error = $@;
        setitimer(ITIMER_REAL, 0);
        1;
    } or $error = $@;
    setitimer(ITIMER_REAL, 0);
    my ($after) = times;
    cmp_ok($after - $user, '<', 5, 'and nothing turns round meanwhile');
    return !defined $error || $error eq '' ? $result : ref $error ? $error->code : $error;
}

{
    my $fake = partly();
    my $bridge = CPANBridge->new(socket => $fake->socket_path, timeout => 10);
    my $other = $bridge->send_call('x.never');
    my $refused = $bridge->send_call('x.refused', {}, timeout => 0.5);
    is(outcome(sub { $bridge->wait_for($refused) }), 'timeout', 'a time limit holds while another call is under way');
    is(outcome(sub { $bridge->call('x.refused', {}, timeout => 0.5) }), 'timeout', 'and so does that of a call');
    $refused = $bridge->send_call('x.refused', {}, timeout => 0.5);
    my ($polled) = $bridge->poll(8);
    ok($polled && $polled == $refused, 'poll has it by its own limit');
    is($polled->error->code, 'timeout', 'and why');
    is($bridge->call('x.good')->{ok}, 1, 'the connection is good as ever');
    ok(!$other->is_done, 'and the other call waits on');
}

{
    my $pair = one_after_the_other(2);
    my $bridge = CPANBridge->new(socket => $pair->{path}, timeout => 12);
    my $short = $bridge->send_call('x.a', {}, timeout => 0.5);
    my $long  = $bridge->send_call('x.b');
    is(outcome(sub { $bridge->wait_for($short) }), 'timeout', 'one whose time is over');
    is_deeply(outcome(sub { $bridge->wait_for($long) }), { ok => 1 }, 'takes none of the others with it');
}

{
    my $pair = one_after_the_other(1);
    my $bridge = CPANBridge->new(socket => $pair->{path}, timeout => 5);
    my $ticket = $bridge->send_call('x.a');
    ok(!eval { local $SIG{ALRM} = sub { die "enough\n" }; setitimer(ITIMER_REAL, 0.4); $bridge->wait_for($ticket); 1 }, 'a handler dies in the wait');
    is($@, "enough\n", 'and whoever set it is told');
    sleep 0.02 until -e $pair->{path};
    is_deeply(outcome(sub { $bridge->wait_for($bridge->send_call('x.c')) }), { ok => 1 }, 'the next call is well');
    is_deeply(outcome(sub { $bridge->wait_for($ticket) }), { ok => 1 }, 'and so is the one that was waited for');
}

{
    my $fake = partly();
    my ($one, $two) = map { CPANBridge->new(socket => $fake->socket_path, timeout => 1) } 1, 2;
    $two->call('x.good');
    my $ticket = $one->send_call('x.never');
    like(outcome(sub { $two->wait_for($ticket) }), qr/another object.* at \S+refused\.t line/, 'the ticket of another object is refused at once');
    $two->cancel($ticket);
    is(outcome(sub { $one->wait_for($ticket) }), 'timeout', 'and stays what it is');
}

{
    my $pair = one_after_the_other();
    my $bridge = CPANBridge->new(socket => $pair->{path}, timeout => 60);
    my $ticket = $bridge->send_call('x.a', {}, timeout => 2);
    sleep 0.02 while -e $pair->{path};
    is(outcome(sub { $bridge->poll(0.05) for 1 .. 2; $bridge->fileno }), 'connect', 'fileno waits for no broker');
    is(outcome(sub { $bridge->wait_for($ticket) }), 'timeout', 'and leaves the refused call its time');
}

done_testing();
