package Crypt::DES_EDE3;

# A stand-in for Crypt::DES_EDE3 0.01 that needs core Perl only: the broker cpan-bridge computes.

use strict;
use warnings;

use CPANBridge::BlockCipher ();

our $VERSION = '0.01';
our @ISA     = ('CPANBridge::BlockCipher');

sub blocksize { return 8 }
sub keysize   { return 24 }

# As the original, which takes three keys off what it is given.
sub new {
    my ($class, $key) = @_;
    $class->checked_key($key, 24, ~0, 'Invalid key');
    return $class->keyed('DES_EDE3', substr $key, 0, 24);
}

1;
