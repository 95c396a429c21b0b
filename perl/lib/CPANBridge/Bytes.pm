package CPANBridge::Bytes;

use strict;
use warnings;

use CPANBridge::Error ();

our $VERSION = '0.100';

# Equal strings are equal bytes, whatever Perl keeps them as: a flag that some other module has set makes no characters of them. What has a
# character above 0xFF is no bytes; what is said of it is the original's words, so whoever asks has them.
sub of {
    my ($text) = @_;
    return utf8::downgrade($text, 1) ? $text : undef;
}

# Bytes under a name in a result. A broker that gives none is not to be told from one that lies.
sub in_answer {
    my ($name, $method, $result) = @_;
    my $bytes = ref $result eq 'HASH' ? $result->{$name} : undef;
    return $bytes if defined $bytes && !ref $bytes && utf8::downgrade($bytes, 1);
    die CPANBridge::Error::bad_answer($method, "has no $name");
}

1;

__END__

=encoding utf8

=head1 NAME

CPANBridge::Bytes - strings that are bytes (used by the stand-ins)

=head1 FUNCTIONS

=head2 of

    my $bytes = CPANBridge::Bytes::of($text);
    Carp::croak('Wide character in the data') if !defined $bytes;

The string without Perl's flag for characters; undef if it has a character above 0xFF.

=head2 in_answer

    my $data = CPANBridge::Bytes::in_answer('data', 'crypto.chain_next', $result);

The bytes under a name in a call's result; dies with a L<CPANBridge::Error> (C<protocol>) if there are none.

=cut
