# The codec alone: exact bytes, every type both ways, and what is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use CPANBridge::MessagePack;

my $codec = 'CPANBridge::MessagePack';
sub hex_of { return unpack 'H*', $codec->pack($_[0]) }
sub value_of { return $codec->unpack(pack 'H*', $_[0]) }

# [what, value, bytes]: smallest forms, by the specification's tables.
my @exact = (
    ['nil', undef, 'c0'], ['zero', 0, '00'], ['127', 127, '7f'], ['128', 128, 'cc80'], ['255', 255, 'ccff'],
    ['256', 256, 'cd0100'], ['65535', 65_535, 'cdffff'], ['65536', 65_536, 'ce00010000'],
    ['2**32-1', 4_294_967_295, 'ceffffffff'], ['2**32', 4_294_967_296, 'cf0000000100000000'],
    ['2**64-1', 18_446_744_073_709_551_615, 'cfffffffffffffffff'],
    ['-1', -1, 'ff'], ['-32', -32, 'e0'], ['-33', -33, 'd0df'], ['-128', -128, 'd080'], ['-129', -129, 'd1ff7f'],
    ['-32768', -32_768, 'd18000'], ['-32769', -32_769, 'd2ffff7fff'], ['-2**31', -2_147_483_648, 'd280000000'],
    ['-2**31-1', -2_147_483_649, 'd3ffffffff7fffffff'], ['-2**63', -9_223_372_036_854_775_807 - 1, 'd38000000000000000'],
    ['a double', 0.1, 'cb3fb999999999999a'], ['a whole double', 3.0, 'cb4008000000000000'],
    ['minus zero', -0.0, 'cb8000000000000000'],
    ['an empty string', '', 'a0'], ['a string of digits', '12', 'a23132'], ['31 bytes', 'x' x 31, 'bf' . '78' x 31],
    ['32 bytes', 'x' x 32, 'd920' . '78' x 32], ['256 bytes', 'x' x 256, 'da0100' . '78' x 256],
    ['65536 bytes', 'x' x 65_536, 'db00010000' . '78' x 65_536],
    ['characters', "\x{263a}", 'a3e298ba'], ['flagged ASCII', do { my $s = 'ab'; utf8::upgrade($s); $s }, 'a26162'],
    ['flagged Latin-1', do { my $s = "\xe9"; utf8::upgrade($s); $s }, 'c401e9'],
    ['Latin-1 beside a wider character', "\xe9\x{263a}", 'a5c3a9e298ba'],
    ['bytes', "\xff\x00", 'c402ff00'], ['256 bytes', "\xff" x 256, 'c50100' . 'ff' x 256],
    ['true', \1, 'c3'], ['false', \0, 'c2'], ['an empty list', [], '90'], ['a list', [1, [2]], '92019102'],
    ['16 elements', [(0) x 16], 'dc0010' . '00' x 16], ['an empty map', {}, '80'], ['a map', { a => 1 }, '81a16101'],
);
for my $case (@exact) {
    my ($what, $value, $bytes) = @$case;
    next if CPANBridge::MessagePack::NARROW && $what =~ /^(?:2\*\*64-1|-2\*\*63)$/;
    is(hex_of($value), $bytes, "$what to bytes");
    my $back = ref $value eq 'SCALAR' ? $$value : $value;
    is_deeply(value_of($bytes), $back, "$what and back");
}

# What a Perl without integers of 64 bits does instead, tried on every Perl.
my %wide = (
    cf0000000000000000 => '0', cf00000000ffffffff => '4294967295', cf0000000100000000 => '4294967296',
    cf001fffffffffffff => '9007199254740991', cf0020000000000000 => '9007199254740992', d3ffffffffffffffff => '-1',
    d3ffffffff7fffffff => '-2147483649', d3ffe0000000000001 => '-9007199254740991', d30000000080000000 => '2147483648',
    d3ffffffff00000000 => '-4294967296',
);
for my $bytes (sort keys %wide) {
    my $signed = $bytes =~ /^d3/;
    my $expected = $wide{$bytes};
    local ($CPANBridge::MessagePack::IN, $CPANBridge::MessagePack::AT, $CPANBridge::MessagePack::END) = (pack('H*', $bytes), 1, 9);
    my $number = CPANBridge::MessagePack::_read_wide($signed)->();
    is(sprintf('%.0f', $number), $expected, "$bytes as a double");
    my $back = unpack 'H*', CPANBridge::MessagePack::_wide($number);
    is(sprintf('%.0f', value_of($back)), $expected, 'and back');
    is($back, $bytes, 'in the same form') if abs $number >= 2**32 && (!$signed || $number < 0);
}

# Equal strings are equal bytes, whatever Perl keeps them as: as values, as keys, at every length of a head.
for my $string ('', 'ascii', "caf\xe9", "\x80", "\xff" x 300, 'x' x 40, ("\x00" x 70_000) . "\xe9") {
    my ($flagged, $plain) = ($string, $string);
    utf8::upgrade($flagged);
    utf8::downgrade($plain);
    my $what = length($string) . ' characters';
    ok($codec->pack($flagged) eq $codec->pack($plain), "$what are the same bytes flagged or not");
    ok($codec->pack([$flagged]) eq $codec->pack([$plain]), "$what in a list");
    ok($codec->pack({ k => $flagged }) eq $codec->pack({ k => $plain }), "$what in a map");
    ok($codec->pack({ $flagged => 1 }) eq $codec->pack({ $plain => 1 }), "$what as a key");
    ok(utf8::is_utf8($flagged), 'packing leaves the flag') if length $string;
    ok($codec->unpack($codec->pack($flagged)) eq $string, "$what come back");
}

# Room: what a value takes in Perl is counted before it is made, at the least favourable.
sub peak_of {
    my ($bytes, $room) = @_;
    pipe my $read, my $write or die;
    my $pid = fork;
    die if !defined $pid;
    if (!$pid) {
        my $memory = sub { open my $status, '<', '/proc/self/status' or return 0; local $/; readline($status) =~ /^VmHWM:\s+(\d+)/m ? 1024 * $1 : 0 };
        my $before = $memory->();
        my ($value, undef, $left) = eval { $codec->unpack_at($bytes, 0, $room) };
        my $why = defined $left ? '' : $@;
        chomp $why;
        syswrite $write, join ' ', $memory->() - $before, $room - ($left || 0), $why;
        require POSIX;
        POSIX::_exit(0);
    }
    close $write;
    my $said = do { local $/; readline $read };
    waitpid $pid, 0;
    return split / /, $said, 3;
}
SKIP: {
    skip 'no VmHWM here', 20 if !-r '/proc/self/status';
    my $many = 100_000;
    my %shape = (
        'empty lists'   => "\x90", 'empty maps' => "\x80", 'small numbers' => "\x01", 'nothings' => "\xc0", 'short texts' => "\xa1x",
        'empty bytes'   => "\xc4\x00", 'doubles' => "\xcb" . pack('d>', 1.5), 'lists of one' => "\x91\xa1x", 'lists of lists' => "\x91\x90",
        'maps of one'   => "\x81\xa1k\xa1x", 'wide texts' => "\xa3\xe2\x98\xba",
    );
    for my $what (sort keys %shape) {
        my ($peak, $charged) = peak_of("\xdd" . pack('N', $many) . $shape{$what} x $many, 2**40);
        cmp_ok($peak, '<', $charged + (1 << 20), "a list of $many $what takes no more than is counted");
    }
    my $keys = "\xdf" . pack('N', $many) . join '', map { "\xa8" . sprintf('%08x', $_) . "\xa1x" } 1 .. $many;
    my ($peak, $charged) = peak_of($keys, 2**40);
    cmp_ok($peak, '<', $charged + (1 << 20), 'nor does a map of as many keys');
    ($peak, undef, my $why) = peak_of("\xdd" . pack('N', 4_000_000) . "\x90" x 4_000_000, 32 << 20);
    like($why, qr/takes more memory than it may/, 'a value for which there is no room');
    cmp_ok($peak, '<', 33 << 20, 'is refused before it is made');
}
is(($codec->unpack_at("\x93\x01\x02\x03", 0, 400))[1], 4, 'what fits is read');
ok(!eval { $codec->unpack_at("\x93\x01\x02\x03", 0, 100); 1 }, 'and what does not is not');

# What was used as what.
my $number = 42;
my $text = "$number";
is(hex_of($text), 'a23432', 'a number that became a string is a string');
my $string = '42';
my $sum = $string + 1;
is(hex_of($string), 'a23432', 'a string that was used as a number is still a string');
is(hex_of($sum), '2b', 'and the sum is a number');
my $double = 3.0;
hex_of($double);
is(hex_of($double), 'cb4008000000000000', 'packing leaves no mark on a number');

# Every bit of a double.
for my $hex (qw(7fefffffffffffff 0000000000000001 3ff0000000000001 fff0000000000000 7ff0000000000000)) {
    my $value = value_of("cb$hex");
    is(unpack('H*', pack 'd>', $value), $hex, "double $hex is read exactly");
    is(hex_of($value), "cb$hex", "and written exactly");
}
is(value_of('ca3fc00000'), 1.5, 'a single is read');

# Back to Perl.
my $characters = value_of('a3e298ba');
ok(utf8::is_utf8($characters) && length $characters == 1, 'str is characters');
my $bytes = value_of('c403e298ba');
ok(!utf8::is_utf8($bytes) && length $bytes == 3, 'bin is bytes');
my $with_booleans = CPANBridge::MessagePack->new(booleans => 1);
my $booleans = $with_booleans->unpack("\x92\xc3\xc2");
ok($booleans->[0] && !$booleans->[1] && ref $booleans->[0], 'booleans as objects where asked for');
is($with_booleans->pack($booleans), "\x92\xc3\xc2", 'and back');
is($codec->pack([$codec->true, $codec->false]), "\x92\xc3\xc2", 'true and false');

my $canonical = CPANBridge::MessagePack->new(canonical => 1);
my %many = map { ("key$_" => $_) } 1 .. 50;
my $first = $canonical->pack(\%many);
is($canonical->pack({ map { ("key$_" => $_) } reverse 1 .. 50 }), $first, 'canonical bytes do not depend on the hash');
is_deeply($canonical->unpack($first), \%many, 'and are the same value');
is(unpack('H*', $canonical->pack({ b => 1, a => 2 })), '82a16102a16201', 'sorted');
is_deeply($codec->unpack($codec->pack({ "\x{e9}" => 1, "\x{263a}" => 2 })), { "\x{e9}" => 1, "\x{263a}" => 2 }, 'keys are text');

# What is refused.
for my $cut (map { $_->[2] } @exact) {
    next if length $cut <= 2;
    my $short = substr $cut, 0, -2;
    ok(!defined eval { value_of($short); 1 }, 'a value without its last byte') or diag $short;
}
for my $case (
    ['c1', 'reserved'], ['d40000', 'extension'], ['0101', 'follow'], ['ddffffffff', 'cut off'], ['dfffffffff', 'cut off'],
    ['a2fffe', 'UTF-8'], ['81c001', 'a key'], ['', 'cut off'], ['91' x 65 . 'c0', 'nested'],
) {
    my ($hex, $why) = @$case;
    eval { value_of($hex) };
    like($@, qr/\Anot MessagePack: .*$why/, "refused: $why");
}
my $deep = [];
$deep = [$deep] for 1 .. 70;
for my $case ([sub { }, 'CODE'], [\*STDOUT, 'GLOB'], [$deep, 'nested'], [qr/x/ && \\1, 'REF']) {
    eval { $codec->pack($case->[0]) };
    like($@, qr/\Ano MessagePack form: .*$case->[1]/, "refused: $case->[1]");
}
is($codec->pack(1), "\x01", 'and all is well after it');

# Whatever goes in comes out.
my $seed = 20_260;
sub random { $seed = ($seed * 1_103_515_245 + 12_345) % 2**31; return int($seed / 65_536) % $_[0] }
sub any_value {
    my ($depth) = @_;
    my $kind = random($depth > 3 ? 5 : 7);
    return $kind == 0 ? undef
        : $kind == 1  ? random(30_000) - 15_000
        : $kind == 2  ? random(30_000) / 7
        : $kind == 3  ? join '', map { chr random(256) } 1 .. random(40)
        : $kind == 4  ? join '', map { chr random(30_000) } 1 .. random(40)
        : $kind == 5  ? [map { any_value($depth + 1) } 1 .. random(6)]
        :               +{ map { (chr(97 + random(26)) x (1 + random(40)) => any_value($depth + 1)) } 1 .. random(6) };
}
my $same = 0;
for (1 .. 500) {
    my $value = any_value(0);
    $same++ if $canonical->pack($canonical->unpack($canonical->pack($value))) eq $canonical->pack($value);
}
is($same, 500, 'random values survive the way there and back');

# What is tied is looked at once, and written as what it was then.
{
    package Changing;
    sub TIESCALAR { my ($class, @values) = @_; return bless [@values], $class }
    sub FETCH { my ($self) = @_; return @$self > 1 ? shift @$self : $self->[0] }
}
for my $values ([1, 2], [1.5, 'text'], [7, undef], [7, []], ['text', 1], ['1', 2]) {
    my %map;
    tie $map{x}, 'Changing', @$values;
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    my $back = CPANBridge::MessagePack->unpack(CPANBridge::MessagePack->pack(\%map))->{x};
    is($back, $values->[0], 'the first look counts');
    is("@warnings", '', 'and nothing is said');
}

done_testing;
