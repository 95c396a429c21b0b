package CPANBridge::Frozen;

use strict;
use warnings;

use CPANBridge::Loader ();
use CPANBridge::MessagePack ();

our $VERSION = '0.100';

# Loading Storable takes as long as reading some tens of kilobytes of lists and maps; once it is there it pays for less.
sub LONG ()      { return $INC{'Storable.pm'} ? 8_192 : 65_536 }
# What is shorter than that the broker sends as ever, also of a function whose results are mostly long.
sub OVER ()      { return 4_096 }
sub EXTENSION () { return 1 }
# What a broker reads of an image of parameters.
sub LARGEST ()   { return 262_144 }
# The one that keeps numbers as they are, on 64-bit x86 and its kin, behind the version. A broker reads no other but network order, which makes
# texts of most numbers.
sub NATIVE ()    { return "\x0812345678\x04\x08\x08\x08" }

# How Storable's images begin here; '' where none is of use: `flags`, which keep images from blessing and loading anything, came with
# Storable 3.
my $HEADER;

sub header {
    return $HEADER if defined $HEADER;
    # Thawing taints small numbers, which are not tainted otherwise.
    return $HEADER = '' if ${^TAINT};
    my $eval_error = $@;
    local $!;
    local $SIG{__DIE__} = 'DEFAULT';
    # By the functions that are C: those of the module around them would take a signal's handler that dies for their own mistake. What fails
    # twice in the same words is no handler's doing: Storable can't be had, for one of many reasons, or is another's.
    my ($image, @why);
    while (!defined $image && @why < 2) {
        $image = eval { CPANBridge::Loader::core('Storable.pm'); Storable->VERSION(3); Storable::mstore([]) };
        push @why, $@ if !defined $image;
    }
    die $why[0] if @why && (defined $image || !_is_storables($why[0]) && (ref $why[0] || ref $why[1] || $why[0] ne $why[1]));
    $@ = $eval_error;
    # Behind the version: how long the byte order is, that, and four sizes.
    return $HEADER = defined $image && length $image > 2 ? substr $image, 0, 7 + ord substr $image, 2, 1 : '';
}

# Whether that is what Perl or Storable has to say, and not what a signal's handler died of.
sub _is_storables {
    my ($why) = @_;
    return !ref $why && $why =~ /\Acan't load Storable\.pm: |\AStorable object version \S+ does not match | at \Q${\__FILE__}\E line [0-9]+\.\n\z/;
}

# Whether a result that came as it is, so many bytes long, would have come faster as an image: not what is mostly one text.
sub would_help {
    my ($result, $length) = @_;
    my @values = ref $result eq 'HASH' ? values %$result : ref $result eq 'ARRAY' ? @$result : return 0;
    return 0 if grep { defined && !ref && length > $length / 4 } @values;
    return length header() ? 1 : 0;
}

# The options of a request that ask for it.
sub options {
    my $header = header();
    return ("\xa6frozen\xc4" . pack('C/a*', $header), "\xabfrozen_over\xcd" . pack 'n', OVER);
}

# A request's bytes without these options, if it has them.
sub without {
    my ($body) = @_;
    my $asks = join '', options();
    return $body if length $body <= length $asks || substr($body, -length $asks) ne $asks;
    # The map of options is before the time limit and, where it is asked for, the progress.
    $body = substr $body, 0, -length $asks;
    $body =~ s/([\x83\x84])(?=\xaatimeout_ms\xce.{4}(?:\xa8progress\xc3)?\z)/chr(ord($1) - 2)/se;
    return $body;
}

# What an image can take of memory when it is thawed, at the least favourable: every value has a byte of its own that says its type. Where
# there is room for as many values as it has bytes, and for another of its size, nothing is counted.
sub weight {
    my ($message, $at, $room) = @_;
    my $most = length($$message) * (1 + CPANBridge::MessagePack::ELEMENT);
    return $most if $most < $room / 2;
    my $types = substr($$message, $at) =~ tr/\x01-\x0a\x17-\x19//;
    return length($$message) + $types * CPANBridge::MessagePack::ELEMENT;
}

# Puts copies in place of the lists and maps in a copy, as long as there is nothing else than those and what is no reference: Storable calls
# objects' methods, and looks at what is tied or otherwise magical more than once, or not at all. False where there is, or more than an
# image may hold.
sub _copy_within {
    my ($copy, $depth, $room) = @_;
    for my $element (ref $copy eq 'ARRAY' ? @$copy : values %$copy) {
        next if !ref $element;
        $element = ref $element eq 'ARRAY' ? [@$element] : ref $element eq 'HASH' ? {%$element} : return 0;
        return 0 if !$depth || ($$room -= 1 + (ref $element eq 'ARRAY' ? @$element : keys %$element)) < 0;
        # Most are rows; calling a function for each would double the time.
        next if !grep { ref } ref $element eq 'ARRAY' ? @$element : values %$element;
        _copy_within($element, $depth - 1, $room) || return 0;
    }
    return 1;
}

# Parameters as an image, with the head of MessagePack, and the copy that it was made of. The image is undef where they have none, or one
# that is too large; the copy is good for a map in any case: what is not copied in it was not looked at.
sub image {
    my ($original) = @_;
    return if length header() < 2 || substr(header(), 2) ne NATIVE;
    my $room = LARGEST;
    my $params = {%$original};
    return (undef, $params) if !_copy_within($params, CPANBridge::MessagePack::MAX_DEPTH, \$room);
    my $eval_error = $@;
    local $!;
    local $SIG{__DIE__} = 'DEFAULT';
    no warnings;
    local ($Storable::Deparse, $Storable::forgive_me, $Storable::canonical) = (0, 0, 0);
    my $image = eval { Storable::mstore($params) };
    die $@ if !defined $image && !_is_storables($@);
    $@ = $eval_error;
    return (defined $image && length $image <= LARGEST ? pack('CNC', 0xc9, length $image, EXTENSION) . $image : undef, $params);
}

# The value of an image that is the rest of a message from $at on; nothing where it is none of what was asked for.
sub thaw {
    my ($message, $at) = @_;
    my ($length, $type) = unpack 'NC', substr $$message, $at + 1, 5;
    my $header = header();
    return if $type != EXTENSION || $at + 6 + $length != length $$message || !length $header;
    my $image = substr $$message, $at + 6;
    # All but the minor version, which is the broker's.
    return if substr($image, 0, 1) ne substr($header, 0, 1) || substr($image, 2, length($header) - 2) ne substr $header, 2;
    # A list or a map, with no more values than there are bytes behind it.
    my ($kind, $count) = unpack 'CL', substr $image, length $header, 5;
    return if !defined $count || ($kind != 2 && $kind != 3 && $kind != 25) || $kind != 25 && $count > length $image;
    my $eval_error = $@;
    local $!;
    local $SIG{__DIE__} = 'DEFAULT';
    no warnings;
    local $Storable::Eval = 0;
    # Nothing is blessed, tied, or loaded. By the function that is C, as in `header`.
    my $value;
    my $done = eval { $value = Storable::mretrieve($image, 0); 1 };
    die $@ if !$done && !_is_storables($@);
    $@ = $eval_error;
    return $done && (ref $value eq 'HASH' || ref $value eq 'ARRAY') ? $value : undef;
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Frozen - long results and parameters as images of Storable's (used by CPANBridge::Session)

=head1 DESCRIPTION

A result of many values, a thousand rows say, is read in a fraction of the time as an image of core Perl's Storable. It is asked for by
methods whose results were long before, and only of a broker of this user's or root's: an image can't be looked at before it is read, as
MessagePack is.

Parameters of many values are sent as one, to any broker: it reads plain data in it and refuses the rest, which is then sent as a map.

=head1 FUNCTIONS

=head2 LONG

=head2 OVER

=head2 EXTENSION

Bytes from which on a result counts as long; bytes that one has which comes as an image; the type of the extension that it comes as.

=head2 header

What images begin with on this Perl, loading Storable; empty if it is too old.

=head2 LARGEST

=head2 NATIVE

The longest image of parameters that a broker reads; how one begins behind the version.

=head2 image

    my ($bytes, $copy) = CPANBridge::Frozen::image(\%parameters);

Parameters as an image with its head, undef where they have none or too large a one, and a copy of them to send instead: what is tied or
otherwise magical was looked at for it, and is not to be looked at again. Nothing where no images are made.

=head2 would_help

    CPANBridge::Frozen::would_help($result, $length) and ...;

=head2 options

The bytes of each of a request's two options that ask for it.

=head2 without

    $body = CPANBridge::Frozen::without($body);

The bytes of a request without them.

=head2 weight

How many bytes of memory an image can take at most when it is thawed.

=head2 thaw

    my $value = CPANBridge::Frozen::thaw(\$message, $at);

=cut
