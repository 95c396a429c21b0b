# The existing interface: shapes at every depth, package variables, methods.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
local $ENV{CPAN_BRIDGE_SOCKET} = $broker->socket_path;
my $bridge = CPANBridge->new(debug => 0);

my $made = $bridge->call_python('crypto', 'new', { key => 'my secret key', cipher => 'Blowfish' });
ok($made->{success}, 'success');
my $id = $made->{result}{cipher_id};
like($id, qr/\A[0-9a-f]{32}\z/, 'result');
is($made->{cipher_id}, $id, 'flat');
is($made->{result}{result}{cipher_id}, $id, 'nested twice');
ok($made->{result}{success}, 'the inner success');
ok(!exists $made->{result}{result}{result}, 'no cycle');

my $encrypted = $bridge->call_python('crypto', 'encrypt', { cipher_id => $id, plaintext_hex => unpack 'H*', 'Hello' });
my $decrypted = $bridge->call_python('crypto', 'decrypt', { cipher_id => $id, hex_ciphertext => $encrypted->{result}{encrypted} });
is(pack('H*', $decrypted->{result}{decrypted_hex}), 'Hello', 'the three requests');
is($bridge->call_python('test', 'ping')->{message}, 'pong', 'flat modules');

my $own = $bridge->call_python('test', 'echo', { success => 0, result => 'mine', x => 1 });
is_deeply($own, { success => 0, result => 'mine', x => 1 }, "a payload's own keys win");
is_deeply($bridge->call_python('test', 'check_module', { module => 'crypto' }), { success => 1, result => 1 }, 'no hash');

my $failed = $bridge->call_python('crypto', 'encrypt', { cipher_id => 'none', plaintext => 'x' });
is($failed->{success}, 0, 'failure');
like($failed->{error}, qr/Invalid cipher ID or cipher expired/, 'its text');
is_deeply([sort keys %$failed], [qw(code duration error function module success)], 'its keys');
is_deeply([@{$failed}{qw(module function code)}], ['crypto', 'encrypt', 'not_found'], 'and values');
ok($failed->{duration} >= 0, 'a duration');
is($bridge->get_last_error, $failed->{error}, 'get_last_error');
$bridge->call_python('test', 'ping');
is($bridge->get_last_error, '', 'no error any more');

for my $case ([undef, 'x'], ['', 'x'], ['test'], ['test', '']) {
    ok(!eval { $bridge->call_python(@$case); 1 }, 'croaks without a name');
    like($@, qr/required at \Q${\ __FILE__}\E/, 'at the place of the call');
}
is($bridge->call_python('test', 'echo', { a => sub { } })->{code}, 'invalid_params', 'never dies for parameters');

my $stats = $bridge->get_performance_stats;
is($stats->{'test.ping'}{call_count}, 2, 'calls are counted');
ok($stats->{'test.ping'}{last_duration} > 0, 'and timed');
$bridge->clear_performance_stats;
is_deeply($bridge->get_performance_stats, {}, 'cleared');

is($bridge->test_python_bridge, 1, 'test_python_bridge');
is($bridge->check_python_module('crypto'), 1, 'a module there is');
is($bridge->check_python_module('no_such_module'), 0, 'one there is not');
is($bridge->get_last_python_output, undef, 'no python');

# Package variables are read with every call.
{
    local $CPANBridge::TIMEOUT = 0.05;
    is($bridge->call_python('test', 'sleep', { seconds => 5 })->{code}, 'timeout', '$TIMEOUT');
    $bridge->set_timeout(10);
    ok($bridge->call_python('test', 'sleep', { seconds => 0.1 })->{success}, 'a timeout that was chosen wins');
}
is($CPANBridge::DAEMON_SOCKET, "/tmp/cpan-bridge-$>/broker.sock", '$DAEMON_SOCKET is defined from the beginning, and names nothing');
{
    my $fresh = CPANBridge->new;
    local $CPANBridge::DAEMON_SOCKET = '/nonexistent/broker.sock';
    local $CPANBridge::FALLBACK_ENABLED = 0;
    my $result = $fresh->call_python('test', 'ping');
    is($result->{code}, 'connect', '$DAEMON_SOCKET');
    like($result->{error}, qr{/nonexistent/broker.sock}, 'says which');
    is($fresh->test_python_bridge, 0, 'no bridge');
}
$bridge->set_retry_count(1);
$bridge->set_max_json_size(5);
is_deeply([@{$bridge}{qw(retry_count max_json_size timeout)}], [1, 5, 10], 'setters');
ok(defined $CPANBridge::MAX_JSON_SIZE, '$MAX_JSON_SIZE is there');
{
    no warnings 'once';
    local $CPANBridge::PYTHON_PATH = 'x';
    local $CPANBridge::PYTHON_BRIDGE_SCRIPT = 'x';
    local $CPANBridge::DAEMON_SCRIPT = 'x';
    ok($bridge->call_python('test', 'ping')->{success}, 'variables without meaning');
}

# Debug lines are on standard error and hold no parameter.
{
    open my $saved, '>&', \*STDERR or die;
    close STDERR;
    open STDERR, '>', \my $said or die;
    local ($,, $\) = ('comma', 'end');
    $bridge->set_debug(1);
    $bridge->set_max_json_size(1000);
    $bridge->call_python('test', 'echo', { key => 'hunter2' });
    $bridge->_debug('from a subclass');
    $bridge->set_max_json_size(10_000_000);
    $bridge->call_python('test', 'echo', { large => 'hunter2' x 2_000_000 });
    $bridge->set_debug(0);
    $bridge->_debug('not this');
    close STDERR;
    open STDERR, '>&', $saved or die;
    like($said, qr/\A\[CPANBridge\] test\.echo done in [\d.]+ s\n\[CPANBridge\] from a subclass\n/, 'debug lines');
    like($said, qr/test\.echo is given 140\d+ bytes, more than max_json_size \(10000000\)\n/, 'a word on size');
    unlike($said, qr/not this/, 'and none when switched off');
    unlike($said, qr/hunter2/, 'without parameters');
}

done_testing;
