# A broker is started when there is none: one, however many scripts start at once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Fcntl qw(:flock);
use File::Temp ();
use CPANBridge;
use OnlyRuntime;
use TestBroker;

my $runtime = File::Temp::tempdir(CLEANUP => 1);
$ENV{XDG_RUNTIME_DIR} = $runtime;
my $socket = "$runtime/cpan-bridge/broker.sock";

# Twenty scripts, no broker, one call each.
my @children;
pipe my $go, my $start or die;
for my $number (1 .. 20) {
    pipe my $read, my $write or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        close $start;
        sysread $go, my $nothing, 1;
        my $result = eval { my $info = CPANBridge->new->call('system.info'); $info->{pid} } || "failed: $@";
        syswrite $write, $result;
        require POSIX;
        POSIX::_exit(0);
    }
    close $write;
    push @children, [$pid, $read];
}
close $start;
my %brokers;
for my $child (@children) {
    my ($pid, $read) = @$child;
    sysread $read, my $said, 1000;
    waitpid $pid, 0;
    $brokers{$said}++;
}
is_deeply([values %brokers], [20], 'twenty scripts at once: one broker, no lost call') or diag explain \%brokers;
my $bridge = CPANBridge->new;
my $configuration = $bridge->call('system.info')->{configuration};
is($configuration->{idle_exit}, 900, 'it ends by itself when not needed');
is((stat $socket)[2] & 07777, 0600, 'its socket is private');
is((stat "$runtime/cpan-bridge")[2] & 07777, 0700, 'and its directory');
$bridge->call('system.shutdown');
ok(TestBroker::eventually(sub { !-e $socket }), 'it ended');

is($bridge->call('test.ping')->{message}, 'pong', 'an object whose broker ended starts the next');
$bridge->call('system.shutdown');
ok(TestBroker::eventually(sub { !-e $socket }), 'it ended');

# A script that was started under a lock, as cron's are with flock(1): the lock goes with the script, not with the broker. Nor does the
# broker have what was in the script's environment.
{
    my $lock = "$runtime/job.lock";
    local $ENV{API_TOKEN} = 'secret';
    my $script = 'my $bridge = CPANBridge->new; print $bridge->call("system.info")->{pid}';
    my $pid = qx{(flock -n 9 && $^X -I"$FindBin::Bin/../lib" -MCPANBridge -e '$script') 9>"$lock"};
    SKIP: {
        skip 'there is no flock here', 3 if $pid !~ /\A\d+\z/;
        ok(kill(0, $pid), 'it started a broker, which lives on');
        open my $next, '>', $lock or die $!;
        ok(flock($next, LOCK_EX | LOCK_NB), 'and the lock is free for the next run');
        SKIP: {
            open my $environment, '<', "/proc/$pid/environ" or skip "its environment can't be read", 1;
            local $/;
            unlike(readline $environment, qr/API_TOKEN/, 'its environment is not the script\'s');
        }
    }
    $bridge->call('system.shutdown');
    ok(TestBroker::eventually(sub { !-e $socket }), 'it ended');
    is($bridge->call('test.ping')->{message}, 'pong', 'and the next is started');
}

# A broker that was killed leaves its socket; that is no obstacle.
my $pid = $bridge->call('system.info')->{pid};
kill 'KILL', $pid;
is($bridge->call('test.ping')->{message}, 'pong', 'a broker in place of one that was killed');
$bridge->call('system.shutdown');

# On a socket that was named nothing is started, unless asked for.
my $named = "$runtime/named/broker.sock";
eval { CPANBridge->new(socket => $named)->call('test.ping') };
is($@->code, 'connect', 'a named socket that nobody answers is an error');
like($@->message, qr/\Q$named\E.*autostart => 1/, 'that says what to do');
my $asked = CPANBridge->new(socket => $named, autostart => 1);
is($asked->call('test.ping')->{message}, 'pong', 'started when asked for');
$asked->call('system.shutdown');
ok(TestBroker::eventually(sub { !-e $named }), 'it ended');

eval { CPANBridge->new(autostart => 0)->call('test.ping') };
is($@->code, 'connect', 'nothing is started when not wanted');
{
    local $ENV{CPAN_BRIDGE_AUTOSTART} = 0;
    eval { CPANBridge->new->call('test.ping') };
    is($@->code, 'connect', 'nor when the operator does not want it');
    is(CPANBridge->new(autostart => 1)->call('test.ping')->{message}, 'pong', 'but a script may say otherwise');
    CPANBridge->new(autostart => 1)->call('system.shutdown');
}
{
    local $ENV{CPAN_BRIDGE_AUTOSTART} = '';
    my $client = CPANBridge->new;
    is($client->call('test.ping')->{message}, 'pong', 'nothing said is not no');
    $client->call('system.shutdown');
}

{
    local $ENV{CPAN_BRIDGE_BIN} = '/nonexistent/cpan-bridge';
    local $CPANBridge::FALLBACK_ENABLED = 0;
    my $result = CPANBridge->new->call_python('test', 'ping');
    is($result->{code}, 'connect', 'no program');
    like($result->{error}, qr/none could be started/, 'is told');
}

# A directory that somebody else could have put there is not trusted.
mkdir "$runtime/cpan-bridge";
chmod 0777, "$runtime/cpan-bridge";
eval { CPANBridge->new(autostart => 0)->call('test.ping') };
like($@->message, qr/not to be trusted: .*can be written by others/, 'a directory that others can write');

# Who is kept out learns how to be let in.
SKIP: {
    skip 'needs root, to be somebody else', 2 if $> != 0;
    my $directory = File::Temp::tempdir(CLEANUP => 1);
    chmod 0755, $directory;
    for my $case ([0660, qr/Permission denied \(it is for group \S+: usermod -aG \S+, then log in anew\)/], [0600, qr/Permission denied \(it is for its owner alone: user root can let you in, by the settings allow_user and socket_mode; [^)]*\)\z/]) {
        my ($mode, $expected) = @$case;
        my $broker = TestBroker->start;
        rename $broker->socket_path, "$directory/broker.sock" or die $!;
        chmod $mode, "$directory/broker.sock";
        local ($), $>) = ('65534 65534', $>);
        $> = 65534;
        my $error = eval { CPANBridge->new(socket => "$directory/broker.sock")->call('test.ping'); '' } || $@->message;
        $> = 0;
        like($error, $expected, 'what to do');
    }
}

done_testing;
