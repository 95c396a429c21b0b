package CPANBridge::MessagePack;

use strict;
use warnings;

use CPANBridge::Loader ();
use CPANBridge::Wire ();

our $VERSION = '0.100';

# The protocol's limit; the broker counts the message's own array as well.
sub MAX_DEPTH () { 64 }

# A Perl whose integers have 32 bits (`ivsize` is 4).
sub NARROW () { ~0 <= 0xffff_ffff }

my %BOOLEAN_CLASS = map { $_ => 1 } qw(
    CPANBridge::MessagePack::Boolean JSON::PP::Boolean Types::Serialiser::BooleanBase Types::Serialiser::Boolean boolean
);

sub new {
    my ($class, %args) = @_;
    my $self = bless {}, ref $class || $class;
    for my $name (qw(canonical booleans)) {
        $self->{$name} = delete $args{$name} ? 1 : 0;
    }
    if (my @unknown = sort keys %args) {
        require Carp;
        Carp::croak("unknown argument to CPANBridge::MessagePack->new: @unknown");
    }
    return $self;
}

# While a value is written or read its state is in these, not in an object: a method call and a hash look-up for every
# element would double the time. They are package variables so that `local` keeps a signal handler, which may come
# between any two steps and make calls of its own, from disturbing what it interrupts.
our ($CANONICAL, $BOOLEANS, $DEPTH);
our ($IN, $AT, $END, $ROOM);

# What Perl takes for each thing in a container, in bytes, at the least favourable: an element is a container of its own, a pair has a key
# that no other hash has. The bytes of texts are counted with the message. The last is more than there is.
sub ELEMENT ()   { 120 }
sub PAIR ()      { 210 }
sub UNBOUNDED () { 2**52 }
sub TOO_LARGE () { 'it takes more memory than it may' }

# One function for each first byte: an array look-up and a call, instead of a chain of comparisons.
my @READ;

sub pack {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self) = @_;
    my $is_canonical = ref $self ? $self->{canonical} : 0;
    my $flat = ref $_[1] eq 'HASH' && !$is_canonical ? CPANBridge::Wire::pack_flat($_[1]) : undef;
    return $flat if defined $flat;
    local ($CANONICAL, $DEPTH) = ($is_canonical, 0);
    return _write($_[1]);
}

sub unpack {    ## no critic (ProhibitBuiltinHomonyms)
    my ($self, undef) = @_;
    if (!ref $self && !utf8::is_utf8($_[1])) {
        my ($value, $end) = CPANBridge::Wire::unpack_flat($_[1], 0);
        return $value if $end && $end == length $_[1];
    }
    my ($value, $end) = $self->_unpack_any($_[1], 0);
    _bad('bytes follow the value') if $end < length $_[1];
    return $value;
}

sub unpack_at {
    my ($self, undef, $at, $room) = @_;
    my $length = length $_[1];
    my ($map, $end) = CPANBridge::Wire::unpack_flat($_[1], $at);
    # Booleans may be wanted as such, and what is not bytes, or too much, is found out below.
    return ($map, $end, ($room || UNBOUNDED) - $length - (ref $map ? PAIR * keys %$map : 0))
        if $end && $end <= $length && !ref $self && (!$room || $room > $length + 16 * PAIR) && !utf8::is_utf8($_[1]);
    goto &_unpack_any;
}

sub _unpack_any {
    my ($self, undef, $at, $room) = @_;
    # Beyond the end there is nothing, and nothing to say about it until the end.
    no warnings;
    my $length = length $_[1];
    local ($IN, $AT, $END, $ROOM, $BOOLEANS, $DEPTH)
        = ($_[1], $at, $length, $room ? $room - $length : UNBOUNDED, ref $self ? $self->{booleans} : 0, 0);
    _bad('a value of bytes is wanted, not characters') if utf8::is_utf8($IN) && !utf8::downgrade($IN, 1);
    my $value = $READ[ord(substr $IN, $AT++, 1)]->();
    # Looked at once, here: reading beyond the end gives empty strings and goes on counting.
    _bad('the value is cut off') if $AT > $END;
    return ($value, $AT, $ROOM);
}

# What the codec has to say after an eval. Anything else was not meant for us: a signal's handler died, and whoever set it
# is waiting for that further up.
sub complaint {
    my $why = $@;
    return '' if !ref $why && $why eq '';
    die $why if ref $why || $why !~ /\A(?:not MessagePack|no MessagePack form): /;
    chomp $why;
    return $why;
}

# Whether parameters hold lists of so many values that Storable, which is C, writes them in less than is gone by the detour, or by loading it.
sub is_bulk {
    my ($params) = @_;
    # Before 5.36 an integer beyond 63 bits would be left marked as a text: Storable writes its digits. Under taint there are no images. And
    # what is tied may be another value at each look.
    return 0 if $] < 5.036 || ${^TAINT} || tied %$params;
    my $count = 0;
    for my $list (values %$params) {
        next if tied $list || ref $list ne 'ARRAY' || tied @$list || !@$list || tied $list->[0];
        my $first = $list->[0];
        next if ref $first eq 'ARRAY' ? tied @$first : ref $first eq 'HASH' && tied %$first;
        $count += @$list * (ref $first eq 'ARRAY' ? 1 + @$first : ref $first eq 'HASH' ? 1 + 2 * keys %$first : 1);
    }
    return $count >= ($INC{'Storable.pm'} ? 500 : 5_000);
}

# For CPANBridge::Lane: bytes of parameters, or undef for such as can't be sent so.
sub packed {
    my ($params) = @_;
    return if is_bulk($params);
    my $eval_error = $@;
    my $bytes = eval { __PACKAGE__->pack($params) };
    complaint() if !defined $bytes;
    $@ = $eval_error;
    return $bytes;
}

# For it as well: the result in an answer's frame, and where it ends: at 0 if there is none.
sub unpacked {
    my $eval_error = $@;
    my ($result, $end) = eval { __PACKAGE__->unpack_at($_[0], 12) };
    complaint() if !defined $end;
    $@ = $eval_error;
    return ($result, $end || 0);
}

sub true  { return _boolean(1) }
sub false { return _boolean(0) }

# Values that have no form are everyday; the script's __DIE__ handler, which may end the program, is not for them.
sub _bad {
    my ($why) = @_;
    local $SIG{__DIE__} = 'DEFAULT';
    die "not MessagePack: $why\n";
}

sub _unfit {
    my ($why) = @_;
    local $SIG{__DIE__} = 'DEFAULT';
    die "no MessagePack form: $why\n";
}

sub _write {
    # $_[0] is not copied: it may be megabytes long.
    # What is tied may be another value at each look.
    return _write(my $value = $_[0]) if tied $_[0];
    my $type = ref $_[0];
    if (!$type) {
        return "\xc0" if !defined $_[0];
        if (utf8::is_utf8($_[0])) {
            # The flag is Perl's own business: a string that fits bytes is written as its equal that never had the flag.
            my $bytes = $_[0];
            if (utf8::downgrade($bytes, 1)) {
                return $bytes =~ tr/\x80-\xff// ? _bin_head(length $bytes) . $bytes : _str_head(length $bytes) . $bytes;
            }
            utf8::encode($bytes);
            return _str_head(length $bytes) . $bytes;
        }
        # A string and a number are told apart by what `&` does with them. Strings that were once used as numbers look
        # like numbers here; _number looks closer, which takes a microsecond. On a copy, because `&` leaves its mark.
        {
            no warnings;
            my $copy = $_[0];
            if (length((my $empty = '') & $copy)) {
                my $number = _number($_[0]);
                return $number if defined $number;
            }
        }
        my $length = length $_[0];
        return _bin_head($length) . $_[0] if $_[0] =~ tr/\x80-\xff//;
        return $length < 32 ? chr(0xa0 | $length) . $_[0] : _str_head($length) . $_[0];
    }
    if ($type eq 'HASH') {
        my $map = tied %{ $_[0] } ? { %{ $_[0] } } : $_[0];
        my $count = keys %$map;
        # Most maps within others are flat, rows of tables say.
        my $flat = $DEPTH && !$CANONICAL && $DEPTH < MAX_DEPTH ? CPANBridge::Wire::pack_flat($map) : undef;
        return $flat if defined $flat;
        _unfit('nested more deeply than ' . MAX_DEPTH . ' levels') if ++$DEPTH > MAX_DEPTH;
        my $out = $count < 16 ? chr(0x80 | $count)
            : $count < 65_536 ? CORE::pack('Cn', 0xde, $count)
            :                   CORE::pack('CN', 0xdf, $count);
        for my $key ($CANONICAL ? sort keys %$map : keys %$map) {
            $out .= _write_key($key) . _write($map->{$key});
        }
        --$DEPTH;
        return $out;
    }
    if ($type eq 'ARRAY') {
        my $list = tied @{ $_[0] } ? [@{ $_[0] }] : $_[0];
        my $count = @$list;
        _unfit('nested more deeply than ' . MAX_DEPTH . ' levels') if ++$DEPTH > MAX_DEPTH;
        my $out = $count < 16 ? chr(0x90 | $count)
            : $count < 65_536 ? CORE::pack('Cn', 0xdc, $count)
            :                   CORE::pack('CN', 0xdd, $count);
        for my $element (@$list) {
            $out .= _write($element);
        }
        --$DEPTH;
        return $out;
    }
    if ($type eq 'SCALAR' && defined ${ $_[0] } && ${ $_[0] } =~ /\A[01]\z/) {
        return ${ $_[0] } ? "\xc3" : "\xc2";
    }
    return $_[0] ? "\xc3" : "\xc2" if $BOOLEAN_CLASS{$type};
    if ($INC{'overload.pm'} && overload::Method($_[0], '""')) {
        return _write("$_[0]");
    }
    return _unfit("a reference of type $type");
}

# A hash key has lost what it was: it is text.
sub _write_key {
    my ($key) = @_;
    utf8::encode($key) if utf8::is_utf8($key);
    my $length = length $key;
    return $length < 32 ? chr(0xa0 | $length) . $key : _str_head($length) . $key if $key !~ tr/\x80-\xff// || utf8::is_utf8($_[0]);
    # Bytes above 0x7f in a key that was never characters: Latin-1, as Perl itself takes it.
    utf8::upgrade($key);
    utf8::encode($key);
    return _str_head(length $key) . $key;
}

sub _str_head {
    my ($length) = @_;
    return $length < 32  ? chr(0xa0 | $length)
        : $length < 256    ? CORE::pack('CC', 0xd9, $length)
        : $length < 65_536 ? CORE::pack('Cn', 0xda, $length)
        :                    CORE::pack('CN', 0xdb, $length);
}

sub _bin_head {
    my ($length) = @_;
    return $length < 256   ? CORE::pack('CC', 0xc4, $length)
        : $length < 65_536 ? CORE::pack('Cn', 0xc5, $length)
        :                    CORE::pack('CN', 0xc6, $length);
}

# What B calls these, once it is loaded: only numbers need it.
my ($SVf_POK, $SVf_IOK, $SVf_NOK);

sub _flags {
    CPANBridge::Loader::core('B.pm');
    ($SVf_POK, $SVf_IOK, $SVf_NOK) = (B::SVf_POK(), B::SVf_IOK(), B::SVf_NOK());
    return;
}

# The bytes of a number, or undef for what is a string after all.
sub _number {
    $SVf_NOK or _flags();
    my $flags = B::svref_2object(\$_[0])->FLAGS;
    return if $flags & $SVf_POK;
    if ($flags & $SVf_IOK) {
        my $integer = $_[0];
        return $integer < 128 ? chr $integer : _unsigned($integer) if $integer >= 0;
        return $integer >= -32 ? CORE::pack('c', $integer)
            : $integer >= -128           ? CORE::pack('Cc',  0xd0, $integer)
            : $integer >= -32_768        ? CORE::pack('Cs>', 0xd1, $integer)
            : $integer >= -2_147_483_648 ? CORE::pack('Cl>', 0xd2, $integer)
            :                              CORE::pack('Cq>', 0xd3, $integer);
    }
    return if !($flags & $SVf_NOK);
    # Where integers have 32 bits only, a larger one is a double to Perl.
    return _wide($_[0]) if NARROW && abs $_[0] >= 2**31 && abs $_[0] <= 2**53 && $_[0] == int $_[0];
    return CORE::pack('Cd>', 0xcb, $_[0]);
}

sub _unsigned {
    my ($integer) = @_;
    return $integer < 128        ? chr $integer
        : $integer < 256           ? CORE::pack('CC', 0xcc, $integer)
        : $integer < 65_536        ? CORE::pack('Cn', 0xcd, $integer)
        : $integer < 4_294_967_296 ? CORE::pack('CN', 0xce, $integer)
        :                            CORE::pack('CQ>', 0xcf, $integer);
}

# Integers of 64 bits, whole numbers up to 2**53 either way, for a Perl that has no such integers and no `pack` of them.
sub _wide {
    my ($number) = @_;
    return _unsigned($number) if $number >= 0 && $number < 2**32;
    my $high = int($number / 2**32);
    $high-- if $high * 2**32 > $number;
    return CORE::pack('CNN', $number < 0 ? 0xd3 : 0xcf, $high < 0 ? $high + 2**32 : $high, $number - $high * 2**32);
}

# What such a Perl makes of eight bytes: a double, which is exact up to 2**53.
sub _read_wide {
    my ($signed) = @_;
    my $words = _fixed('a8', 8);
    return sub {
        my ($high, $low) = CORE::unpack('NN', $words->());
        $high -= 2**32 if $signed && $high >= 2**31;
        return $high * 2**32 + $low;
    };
}

sub _read_text {
    my ($length) = @_;
    my $text = substr $IN, $AT, $length;
    $AT += $length;
    if ($text =~ tr/\x80-\xff//) {
        # Surrogates, and what is beyond Unicode, Perl takes; before 5.14 it dies of them later, in the script's next match.
        _bad('a text is not valid UTF-8') if $text =~ /\xed[\xa0-\xbf]|\xf4[\x90-\xbf]|[\xf5-\xff]/ || !utf8::decode($text);
    }
    return $text;
}

sub _read_bytes {
    my ($length) = @_;
    my $bytes = substr $IN, $AT, $length;
    $AT += $length;
    return $bytes;
}

sub _read_array {
    my ($count) = @_;
    # A count is believed only as far as bytes back it.
    _bad('the value is cut off') if $count > $END - $AT;
    _bad(TOO_LARGE) if ($ROOM -= ELEMENT * $count) < 0;
    _bad('nested more deeply than ' . MAX_DEPTH . ' levels') if ++$DEPTH > MAX_DEPTH;
    no warnings;
    my @array;
    while ($count-- > 0) {
        my $byte = ord substr $IN, $AT++, 1;
        # Most are short texts of ASCII: what _read_text does, without its two calls, which take most of the time.
        if ($byte >= 0xa0 && $byte < 0xc0) {
            my $text = substr $IN, $AT, $byte - 0xa0;
            if ($text !~ tr/\x80-\xff//) {
                $AT += $byte - 0xa0;
                push @array, $text;
                next;
            }
        }
        push @array, $READ[$byte]->();
    }
    --$DEPTH;
    return \@array;
}

sub _read_map {
    my ($count) = @_;
    _bad('the value is cut off') if 2 * $count > $END - $AT;
    _bad(TOO_LARGE) if ($ROOM -= PAIR * $count) < 0;
    _bad('nested more deeply than ' . MAX_DEPTH . ' levels') if ++$DEPTH > MAX_DEPTH;
    my %map;
    no warnings;
    while ($count-- > 0) {
        # As in _read_array, with key and value.
        my ($byte, $key) = ord substr $IN, $AT++, 1;
        if ($byte >= 0xa0 && $byte < 0xc0) {
            $key = substr $IN, $AT, $byte - 0xa0;
            $key =~ tr/\x80-\xff// ? undef $key : ($AT += $byte - 0xa0);
        }
        if (!defined $key) {
            $key = $READ[$byte]->();
            _bad('a key is no text and no number') if !defined $key || ref $key;
        }
        $byte = ord substr $IN, $AT++, 1;
        if ($byte >= 0xa0 && $byte < 0xc0) {
            my $text = substr $IN, $AT, $byte - 0xa0;
            if ($text !~ tr/\x80-\xff//) {
                $AT += $byte - 0xa0;
                $map{$key} = $text;
                next;
            }
        }
        $map{$key} = $READ[$byte]->();
    }
    --$DEPTH;
    return \%map;
}

# A number of $size bytes at the present place.
sub _fixed {
    my ($format, $size) = @_;
    return sub {
        my $bytes = substr $IN, $AT, $size;
        $AT += $size;
        _bad('the value is cut off') if $AT > $END;
        return CORE::unpack($format, $bytes);
    };
}

sub _sized {
    my ($format, $size, $read) = @_;
    my $length = _fixed($format, $size);
    return sub { return $read->($length->()) };
}

{
    my $reserved = sub { _bad('byte 0xc1 is reserved') };
    my $extension = sub { _bad('extension types are not supported') };
    for my $byte (0x00 .. 0xff) {
        $READ[$byte] =
              $byte < 0x80 ? do { my $number = $byte; sub { return $number } }
            : $byte < 0x90 ? do { my $count = $byte & 0x0f; sub { return _read_map($count) } }
            : $byte < 0xa0 ? do { my $count = $byte & 0x0f; sub { return _read_array($count) } }
            : $byte < 0xc0 ? do { my $length = $byte & 0x1f; sub { return _read_text($length) } }
            : $byte >= 0xe0 ? do { my $number = $byte - 256; sub { return $number } }
            : $extension;
    }
    $READ[0xc0] = sub { return undef };    ## no critic (ProhibitExplicitReturnUndef): it is a value in a list
    $READ[0xc1] = $reserved;
    $READ[0xc2] = sub { return $BOOLEANS ? _boolean(0) : 0 };
    $READ[0xc3] = sub { return $BOOLEANS ? _boolean(1) : 1 };
    @READ[0xc4 .. 0xc6] = (_sized('C', 1, \&_read_bytes), _sized('n', 2, \&_read_bytes), _sized('N', 4, \&_read_bytes));
    @READ[0xca, 0xcb] = (_fixed('f>', 4), _fixed('d>', 8));
    @READ[0xcc .. 0xcf] = (_fixed('C', 1), _fixed('n', 2), _fixed('N', 4), NARROW ? _read_wide(0) : _fixed('Q>', 8));
    @READ[0xd0 .. 0xd3] = (_fixed('c', 1), _fixed('s>', 2), _fixed('l>', 4), NARROW ? _read_wide(1) : _fixed('q>', 8));
    @READ[0xd9 .. 0xdb] = (_sized('C', 1, \&_read_text), _sized('n', 2, \&_read_text), _sized('N', 4, \&_read_text));
    @READ[0xdc, 0xdd] = (_sized('n', 2, \&_read_array), _sized('N', 4, \&_read_array));
    @READ[0xde, 0xdf] = (_sized('n', 2, \&_read_map), _sized('N', 4, \&_read_map));
}

my @BOOLEAN;

# JSON::PP::Boolean is what core Perl has for booleans, from 5.14 on; before that a class of our own does the same.
sub _boolean {
    my ($value) = @_;
    if (!@BOOLEAN) {
        local ($@, $!);
        local $SIG{__DIE__} = 'DEFAULT';
        my $class = eval { require JSON::PP::Boolean; 1 } || eval { require JSON::PP; 1 }
            ? 'JSON::PP::Boolean' : CPANBridge::MessagePack::Boolean::overload();
        @BOOLEAN = map { my $bit = $_; bless \$bit, $class } 0, 1;
    }
    return $BOOLEAN[$value ? 1 : 0];
}

package    # not for the index
    CPANBridge::MessagePack::Boolean;

sub overload {
    require overload;
    my $value = sub { ${ $_[0] } };
    overload->import('0+' => $value, bool => $value, '""' => $value, fallback => 1);
    return __PACKAGE__;
}

$CPANBridge::Wire::NUMBER = \&CPANBridge::MessagePack::_number;

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::MessagePack - MessagePack in pure Perl, as the broker's protocol has it

=head1 SYNOPSIS

    use CPANBridge::MessagePack;

    my $bytes = CPANBridge::MessagePack->pack({ answer => 42, list => [1, 2.5, undef] });
    my $value = CPANBridge::MessagePack->unpack($bytes);

    my $canonical = CPANBridge::MessagePack->new(canonical => 1);

=head1 DESCRIPTION

The codec alone, as L<CPANBridge> uses it: core modules only, no XS. Specification:
L<https://github.com/msgpack/msgpack/blob/master/spec.md>.

=head2 From Perl

A string that is all ASCII becomes C<str>; one with characters from 0x80 to 0xFF and none above becomes C<bin>, a byte for each
character; one with a character above 0xFF becomes C<str>. Whether Perl keeps it flagged as characters makes no difference: equal
strings are equal bytes. Who means text encodes it (C<Encode::encode('UTF-8', $text)>) or has the broker take bytes. A value that is a number and was never used as a string becomes an integer or a double. C<undef> becomes nil.
C<\0> and C<\1> and objects of the boolean classes become booleans; an object that overloads stringification becomes its
string. Everything else, code references say, dies with the reason. Hash keys become C<str>.

=head2 To Perl

C<str> becomes a character string, C<bin> a byte string, booleans 1 and 0. 64-bit integers and doubles keep every bit. Where Perl's own
integers have 32 bits (C<ivsize> is 4), a larger integer becomes a double, exact up to 2**53, and a whole double within that an integer.
Extension types die. Values nest 64 deep at most, both ways.

=head1 METHODS

All die with a line of text that begins C<not MessagePack:> or C<no MessagePack form:> when they can't.

=head2 new

    CPANBridge::MessagePack->new(canonical => 1, booleans => 1)

A codec with C<canonical>: hash keys are written in sorted order, so that the same value always gives the same bytes; and
C<booleans>: booleans are read as JSON::PP::Boolean objects, which core Perl has, instead of 1 and 0. The other methods can
be called on the class as well, with neither.

=head2 pack

The bytes of a value.

=head2 unpack

The value of bytes; there has to be exactly one.

=head2 unpack_at

    my ($value, $end, $left) = $codec->unpack_at($bytes, $offset, $room);

The value that begins at an offset, and the offset after it. With C<$room>, a value that would take more bytes of memory than
that, together with the bytes it is read from, is refused before it does; C<$left> is what is left of it.

=head2 is_bulk

    CPANBridge::MessagePack::is_bulk(\%parameters) and ...;

Whether they hold so many values that Storable writes them faster, also if it has to be loaded.

=head2 packed

=head2 unpacked

=head2 complaint

For the rest of the client: bytes, or undef for what has no form; the result in an answer's frame and where it ends, at 0 if there is none;
what the codec said, after an C<eval>, while what others died of is passed on.

=head2 true

=head2 false

Booleans, for parameters that have to be booleans rather than 1 and 0. C<\1> and C<\0> do the same.

=cut
