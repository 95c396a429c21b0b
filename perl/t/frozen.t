# Long results come as images for Storable, and are what they would have been.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use CPANBridge::MessagePack;
use JSON::PP ();
use TestBroker;

# Loaded already, so that less is long.
plan skip_all => 'needs Storable 3' if !eval { require Storable; Storable->VERSION(3) };
my $broker = TestBroker->start('--workers', 2);
my $bridge = CPANBridge->new(socket => $broker->socket_path);
require CPANBridge::Frozen;
my $thawed = 0;
{
    my $whole = \&CPANBridge::Frozen::thaw;
    no warnings 'redefine';
    *CPANBridge::Frozen::thaw = sub { my $value = $whole->(@_); $thawed++ if defined $value; return $value };
}

# Values of every kind, many times over: more than is short.
my @kinds = (
    undef, 0, 1, -1, 127, 128, -128, -129, 255, 65_536, 2_147_483_647, -2_147_483_648, 2_147_483_648, 4_294_967_296,
    9_223_372_036_854_775_807, -9_223_372_036_854_775_807 - 1, 0.5, -1.25e300, 1e-300, '', '0', 'text', "caf\xe9", "\x{20ac}uro", "\x00\xff\x80",
    'x' x 255, 'x' x 256, "\x{263a}" x 200, [], {}, [[]], [{}], { a => [] }, { list => [1, { deep => [undef] }] },
    { "caf\xe9" => 1, plain => 2 }, { "\x{20ac}" => 1, "caf\xe9" => 2, plain => 3 }, { '' => 0 }, { 1 => 'one' },
);
my %params = (rows => [map { [@kinds] } 1 .. 8]);
my $first = $bridge->call('test.echo', \%params);
is($thawed, 0, 'the first comes as ever');
my $second = $bridge->call('test.echo', \%params);
is($thawed, 1, 'the second as an image');
is_deeply($second, $first, 'which is the same');
my $json = sub { return JSON::PP->new->canonical->ascii->encode($_[0]) };
ok($json->($second) eq $json->($first), 'numbers are numbers and texts are texts');
is_deeply($bridge->call('test.echo', { a => 1 }), { a => 1 }, 'a short one stays as it is');
is($thawed, 1, 'no image');

# In every other way.
is_deeply([$bridge->pipeline(['test.echo', \%params], ['test.echo', { a => 2 }])], [$first, { a => 2 }], 'in a pipeline');
my $ticket = $bridge->send_call('test.echo', \%params);
is_deeply($bridge->wait_for($ticket), $first, 'for a ticket');
my @polled;
$ticket = $bridge->send_call('test.echo', \%params);
for (1 .. 500) { last if @polled = $bridge->poll(0.1) }
is_deeply($polled[0]->result, $first, 'polled for');
is_deeply($bridge->call('test.echo', \%params, progress => sub { }), $first, 'with progress');
is($thawed, 5, 'all of them images');

# One text is no faster for it.
my $text = { text => 'y' x 50_000 };
my $before = $thawed;
my $other = CPANBridge->new(socket => $broker->socket_path);
$other->call('test.echo', $text) for 1 .. 2;
is($thawed, $before, 'one long text comes as it is');

# Who is not trusted is not asked, and not believed.
{
    no warnings 'redefine';
    local *CPANBridge::Session::_is_trusted = sub { 0 };
    my $wary = CPANBridge->new(socket => $broker->socket_path);
    $wary->call('test.echo', \%params) for 1 .. 2;
    is($thawed, $before, 'another user\'s broker is not asked');
    eval { $bridge->call('test.echo', \%params) };
    is($@->code, 'protocol', 'and an image of one is no answer');
}

# A broker that knows nothing of it, and counts how often it was asked. Its answers' heads are as the broker's own.
my $asked = 0;
my $old = TestBroker->fake(sub {
    my ($connection) = @_;
    while (defined(my $frame = TestBroker::read_frame($connection))) {
        my $message = CPANBridge::MessagePack->unpack($frame);
        my $is_asked = exists $message->[4]{frozen};
        $asked++ if $is_asked;
        my $error = { code => 'invalid_params', message => 'unknown option `frozen`; known are timeout_ms and progress' };
        my ($failure, $result) = $is_asked ? ($error, undef) : (undef, { rows => [1 .. 9_000], asked => $asked });
        syswrite $connection, pack 'N/a*', pack('A3N', "\x94\x01\xce", $message->[1]) . join '', map { CPANBridge::MessagePack->pack($_) } $failure, $result;
    }
});
my $client = CPANBridge->new(socket => $old->socket_path);
my @answers = map { $client->call('test.echo', {}) } 1 .. 3;
is_deeply([map { scalar @{ $_->{rows} } } @answers], [(9_000) x 3], 'an older broker');
is_deeply([map { $_->{asked} } @answers], [0, 1, 1], 'is asked once');
# After an update the scripts' client may be newer than the broker that runs.
$client = CPANBridge->new(socket => $old->socket_path);
$client->call('test.echo', {});
is(scalar @{ ($client->pipeline(['test.echo', {}]))[0]{rows} }, 9_000, 'which is not asked in a pipeline');
is(scalar @{ $client->wait_for($client->send_call('test.echo', {}))->{rows} }, 9_000, 'nor for a ticket');

# Images that are none.
for my $damage (sub { substr $_[0], 30, 40, '' }, sub { substr $_[0], 8, 1, "\x99" }, sub { substr $_[0], 0, 1, "\x05" }, sub { $_[0] = '' }) {
    my $header = CPANBridge::Frozen::header();
    my $image = Storable::freeze({ rows => [map { [$_ x 3] } 1 .. 2_000] });
    $damage->($image);
    my $answered = 0;
    my $liar = TestBroker->fake(sub {
        my ($connection) = @_;
        while (defined(my $frame = TestBroker::read_frame($connection))) {
            my $msgid = CPANBridge::MessagePack->unpack($frame)->[1];
            my $result = $answered++ ? pack('CNC', 0xc9, length $image, 1) . $image : CPANBridge::MessagePack->pack([1 .. 9_000]);
            syswrite $connection, pack 'N/a*', pack('A3NA', "\x94\x01\xce", $msgid, "\xc0") . $result;
        }
    });
    my $cheated = CPANBridge->new(socket => $liar->socket_path, timeout => 5);
    $cheated->call('test.echo', {});
    eval { $cheated->call('test.echo', {}) };
    is($@ && $@->code, 'protocol', 'a broken image is an error');
}

done_testing;
