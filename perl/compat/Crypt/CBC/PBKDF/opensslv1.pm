package Crypt::CBC::PBKDF::opensslv1;

use strict;
use warnings;

use Crypt::CBC::PBKDF ();
use Digest::MD5 ();

our @ISA = ('Crypt::CBC::PBKDF');

sub generate_hash {
    my ($self, $salt, $passphrase) = @_;
    return $self->_evp_bytes_to_key(\&Digest::MD5::md5, $salt, $passphrase);
}

1;
