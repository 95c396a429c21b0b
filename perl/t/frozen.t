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
use Time::HiRes ();

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

# More than is read at once (and no more than the broker freezes in its loop), in every way of asking for the first.
{
    my @rows = map { { id => $_, name => "row number $_", price => $_ * 1.25, tags => ['one', $_ % 7], note => undef } } 1 .. 1_050;
    my %many = (rows => \@rows);
    my $ways = 0;
    for my $first (
        sub { $_[0]->call('test.echo', \%many) },
        sub { ($_[0]->pipeline(['test.echo', \%many]))[0] },
        sub { $_[0]->wait_for($_[0]->send_call('test.echo', \%many)) },
    ) {
        my $fresh = CPANBridge->new(socket => $broker->socket_path);
        my $before = $thawed;
        is_deeply($first->($fresh), \%many, 'a long result');
        is($thawed, $before, 'comes as ever');
        is_deeply($fresh->call('test.echo', \%many), \%many, 'and the next');
        is($thawed, $before + 1, 'as an image, way ' . ++$ways);
    }
}

# What has room in a frame as it is, and none as an image, comes as it is.
{
    my $narrow = TestBroker->start('--max-frame', '64KiB');
    my $fresh = CPANBridge->new(socket => $narrow->socket_path);
    my %many = (numbers => [map { 200 } 1 .. 20_000]);
    is(scalar(grep { @{ $fresh->call('test.echo', \%many)->{numbers} } == 20_000 } 1 .. 3), 3, 'a result that fits fits the next time as well');
    # Numbers that Storable would make texts of.
    my %large = (numbers => [map { 18_446_744_073_709_551_615 } 1 .. 2_000]);
    my ($one, $two) = map { $json->($fresh->call('test.echo', \%large)) } 1, 2;
    ok($one eq $two, 'and its numbers are numbers');
}

# An answer that comes when its call's time is over reaches nobody, and takes nobody with it.
{
    my $fresh = CPANBridge->new(socket => $broker->socket_path);
    $fresh->call('test.echo', \%params) for 1 .. 2;
    my $other = $fresh->send_call('test.sleep', { seconds => 0.6 });
    kill STOP => $broker->pid;
    ok(!eval { $fresh->call('test.echo', \%params, timeout => 0.2); 1 }, 'a call that is late');
    kill CONT => $broker->pid;
    is($@->code, 'timeout', 'has timed out');
    is_deeply($fresh->call('test.echo', { a => 3 }), { a => 3 }, 'the next has its own answer');
    ok(eval { $fresh->wait_for($other)->{slept} }, 'and so has the one beside it') or diag $@;
}

# One text is no faster for it.
my $text = { text => 'y' x 50_000 };
my $before = $thawed;
my $other = CPANBridge->new(socket => $broker->socket_path);
$other->call('test.echo', $text) for 1 .. 2;
is($thawed, $before, 'one long text comes as it is');

# Who is not trusted is not asked, also where another was before.
$before = $thawed;
{
    no warnings 'redefine';
    local *CPANBridge::Session::_is_trusted = sub { 0 };
    my $wary = CPANBridge->new(socket => $broker->socket_path);
    $wary->call('test.echo', \%params) for 1 .. 2;
    is($thawed, $before, 'another user\'s broker is not asked');
    is_deeply($bridge->call('test.echo', \%params), $first, 'nor is one who has come in the place of one that was asked');
    is($thawed, $before, 'and its answer comes as ever');
}

# A broker that answers with this image, from the second call on.
sub imaging {
    my ($image) = @_;
    return TestBroker->fake(sub {
        my ($connection) = @_;
        my $answered = 0;
        while (defined(my $frame = TestBroker::read_frame($connection))) {
            my $msgid = CPANBridge::MessagePack->unpack($frame)->[1];
            my $result = $answered++ ? pack('CNC', 0xc9, length $image, 1) . $image : CPANBridge::MessagePack->pack([1 .. 9_000]);
            my $bytes = pack 'N/a*', pack('A3NA', "\x94\x01\xce", $msgid, "\xc0") . $result;
            while (length $bytes) {
                my $count = syswrite $connection, $bytes or return;
                substr $bytes, 0, $count, '';
            }
        }
    });
}

# What claims more than there is, or takes more than it may, is told before it is done.
my $head = CPANBridge::Frozen::header();
for my $case (
    ['a list longer than its bytes',  $head . pack('CL', 2, 0x7fff_ffff),                      'protocol'],
    ['a hash longer than its bytes',  $head . pack('CL', 3, 0x0fff_ffff),                      'protocol'],
    ['what is no list and no map',    $head . pack('CCA*', 10, 1, 'x'),                        'protocol'],
    ['what is cut off',               $head . pack('CL', 2, 5) . "\x05\x05",                   'protocol'],
    ['more than the memory it may take', $head . pack('CL', 2, 400_000) . ("\x05" x 400_000),  'too_large'],
) {
    my ($name, $image, $code) = @$case;
    my $fake  = imaging($image);
    my $fresh = CPANBridge->new(socket => $fake->socket_path, answer_memory => 32 << 20, timeout => 5);
    $fresh->call('x.y');
    ok(!eval { $fresh->call('x.y'); 1 }, "$name is no answer");
    is($@->code, $code, "but the error $code");
}

# A signal's handler that dies while an image is read is not taken for a mistake in it.
{
    my $fake  = imaging(Storable::freeze({ rows => [map { [$_, "x$_"] } 1 .. 60_000] }));
    my $fresh = CPANBridge->new(socket => $fake->socket_path, timeout => 20);
    $fresh->call('x.y') for 1 .. 2;
    my $died = 0;
    for (1 .. 5) {
        # Its connection is lost with each.
        $fresh->call('x.y');
        no warnings 'redefine';
        my $whole = \&CPANBridge::Frozen::thaw;
        local $SIG{ALRM} = sub { die "enough\n" };
        local *CPANBridge::Frozen::thaw = sub { Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0.001); goto &$whole };
        $died++ if !eval { $fresh->call('x.y'); 1 } && $@ eq "enough\n";
        Time::HiRes::setitimer(Time::HiRes::ITIMER_REAL(), 0);
    }
    is($died, 5, 'it ends the call with its own words');
    is(scalar @{ $fresh->call('x.y') }, 9_000, 'and the next call is well');
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
