# The new interface, against a real broker.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use TestBroker;

my $broker = TestBroker->start;
my $bridge = CPANBridge->new(socket => $broker->socket_path);

is($bridge->call('test.ping', { a => 1 })->{message}, 'pong', 'a ping');
my $value = { text => "\x{263a}", bytes => "\xff\x00", number => -7, double => 0.1, list => [1, undef, { a => '1' }] };
is_deeply($bridge->call('test.echo', $value), $value, 'an echo keeps every type');
is_deeply($bridge->call('test.echo'), {}, 'parameters may be left out');

my $cipher = $bridge->call('crypto.new', { key => 'my secret key' })->{cipher_id};
like($cipher, qr/\A[0-9a-f]{32}\z/, 'a cipher');
my $other = CPANBridge->new(socket => $broker->socket_path);
my $hex = $other->call('crypto.encrypt', { cipher_id => $cipher, plaintext => 'Hello' })->{encrypted};
is($bridge->call('crypto.decrypt', { cipher_id => $cipher, hex_ciphertext => $hex })->{decrypted}, 'Hello',
    'made on one connection, used on another');

# Errors are objects with the script's place.
eval { $bridge->call('crypto.encrypt', { cipher_id => 'no such', plaintext => 'x' }) }; my $line = __LINE__;
my $error = $@;
isa_ok($error, 'CPANBridge::Error');
is($error->code, 'not_found', 'code');
like($error->message, qr/Invalid cipher ID or cipher expired/, 'message');
is($error->method, 'crypto.encrypt', 'method');
is_deeply([$error->file, $error->line], [__FILE__, $line], 'file and line');
is("$error", 'crypto.encrypt: Invalid cipher ID or cipher expired (not_found) at ' . __FILE__ . " line $line.\n", 'as text');
eval { $bridge->call('crypto.encypt', {}) };
like($@->message, qr/did you mean `encrypt`/, 'the nearest name');
ok((grep { $_ eq 'encrypt' } @{ $@->data->{available} }), 'what there is');
eval { $bridge->call('test.echo', { code => sub { } }) };
is($@->code, 'invalid_params', 'what has no form is told before anything is sent');
eval { $bridge->call('test.echo', [1]) };
is($@->code, 'invalid_params', 'a list is no parameters');
is_deeply($bridge->call('test.echo', { ok => 1 }), { ok => 1 }, 'and the connection is as good as before');

# Large things.
my $large = 'x' x 3_000_000;
is($bridge->call('test.echo', { large => $large })->{large}, $large, 'megabytes there and back');
eval { $bridge->call('test.echo', { large => 'x' x (17 << 20) }) };
is($@->code, 'protocol', 'a message above max_frame');
like($@->message, qr/above max_frame/, 'and why');
is_deeply($bridge->call('test.echo', {}), {}, 'a new connection after it');

# Many at once.
my @results = $bridge->pipeline(['test.echo', { n => 1 }], ['test.nope'], ['test.echo', { n => 3 }], ['test.echo', sub { }]);
is_deeply([@results[0, 2]], [{ n => 1 }, { n => 3 }], 'results in the order asked');
isa_ok($results[1], 'CPANBridge::Error', 'a failed call');
is($results[3]->code, 'invalid_params', 'a call that can not be sent');
is_deeply([map { $_->{n} } $bridge->pipeline(map { ['test.echo', { n => $_ }] } 1 .. 5000)], [1 .. 5000], 'thousands');
my @heavy = $bridge->pipeline(map { ['test.echo', { n => $_, large => 'x' x 100_000 }] } 1 .. 200);
is_deeply([map { $_->{n} } @heavy], [1 .. 200], 'more than both sides would hold for each other');
is_deeply([$bridge->pipeline], [], 'none');
my @mixed = $bridge->pipeline(['test.echo', {}], ['test.echo', { deep => [{ a => [1, undef] }] }], ['test.nope'], ['test.echo', {}]);
isa_ok(splice(@mixed, 2, 1), 'CPANBridge::Error', 'one that fails among others');
is_deeply(\@mixed, [{}, { deep => [{ a => [1, undef] }] }, {}], 'answers of one byte and others');

# Progress.
my @seen;
$bridge->call('test.sleep', { seconds => 0.05, steps => 3 }, progress => sub { push @seen, [@_] });
is_deeply(\@seen, [[1, 3, 'steps'], [2, 3, 'steps'], [3, 3, 'steps']], 'progress is told');

# One connection for each call.
my $single = CPANBridge->new(socket => $broker->socket_path, persistent => 0);
$single->call('test.ping') for 1 .. 10;
undef $other;
is($bridge->call('system.connections')->{active_connections}, 1, 'none is left open');

eval { CPANBridge->new(sokket => 'x') };
like($@, qr/unknown argument.*sokket.*at \Q${\ __FILE__}\E/s, 'an unknown argument');
is(ref $bridge->new, 'CPANBridge', 'new on an object');

# Nobody there.
# A name that is not known: of the same version that is a mistake, of another it may be newer.
eval { $bridge->call('crypto.nope') };
is($@->code, 'unknown_function', 'an unknown function');
unlike($@->message, qr/this client/, 'is a mistake');
{
    local $CPANBridge::Envelope::VERSION = '9.900';
    eval { $bridge->call('crypto.nope') };
    like($@->message, qr/this client is of version 9\.900; `cpan-bridge reload`/, 'or one of another version');
}

my $nobody = CPANBridge->new(socket => '/nonexistent/broker.sock');
eval { $nobody->call('test.ping') };
is($@->code, 'connect', 'no broker');
like($@->message, qr{/nonexistent/broker.sock.*cpan-bridge serve}, 'and what to do');
eval { CPANBridge->new(socket => '/' . 'x' x 200)->call('test.ping') };
is($@->code, 'connect', 'a path that is too long');

done_testing;
