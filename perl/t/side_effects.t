# What is the caller's stays the caller's.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my %signals = %SIG;

sub untouched {
    my ($what, $work) = @_;
    local ($_, $/, $\, $,) = ('topic', 'separator', undef, undef);
    $\ = 'record';
    $, = 'field';
    $@ = "an error\n";
    $! = 2;
    $? = 256;
    $work->();
    my @after = ($@, $! + 0, $?, $_, $/, $\, $,);
    ($\, $,) = (undef, undef);
    is_deeply(\@after, ["an error\n", 2, 256, 'topic', 'separator', 'record', 'field'], "$what leaves everything as it was");
    return;
}

my $bridge;
untouched('new', sub { $bridge = CPANBridge->new(socket => $broker->socket_path) });
untouched('the first call', sub { $bridge->call('test.ping') });
untouched('a call', sub { $bridge->call('test.echo', { a => [1, 'x', "\x{263a}", 1.5] }) });
untouched('call_python', sub { $bridge->call_python('test', 'ping') });
untouched('a failed call_python', sub { $bridge->call_python('test', 'nope') });
untouched('call_python without a broker', sub {
    local $CPANBridge::FALLBACK_ENABLED = 0;
    CPANBridge->new(socket => '/nonexistent')->call_python('test', 'ping');
});
untouched('oneshot', sub { local $CPANBridge::DAEMON_MODE = 0; $bridge->call_python('test', 'ping') });
untouched('pipeline', sub { $bridge->pipeline(['test.echo'], ['test.nope']) });
untouched('send_call and poll', sub { $bridge->send_call('test.echo'); $bridge->poll(5) });
untouched('wait_for', sub { $bridge->wait_for($bridge->send_call('test.echo')) });
untouched('notify', sub { $bridge->notify('test.echo', {}) });
untouched('fileno', sub { $bridge->fileno });
untouched('disconnect', sub { $bridge->disconnect });
untouched('a destructor', sub { $bridge->call('test.ping'); undef $bridge });
is_deeply({ map { $_ => $SIG{$_} } keys %signals }, \%signals, '%SIG as it was');

$bridge = CPANBridge->new(socket => $broker->socket_path);
my %parameters = (number => 5, text => 'x', list => [1, 2]);
my $copy = CPANBridge::MessagePack->new(canonical => 1)->pack(\%parameters);
$bridge->call('test.echo', \%parameters);
is(CPANBridge::MessagePack->new(canonical => 1)->pack(\%parameters), $copy, 'parameters are not changed');
my $died = eval { $bridge->call('test.nope'); 1 };
ok(!$died && ref $@, 'an error that is thrown arrives');

{
    local $SIG{__DIE__} = sub { fail("the handler saw: $_[0]") };
    ok($bridge->call_python('test', 'echo', { a => sub { } })->{code}, 'a __DIE__ handler of the script does not break a call');
}

done_testing;
