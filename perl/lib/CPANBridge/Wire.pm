package CPANBridge::Wire;

use strict;
use warnings;

our $VERSION = '0.100';

# The bytes of the wire, and the forms that most messages have: a request with a number of 32 bits, parameters and a result that are one flat
# map. What has another form is CPANBridge::MessagePack's. Loaded with every script, so there is nothing here that a usual call does not need.

# How a request and an answer begin, in front of the message's number; and the first byte of nothing.
sub REQUEST ()     { "\x95\x00\xce" }
sub ANSWER ()      { "\x94\x01\xce" }
sub NIL ()         { "\xc0" }
sub EMPTY_MAP ()   { "\x80" }
# An image of Storable's behind a length of 32 bits.
sub IMAGE ()       { "\xc9" }
# What a request has beside its method, parameters and options, and an answer in front of its result, its own length not counted.
sub REQUEST_HEAD () { 7 }
sub ANSWER_HEAD ()  { 8 }

# Below this, numbers of calls take another form; with one form for all, the answer to a call is recognised by comparing eight bytes.
sub FIRST_MSGID ()    { 128 }
sub LARGEST_UINT32 () { 4_294_967_295 }

# The heads of short texts, by their length. (One for each up to 255 would take as long to make as a hundred lines of code to load.)
our @TEXT = map { chr(0xa0 | $_) } 0 .. 31;

# The bytes of methods' names, and of the options that a call without any of its own has: scripts call a handful of methods with one time
# limit.
our %NAME;
my $OPTIONS = [-1, ''];

sub name {
    my ($method) = @_;
    return if ref $method;
    my $name = "$method";
    return if !length $name || length $name > 31 || $name =~ tr/\0-\x7f//c;
    utf8::downgrade($name);
    # Whoever makes up names must not fill the memory.
    %NAME = () if keys %NAME >= 1000;
    return $NAME{$name} = $TEXT[length $name] . $name;
}

sub options {
    my ($seconds) = @_;
    # Both at once: a signal's handler may come between two statements.
    my $known = $OPTIONS;
    return $known->[1] if $seconds == $known->[0];
    my $milliseconds = int($seconds * 1000 + 0.5);
    my $limit = $milliseconds < 1 ? 1 : $milliseconds > LARGEST_UINT32 ? LARGEST_UINT32 : $milliseconds;
    my $bytes = "\x81\xaatimeout_ms\xce" . pack 'N', $limit;
    $OPTIONS = [$seconds, $bytes];
    return $bytes;
}

# Set by CPANBridge::MessagePack, which tells numbers from texts that were used as numbers.
our $NUMBER;

# What is asked of a value here is asked of any, also of nothing; and beyond the end of bytes there is nothing to say about it until the end.
no warnings;

# A map of at most 15 texts of ASCII, nothings, and numbers where $NUMBER is there; nothing for what is not so. The statements in the loop
# are what takes the time of a call: a value is copied once, asked what it is by the one operator that tells, and looked at by one `tr`.
sub pack_flat {
    my ($map) = @_;
    my $count = keys %$map;
    return if $count > 15 || tied %$map;
    my $out = chr(0x80 | $count);
    my ($value, $length);
    for my $key (keys %$map) {
        $length = length $key;
        return if $length > 31 || $key =~ tr/\0-\x7f//c;
        # A copy: `&`, which tells texts from numbers, and `tr` leave their marks on numbers.
        $value = $map->{$key};
        if (defined $value) {
            return if ref $value || $value =~ tr/\0-\x7f//c;
            if (('' & $value) eq '') {
                $out .= $TEXT[$length] . $key;
                $length = length $value;
                $out .= ($length < 32 ? $TEXT[$length] : $length < 256 ? "\xd9" . chr $length : $length < 65_536 ? "\xda" . pack 'n', $length : return)
                    . $value;
                next;
            }
            return if !$NUMBER;
            # What is tied may be another value at each look.
            $value = $NUMBER->(tied $map->{$key} ? 0 + $value : $map->{$key});
            return if !defined $value;
        }
        else {
            $value = NIL;
        }
        $out .= $TEXT[$length] . $key . $value;
    }
    # A key of ASCII may carry Perl's flag, which spreads.
    utf8::downgrade($out) if utf8::is_utf8($out);
    return $out;
}

# The map that begins at an offset, and the offset behind it; or what is there if it is nothing, a boolean or a small number. Nothing for
# what is no map of texts of ASCII, bytes, and those. Where the bytes end before the map does, the offset is beyond them.
sub unpack_flat {
    my $at = $_[1];
    my $count = ord(substr $_[0], $at++, 1) - 0x80;
    return $count < 0 ? ($count + 0x80, $at) : $count == 0x40 ? (undef, $at) : $count == 0x42 || $count == 0x43 ? ($count - 0x42, $at) : ()
        if $count < 0 || $count > 15;
    my ($key, $byte, $length, %map);
    while ($count-- > 0) {
        $length = ord(substr $_[0], $at++, 1) - 0xa0;
        return if $length < 0 || $length > 31;
        $key = substr $_[0], $at, $length;
        return if $key =~ tr/\x80-\xff//;
        $byte = ord substr $_[0], $at += $length, 1;
        if ($byte >= 0xa0) {
            if ($byte < 0xc0) {
                $length = $byte - 0xa0;
                $at++;
            }
            elsif ($byte == 0xd9 || $byte == 0xc4) {
                $length = ord substr $_[0], $at + 1, 1;
                $at += 2;
            }
            elsif ($byte == 0xda || $byte == 0xc5) {
                $length = unpack 'n', substr $_[0], $at + 1, 2;
                $at += 3;
            }
            else {
                return if $byte > 0xc3 || $byte == 0xc1;
                $at++;
                $map{$key} = $byte == 0xc0 ? undef : $byte - 0xc2;
                next;
            }
            return if ($map{$key} = substr $_[0], $at, $length) =~ tr/\x80-\xff// && $byte != 0xc4 && $byte != 0xc5;
            $at += $length;
        }
        else {
            return if $byte > 0x7f;
            $map{$key} = $byte;
            $at++;
        }
    }
    return (\%map, $at);
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Wire - the bytes of messages in their usual forms (used by CPANBridge)

=head1 DESCRIPTION

Loaded with every script. L<CPANBridge::MessagePack> has all forms, and writes these the same way.

=head1 FUNCTIONS

=head2 REQUEST

=head2 ANSWER

=head2 NIL

=head2 EMPTY_MAP

=head2 IMAGE

How a request and an answer begin that have a number of 32 bits; what nothing and an empty map are; how an image of Storable's begins.

=head2 REQUEST_HEAD

=head2 ANSWER_HEAD

How many bytes a request has beside its method, parameters and options, and an answer before its result.

=head2 FIRST_MSGID

=head2 LARGEST_UINT32

The first number of a call, and the largest.

=head2 name

    my $bytes = CPANBridge::Wire::name($method);

A method's name; undef for one that is not plain.

=head2 options

    my $bytes = CPANBridge::Wire::options($seconds);

The options of a call that has a time limit and no others.

=head2 pack_flat

    my $bytes = CPANBridge::Wire::pack_flat(\%map);

=head2 unpack_flat

    my ($map, $end) = CPANBridge::Wire::unpack_flat($bytes, $offset);

A map of plain values to bytes and back, or nothing where it is not as plain as that.

=cut
