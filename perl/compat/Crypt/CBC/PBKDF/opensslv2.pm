package Crypt::CBC::PBKDF::opensslv2;

use strict;
use warnings;

use Crypt::CBC::PBKDF ();
use Digest::SHA ();

our @ISA = ('Crypt::CBC::PBKDF');

sub generate_hash {
    my ($self, $salt, $passphrase) = @_;
    return $self->_evp_bytes_to_key(\&Digest::SHA::sha256, $salt, $passphrase);
}

1;
