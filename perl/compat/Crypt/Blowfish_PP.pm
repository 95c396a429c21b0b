package Crypt::Blowfish_PP;

# A stand-in for Crypt::Blowfish_PP 1.12: the broker cpan-bridge computes.

use strict;
use warnings;

use CPANBridge::BlockCipher ();

our $VERSION = '1.12';
our @ISA     = ('CPANBridge::BlockCipher');

sub blocksize { return 8 }
sub keysize   { return 56 }

# As the original: no object for a key that is none.
sub new {
    my ($class, $key) = @_;
    return if !defined $key || length $key < 8 || length $key > 56;
    return $class->keyed('Blowfish', $key);
}

# The original takes what is there, and zero bytes for the rest.
sub whole_block { my ($self, $block) = @_; return substr +(defined $block ? $block : '') . "\0" x 8, 0, 8 }

1;
