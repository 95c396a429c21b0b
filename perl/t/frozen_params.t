# Parameters that hold much go as an image of Storable's, and come as what they would have been.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge;
use JSON::PP ();
use TestBroker;

# Loaded already, so that less is much.
plan skip_all => 'needs Storable 3' if !eval { require Storable; Storable->VERSION(3) };
my $broker = TestBroker->start('--workers', 2);
my $bridge = CPANBridge->new(socket => $broker->socket_path);
require CPANBridge::Frozen;
require CPANBridge::MessagePack;
plan skip_all => 'this perl sends no images' if !CPANBridge::MessagePack::is_bulk({ list => [1 .. 600] }) || !defined((CPANBridge::Frozen::image({}))[0]);
# Parameters that became images, and requests that were made of any.
my ($images, $requests) = (0, 0);
{
    require CPANBridge::Envelope;
    my $image = \&CPANBridge::Frozen::image;
    my $encode = \&CPANBridge::Envelope::encode;
    no warnings 'redefine';
    *CPANBridge::Frozen::image = sub { my @made = &$image; $images++ if defined $made[0]; return @made };
    *CPANBridge::Envelope::encode = sub { $requests++; goto &$encode };
}
my $json = JSON::PP->new->canonical->ascii->allow_nonref;
sub without_images {
    my ($work) = @_;
    no warnings 'redefine';
    no warnings 'once';
    local *CPANBridge::MessagePack::is_bulk = sub { return 0 };
    return $work->();
}

# Values of every kind, many times over.
my $number_as_text = 5;
my $text_of_it = "$number_as_text";
my $text_as_number = '7';
my $number_of_it = $text_as_number + 1;
my $locked_away = "caf\xe9";
utf8::upgrade($locked_away);
my @kinds = (
    undef, 0, 1, -1, 127, 128, -128, -129, 255, 256, 65_535, 65_536, -32_768, -32_769, 2_147_483_647, -2_147_483_648, -2_147_483_649, 2_147_483_648,
    4_294_967_295, 4_294_967_296, 9_223_372_036_854_775_807, -9_223_372_036_854_775_807 - 1, 0.5, -1.25e300, 1e-300, '', '0', 'text', "caf\xe9",
    "\x{20ac}uro", "\x00\xff\x80", $locked_away, $number_as_text, $text_as_number, 'x' x 31, 'x' x 32, 'x' x 255, 'x' x 256,
    "\xe9" x 300, "\x{263a}" x 200, [], {}, [[]], [{}], { a => [] }, { list => [1, { deep => [undef] }] }, [(1) x 17], { map { $_ => 1 } 1 .. 17 },
    { "caf\xe9" => 1, plain => 2 }, { "\x{20ac}" => 1, "caf\xe9" => 2, plain => 3 }, { $locked_away => 1 }, { '' => 0 }, { 1 => 'one' }, 1 == 1, 1 == 0,
);
# Each row on its own: one list in two places has no image.
my $rows = sub { my (@values) = @_; return { rows => [map { Storable::dclone(\@values) } 1 .. 600 / @values + 1], note => "caf\xe9", long => 'x' x 70_000 } };
{
    my $sent = $rows->(@kinds);
    my $expected = without_images(sub { $json->encode($bridge->call('test.echo', $sent)) });
    is($images, 0, 'the first went as a map');
    my @came;
    is($json->encode($came[0] = $bridge->call('test.echo', $sent)), $expected, 'an image is what the map was');
    is($images, 1, 'it was one');
    is_deeply($came[0]{rows}, $sent->{rows}, 'value for value');
    is($json->encode($bridge->call('test.echo', $sent, timeout => 20)), $expected, 'with options');
    is($json->encode(($bridge->pipeline(['test.echo', { a => 1 }], ['test.echo', $sent]))[1]), $expected, 'in a pipeline');
    is($json->encode($bridge->wait_for($bridge->send_call('test.echo', $sent))), $expected, 'with a ticket');
    is($images, 2, 'those by `call` are images: a refused one can be sent again as a map, in the same order with others');
    is_deeply($bridge->call_python('test', 'echo', $sent)->{rows}, $sent->{rows}, 'and by the existing interface');
    is($images, 3, 'an image as well');
    my $each = CPANBridge->new(socket => $broker->socket_path, persistent => 0);
    is($json->encode($each->call('test.echo', $sent)), $expected, 'with a connection for each call');
}

# Numbers that have been looked at as texts, and texts that were counted with, stay what they were.
{
    my @looked_at = (12, 1.5, '12', '1.5', 3.0);
    my @seen = map { "$_" } @looked_at[0, 1];
    my $sum = $looked_at[2] + $looked_at[3];
    my $sent = $rows->(@looked_at);
    is($json->encode($bridge->call('test.echo', $sent)), without_images(sub { $json->encode($bridge->call('test.echo', $sent)) }), 'as packed');
}

# What an image may not hold goes as a map after all, and so do its method's next ones.
{
    package Written;
    use overload '""' => sub { return 'written out' };
}
my $shared = ['shared'];
tie my @tied, 'Tied';
{
    package Tied;
    sub TIEARRAY  { return bless {}, shift }
    sub FETCH     { return "tied $_[1]" }
    sub FETCHSIZE { return 600 }
}
my $deep = [];
my $deepest = $deep;
$deepest = $deepest->[0] = [] for 1 .. 50;
my $too_deep = [];
$deepest = $too_deep;
$deepest = $deepest->[0] = [] for 1 .. 70;
for (
    ['an object that is written out', [bless({}, 'Written'), (1) x 600]],
    ['booleans', [JSON::PP::true(), JSON::PP::false(), (1) x 600]],
    ['references to 1', [\1, \0, (1) x 600]],
    ['one list twice', [$shared, $shared, (1) x 600]],
    ['a tied list', \@tied],
    ['integers beyond 63 bits', [18_446_744_073_709_551_615, 9_223_372_036_854_775_808, (1) x 600]],
    ['the texts of such', ['18446744073709551615', (1) x 600]],
    ['deep lists', [$deep, (1) x 600]],
) {
    my ($name, $list) = @$_;
    my $fresh = CPANBridge->new(socket => $broker->socket_path);
    my $expected = without_images(sub { $json->encode($fresh->call('test.echo', { list => $list })) });
    is($json->encode($fresh->call('test.echo', { list => $list })), $expected, $name);
    ($images, $requests) = (0, 0);
    is($json->encode($fresh->call('test.echo', { list => $list }) || {}), $expected, "$name, again");
    cmp_ok($requests, '<=', 1, 'in one request');
}
# A refused image does no harm to what is sent in other ways.
{
    my $fresh = CPANBridge->new(socket => $broker->socket_path);
    $fresh->call('test.echo', { list => [(12_345) x 2_000] }) for 1, 2;
    my $list = [~0, (1) x 600];
    is_deeply(($fresh->pipeline(['test.echo', { list => $list }]))[0], { list => $list }, 'what has no image, in a pipeline');
    is_deeply($fresh->wait_for($fresh->send_call('test.echo', { list => $list })), { list => $list }, 'with a ticket');
}

# Objects' methods for Storable are not called.
{
    package Hooked;
    our $CALLED = 0;
    use overload '""' => sub { return 'text' }, fallback => 1;
    sub STORABLE_freeze { $CALLED++; $_ = 'changed'; die "not to be frozen\n" }
}
{
    local $_ = 'mine';
    is_deeply($bridge->call('test.echo', { list => [bless({}, 'Hooked'), (1) x 600] })->{list}[0], 'text', 'an object with a method for Storable');
    is_deeply([$Hooked::CALLED, $_], [0, 'mine'], 'which is not called');
}

# What is magical is looked at once, and before the client does anything with it.
{
    package Counted;
    sub TIESCALAR { return bless [0], shift }
    sub FETCH { return 'fetched ' . ++$_[0][0] }
}
for my $case ([0], [5], [5, JSON::PP::true()], [599, sub { }], [0, ~0]) {
    my ($at, @beside) = @$case;
    my $list = [1 .. 600, @beside];
    my $tied = tie $list->[$at], 'Counted';
    $bridge->call('test.echo', { list => [1 .. 600] });
    $tied->[0] = 0;
    my $came = eval { $bridge->call('test.echo', { list => $list })->{list}[$at] } || 'refused';
    is($came, ref $beside[0] eq 'CODE' ? 'refused' : 'fetched 1', "a tied element at $at");
    is($tied->[0], 1, 'looked at once');
}
sub aliases { my ($list) = @_; shift; return $list->call('test.echo', { list => \@_ })->{list} }
{
    my $text = 'hello';
    my $word = 'aab';
    $word =~ /a/g;
    my $what = sub { 'abc def' =~ /(\w+) (\w+)/; return aliases($bridge, $1, $2, $&, substr($text, 1, 3), pos $word, $_[0], (1) x 600) };
    for my $beside (1, ~0, JSON::PP::true()) {
        is_deeply([@{ $what->($beside) }[0 .. 4]], ['abc', 'def', 'abc def', 'ell', 1], 'aliases of what is magical');
    }
    my $long = 'x' x 700;
    my $groups = '(x)' x 700;
    $long =~ /$groups/;
    is_deeply($bridge->call('test.echo', { ends => \@+ })->{ends}, [@+], 'an array that is magical');
}

for (['code', sub { }], ['a glob', \*STDOUT], ['what is too deep', $too_deep], ['a class of its own', bless({}, 'Unknown')]) {
    my ($name, $what) = @$_;
    my $fresh = CPANBridge->new(socket => $broker->socket_path);
    my @errors = map {
        my $work = sub { eval { $fresh->call('test.echo', { list => [$what, (1) x 600] }) } ? 'none' : $@->code . ': ' . $@->message };
        $_ ? $work->() : without_images($work);
    } 0, 1;
    is($errors[1], $errors[0], "$name is refused in the same words");
    like($errors[0], qr/\Ainvalid_params: /, 'in those');
}

# More than a broker reads of one.
{
    $images = 0;
    my $large = { list => [map { "text number $_" } 1 .. 100_000] };
    is(scalar @{ $bridge->call('test.echo', $large)->{list} }, 100_000, 'what is too large for an image goes as a map');
    is($images, 0, 'there is none');
}

# An image may be longer than the map, and than a broker takes.
{
    my $small = TestBroker->start('--max-frame', '8KiB');
    my $fresh = CPANBridge->new(socket => $small->socket_path);
    my %lists = (list => [map { [] } 1 .. 2_000]);
    my $other = $fresh->send_call('test.sleep', { seconds => 0.2 });
    is(scalar @{ $fresh->call('test.echo', \%lists)->{list} }, 2_000, 'beside a call that is under way a map goes at once');
    ok(eval { $fresh->wait_for($other)->{slept} }, 'which is answered') or diag $@;
    is(scalar @{ $fresh->call('test.echo', \%lists)->{list} }, 2_000, 'a map goes where the image has no room');
    is(scalar @{ $fresh->call('test.echo', { list => [(5) x 1_000] })->{list} }, 1_000, 'one with room is sent');
    is(scalar @{ ($fresh->pipeline(['test.echo', \%lists]))[0]{list} }, 2_000, 'and lets no pipeline fail');
}

# A broker that knows nothing of them.
{
    my $fake = TestBroker->fake(sub {
        my ($connection) = @_;
        while (defined(my $frame = TestBroker::read_frame($connection))) {
            my $msgid = substr $frame, 3, 4;
            my $is_image = index($frame, "\xc9") >= 0 && index($frame, '12345678') >= 0;
            my $result = $is_image
                ? CPANBridge::MessagePack->pack({ code => 'invalid_params', message => 'params must be a map of named parameters, not extension' }) . "\xc0"
                : "\xc0\x81\xa1a\x01";
            my $answer = "\x94\x01\xce$msgid$result";
            print {$connection} pack('N', length $answer) . $answer;
            $connection->flush;
        }
    });
    my $fresh = CPANBridge->new(socket => $fake->socket_path);
    ($images, $requests) = (0, 0);
    is_deeply($fresh->call('test.echo', $rows->(1, 2)), { a => 1 }, 'an older broker gets a map');
    is_deeply([$images, $requests], [1, 2], 'after it refused an image');
    is_deeply($fresh->call('test.echo', $rows->(1, 2)), { a => 1 }, 'and again');
    is_deeply([$images, $requests], [1, 3], 'at once');
}

# Settings of Storable's are the script's, and are not heeded.
{
    local ($Storable::Deparse, $Storable::forgive_me, $Storable::canonical) = (1, 1, 1);
    my $fresh = CPANBridge->new(socket => $broker->socket_path);
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    local $SIG{__DIE__} = sub { push @warnings, "died: @_" };
    ok(!eval { $fresh->call('test.echo', { list => [sub { 1 }, (1) x 600] }); 1 }, 'code is not sent as text');
    is_deeply([grep { !ref && !/invalid_params|can't be sent/ } @warnings], [], 'without a word');
    is_deeply([$Storable::Deparse, $Storable::forgive_me, $Storable::canonical], [1, 1, 1], 'they are as they were');
}

# A script that has not loaded Storable does so for much more only.
my $top = TestBroker::top();
for ([600, 0], [6_000, 1]) {
    my ($count, $is_loaded) = @$_;
    my $said = qx{$^X -I$top/perl/lib -e 'use strict; use warnings; use CPANBridge; my \$b = CPANBridge->new(socket => "${\ $broker->socket_path}"); \$b->call("test.echo", { list => [1 .. $count] }); print exists \$INC{"Storable.pm"} ? 1 : 0'};
    is($said, $is_loaded, "with $count values Storable is " . ($is_loaded ? '' : 'not ') . 'loaded');
}

# Where Storable can't be had, it is a package of its own on some systems, everything goes as maps.
my $without_storable = <<'SCRIPT';
use strict;
use CPANBridge;
my ($socket, $why) = @ARGV;
unshift @INC, sub { die "$why at somewhere line 1.\n" if $_[1] eq 'Storable.pm'; return };
my $bridge = CPANBridge->new(socket => $socket);
my %long = map { ("key $_" => [map { "value $_" } 1 .. 4_500]) } 1 .. 10;
for (1 .. 3) {
    my $list = $bridge->call('test.echo', { list => [1 .. 6_000] })->{list};
    my $back = $bridge->call('test.echo', \%long);
    print "$#$list $#{ $back->{'key 3'} }, ";
}
print $bridge->call_python('test', 'echo', { list => [1 .. 6_000] })->{success} ? 'done' : 'failed';
SCRIPT
for my $why ("Can't locate Storable.pm in \@INC", 'Storable object version 3.15 does not match bootstrap parameter 3.26', 'Perl API version v5.40.0 of Storable does not match v5.36.0') {
    my $said = output_of($^X, "-I$top/perl/lib", '-w', '-e', $without_storable, $broker->socket_path, $why);
    is($said, '5999 4499, ' x 3 . 'done', "where it says: $why");
}

# What a program says, its errors included.
sub output_of {
    my (@command) = @_;
    my $pid = open my $from, '-|';
    die $! if !defined $pid;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT or die $!;
        exec @command or die $!;
    }
    local $/;
    return scalar <$from>;
}

done_testing;
