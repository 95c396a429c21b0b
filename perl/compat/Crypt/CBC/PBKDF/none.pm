package Crypt::CBC::PBKDF::none;

# No derivation: the pass phrase is the key.

use strict;
use warnings;

use Carp qw(croak);
use Crypt::CBC::PBKDF ();

our @ISA = ('Crypt::CBC::PBKDF');

sub generate_hash {
    my ($self, undef, $passphrase) = @_;
    croak "For selected cipher, the key must be exactly $self->{key_len} bytes long" if length $passphrase != $self->{key_len};
    return $passphrase;
}

1;
