# Without a broker: a process for each call.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $bridge = CPANBridge->new(socket => '/nonexistent/broker.sock');

my $fallen_back = $bridge->call_python('crypto', 'hash', { data => 'abc' });
is($fallen_back->{hash}, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'the fallback answers');
my $stateful = $bridge->call_python('crypto', 'new', { key => 'k' });
is($stateful->{success}, 0, 'a call that keeps state fails');
like($stateful->{error}, qr/running broker/, 'and says so');
{
    local $CPANBridge::FALLBACK_ENABLED = 0;
    is($bridge->call_python('crypto', 'hash', { data => 'abc' })->{code}, 'connect', 'no fallback when not wanted');
}
{
    local $CPANBridge::DAEMON_MODE = 0;
    my $value = { text => "\x{263a}", bytes => "\xff", list => [1, undef] };
    my $echo = $bridge->call_python('test', 'echo', $value);
    is_deeply($echo->{result}{result}, $value, 'every type');
    my $large = 'x' x 3_000_000;
    is($bridge->call_python('test', 'echo', { large => $large })->{large}, $large, 'megabytes');
    is($bridge->call_python('test', 'nope')->{code}, 'unknown_function', 'errors');
    local $CPANBridge::TIMEOUT = 0.1;
    is(CPANBridge->new->call_python('test', 'sleep', { seconds => 20 })->{success}, 0, 'a time limit');
}
{
    local $ENV{CPAN_BRIDGE_BIN} = '/nonexistent/cpan-bridge';
    my $result = $bridge->call_python('test', 'ping');
    like($result->{error}, qr{/nonexistent/broker.sock}, 'without the program, what keeps the broker away is told');
}
is((wait), -1, 'no process is left');

done_testing;
